"""`hfsm endpoints`: its arguments, nothing else."""

from typing import Annotated

import typer

from hfsm.options import Environment, Local
from hfsm.progress import make_console

app = typer.Typer(
    help="Which endpoints an environment has; stop them, start them again with the same name, move their end.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="An endpoint of the settings.")]


@app.command("list")
def list_endpoints(
    environment: Environment = "dev",
    local: Local = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """List the endpoints of an environment: whether they serve, since when, and when and why they end."""
    from hfsm import cloud
    from hfsm import endpoints as serving

    found = serving.read(cloud.Parameters(cloud.connect(local), environment))
    if json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        serving.show(found, make_console())


@app.command()
def stop(
    name: Name,
    environment: Environment = "dev",
    local: Local = False,
    yes: Annotated[bool, typer.Option("--yes", help="Stop it without asking.")] = False,
) -> None:
    """Stop an endpoint: it costs nothing, answers nothing, and keeps its name, model and configuration.

    Only in a disposable environment. Exit code 1: it was not stopped.
    """
    from hfsm import cloud
    from hfsm import endpoints as serving

    endpoint = serving.find(name, cloud.Parameters(cloud.connect(local), environment))
    if not yes and not typer.confirm(f"Stop {endpoint.declaration.endpoint}? Requests to it fail until it is started."):
        typer.echo("Not stopped.")
        raise typer.Exit(1)
    typer.echo(endpoint.stop())


@app.command()
def start(
    name: Name,
    environment: Environment = "dev",
    local: Local = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Return when it serves.")] = True,
) -> None:
    """Start an endpoint that was stopped: the same name, the same configuration, a new lifetime.

    With one that serves already nothing happens. Exit code 1: it could not be started; what it says says why.
    """
    from hfsm import cloud
    from hfsm import endpoints as serving

    endpoint = serving.find(name, cloud.Parameters(cloud.connect(local), environment))
    typer.echo(endpoint.start())
    if wait:
        typer.echo(endpoint.wait())


@app.command()
def extend(
    name: Name,
    hours: Annotated[int, typer.Option("--hours", min=1, max=336, help="From now, 1 to 336.")] = 24,
    environment: Environment = "dev",
    local: Local = False,
) -> None:
    """Move the end of an endpoint: it is not stopped before so many hours from now, used or not."""
    from hfsm import cloud
    from hfsm import endpoints as serving

    endpoint = serving.find(name, cloud.Parameters(cloud.connect(local), environment))
    typer.echo(endpoint.extend(hours))
