"""`hfsm images`: its arguments, nothing else."""

from pathlib import Path
from typing import Annotated

import typer

from hfsm.options import Environment, Local
from hfsm.progress import make_console

app = typer.Typer(help="The container images of an environment, and what `latest` stands for.")


@app.callback(invoke_without_command=True)
def images(
    context: typer.Context,
    environment: Environment = "dev",
    local: Local = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """List the images of an environment: base, tag, digest, age, findings of the scan, and what runs each."""
    if context.invoked_subcommand is not None:
        return
    from hfsm import cloud, image_list

    found = image_list.list_images(cloud.Parameters(cloud.connect(local), environment))
    if json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        image_list.show(found, make_console())


@app.command("update")
def update_images(
    environments: Annotated[list[str] | None, typer.Argument(metavar="[ENV...]", help="Which. Left out: all.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--environments", help="Folder of the settings. Left out: the project's.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Change the file without asking.")] = False,
) -> None:
    """Pin what `latest` stands for in the settings to the newest images of the catalogue, after showing what changes.

    Asks nothing of AWS. Exit code 1: not changed, because nobody said yes.
    """
    from hfsm.image_pins import PinUpdate
    from hfsm.local import PROJECT_ROOT

    update = PinUpdate(folder or PROJECT_ROOT / "environments", environments or [])
    if not update.changes:
        typer.echo(f"{update.file} is current.")
        return
    typer.echo("\n".join(update.changes))
    if not yes and not typer.confirm(f"Change {update.file}?"):
        typer.echo("Not changed.")
        raise typer.Exit(1)
    update.apply()
    typer.echo(f"Changed {update.file}. Deploy it: that builds the images.")


@app.command("promote")
def promote_image(
    name: Annotated[str, typer.Argument(help="An image whose settings say promoted_from.")],
    to: Annotated[str, typer.Option("--to", help="The environment that is to run it.")],
    source: Annotated[
        str | None, typer.Option("--from", help="The environment that builds it. Left out: as the settings say.")
    ] = None,
    digest: Annotated[
        str | None, typer.Option(help="sha256:… to promote, or to go back to. Left out: what the source runs now.")
    ] = None,
    from_profile: Annotated[str | None, typer.Option(help="AWS profile for the environment that builds it.")] = None,
    to_profile: Annotated[str | None, typer.Option(help="AWS profile for the environment that is to run it.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    local: Local = False,
) -> None:
    """Run an image in an environment as another one has built it: the same digest, nothing is built.

    Refused when its scan is not complete, or found what nobody accepts today. Exit code 1: not promoted.
    """
    from hfsm import cloud, promotion

    destination = cloud.Parameters(cloud.connect(local, to_profile), to)
    wanted = promotion.prepare(name, destination, source, cloud.connect(local, from_profile), digest)
    typer.echo("\n".join(wanted.shown()))
    if not yes and not typer.confirm("Promote it?"):
        typer.echo("Not promoted.")
        raise typer.Exit(1)
    typer.echo(wanted.ask())
