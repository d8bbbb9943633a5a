"""The commands of `hfsm` about registered models: their arguments, nothing else."""

from typing import Annotated

import typer

from hfsm.options import Environment, Local
from hfsm.progress import make_console


def register(app: typer.Typer) -> None:
    """Adds them."""
    app.command()(models)
    app.command()(approve)
    app.command()(lineage)


def models(
    job_type: Annotated[str | None, typer.Argument(help="Which job type. Left out: all.")] = None,
    environment: Environment = "dev",
    local: Local = False,
    most: Annotated[int, typer.Option("--most", min=1, help="Newest versions of each job type.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """List registered models: version, approval, metric, version of the data, image, when and who."""
    from hfsm import cloud, registry

    found = registry.models(cloud.Parameters(cloud.connect(local), environment), job_type, most)
    if json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        registry.show(found, make_console())


def approve(
    job_type: Annotated[str, typer.Argument(help="The job type that trained the model.")],
    version: Annotated[int | None, typer.Argument(help="Its version. Left out: the newest.")] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Reject it, also where it was approved.")] = False,
    note: Annotated[str, typer.Option("--note", help="Why: kept with the model.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    environment: Environment = "dev",
    local: Local = False,
) -> None:
    """Approve a registered model, or reject it. Endpoints that follow its job type then serve it.

    They serve the approved version with the highest number: reject that one to go back to the one before. Exit code 1:
    nothing was changed, because nobody said yes.
    """
    from hfsm import approval, cloud

    decision = approval.prepare(cloud.Parameters(cloud.connect(local), environment), job_type, version)
    typer.echo("\n".join(decision.shown()))
    if not yes and not typer.confirm("Reject it?" if reject else "Approve it?"):
        typer.echo("Nothing was changed.")
        raise typer.Exit(1)
    typer.echo(decision.make(approved=not reject, note=note))


def lineage(
    subject: Annotated[str, typer.Argument(help="ARN of a model package, <job type>/<version>, or an endpoint.")],
    environment: Environment = "dev",
    local: Local = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="List the data again, and say whether it is as it was.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Show what a model was made of and how, and what came of it: data, code, image, job, package, endpoints.

    Exit code 1 with --verify: some data is not as it was when the model was trained.
    """
    from hfsm import cloud
    from hfsm import lineage as lineages

    found = lineages.find(subject, cloud.Parameters(cloud.connect(local), environment), verify=verify)
    typer.echo(found.model_dump_json(indent=2) if json else found.text())
    if any(each.now == "changed" for each in found.data):
        raise typer.Exit(1)
