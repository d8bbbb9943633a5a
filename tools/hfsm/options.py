"""The options that most commands share."""

from typing import Annotated

import typer

Environment = Annotated[str, typer.Option("--env", help="The environment: a file's name in environments/.")]
Local = Annotated[bool, typer.Option("--local", help="Use the embedded AWS that `hfsm local up` started.")]
