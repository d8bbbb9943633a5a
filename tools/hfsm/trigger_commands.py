"""`hfsm triggers`: its arguments, nothing else."""

from typing import Annotated

import typer

from hfsm.options import Environment, Local
from hfsm.progress import make_console


def triggers(
    start: Annotated[
        str | None, typer.Option("--start", metavar="NAME", help="Start what this trigger starts, now.")
    ] = None,
    job_type: Annotated[
        str | None, typer.Option(help="Of the trigger to start. Left out: the only one with a trigger of that name.")
    ] = None,
    environment: Environment = "dev",
    local: Local = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """List what starts training runs besides people: when it last started what, and when it does next.

    With --start: start one by hand, and print how to follow it.
    """
    from hfsm import cloud
    from hfsm import triggers as listing

    parameters = cloud.Parameters(cloud.connect(local), environment)
    if start:
        typer.echo(listing.start(start, job_type, parameters))
        return
    found = listing.read(parameters)
    if json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        listing.show(found, make_console())
