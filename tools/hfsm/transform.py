"""Batch transforms of an environment: started, and followed until the answers are there."""

import time
from typing import Any

from rich.console import Console

from hfsm.cloud import Parameters
from hfsm.errors import OperatorError, WrongUseError
from hfsm.execution import Execution, Failure, start
from hfsm.progress import Progress
from hfsm.train import say


def transform(
    name: str,
    parameters: Parameters,
    console: Console,
    *,
    source: str | None = None,
    destination: str | None = None,
    wait: bool = False,
) -> None:
    """Start one, and print where its answers will be.

    source, destination: prefixes for this run, below those of the settings. Omitted: those of the settings.
    wait: until it has ended.

    Raises WrongUseError where there is no such transform, or where a prefix lies elsewhere; nothing is started then.
    Raises OperatorError with the cause of a run that failed.
    """
    known = parameters.children("batch")
    if name not in known:
        there = ", ".join(known) or "none; docs/batch-transform.md says how to make one"
        raise WrongUseError(f"Environment {parameters.environment!r} has no batch transform {name!r}. It has: {there}.")
    declared = {field: parameters.get(f"batch/{name}/{field}") for field in ("input", "output")}
    given = {"input": source, "output": destination}
    request = {field: value for field, value in given.items() if value is not None}
    for field, value in request.items():
        _check(field, value, declared[field])
    run = start(parameters.cloud, parameters.get(f"batch/{name}/state-machine-arn"), name, request)
    bucket = parameters.get(f"batch/{name}/bucket")
    say(console, f"Started {run.name} in {parameters.environment}.")
    say(console, f"  answers:    s3://{bucket}/{request.get('output', declared['output'])}{run.name}/")
    say(console, f"  look at it: {run.cloud.cli_prefix} stepfunctions describe-execution --execution-arn {run.arn}")
    if wait:
        _follow(run, console)


def _check(field: str, value: str, declared: str) -> None:
    """As the state machine does."""
    if not value.startswith(declared) or (field == "output" and not value.endswith("/")):
        end = " and end in a slash" if field == "output" else ""
        raise WrongUseError(
            f"--{field} is {value!r}; it must begin with {declared}{end}: the transform's role may go nowhere else. "
            "Nothing was started."
        )


def _follow(run: Execution, console: Console) -> None:
    with Progress(console, f"Batch transform {run.name}") as progress:
        before = ""
        while (look := run.look()).running:
            if look.state and look.state != before:
                progress.note(f"  {look.state}")
                before = look.state
            time.sleep(run.cloud.poll_seconds)
    if look.status != "SUCCEEDED":
        raise OperatorError(_words(run, run.failure()))
    output: dict[str, Any] = run.output()
    say(console, f"{run.name} succeeded. Its answers are below {output['output']}, one object .out for each object.")


def _words(run: Execution, failure: Failure) -> str:
    return f"{run.name} {failure.status.lower().replace('_', ' ')}: {failure.error}. {failure.cause}".rstrip()
