"""`hfsm transform`: its arguments, nothing else."""

from typing import Annotated

import typer

from hfsm.options import Environment, Local
from hfsm.progress import make_console


def transform(
    name: Annotated[str, typer.Argument(help="A batch transform of the settings.")],
    source: Annotated[
        str | None, typer.Option("--input", metavar="PREFIX", help="Below the input of the settings. Left out: that.")
    ] = None,
    destination: Annotated[
        str | None,
        typer.Option("--output", metavar="PREFIX/", help="Below the output of the settings. Left out: that."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it ends.")] = False,
    environment: Environment = "dev",
    local: Local = False,
) -> None:
    """Start a batch transform, and print where its answers will be.

    Exit code 0: started, or with --wait succeeded; 1: failed; 2: a wrong name or prefix, and nothing was started.
    """
    from hfsm import cloud
    from hfsm import transform as transforms

    parameters = cloud.Parameters(cloud.connect(local), environment)
    transforms.transform(name, parameters, make_console(), source=source, destination=destination, wait=wait)
