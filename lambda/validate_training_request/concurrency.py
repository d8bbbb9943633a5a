"""How many runs of an environment go on at a time: who is older goes first.

No table counts them: the executions that Step Functions has running are the count. A run that is stopped or fails frees
its place by that alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

_SHOWN = 5
"""Names of runs in a message."""
_LOOKS = 4
"""As often an execution looks for itself: what Step Functions lists comes some moments late."""
_LOOK_AGAIN_SECONDS = 2


class TooManyRuns(RuntimeError):  # noqa: N818 (the name is what the state machine waits for, and people see)
    """The run must wait; the text names those ahead of it."""


@dataclass(frozen=True)
class Run:
    """A running execution."""

    arn: str
    started: datetime

    @property
    def name(self) -> str:
        return self.arn.rsplit(":", 1)[-1]


def wait_for_turn(limit: Mapping[str, Any], execution_id: str, clients: Any, sleep: Callable[[float], None]) -> None:
    """Raises TooManyRuns while as many older runs go on as the limit allows at a time.

    limit: {runs, machines: name of the parameter with the ARNs of all machines, started: when this one was}.
    clients: `boto3.client`. sleep: `time.sleep`.
    """
    stated = clients("ssm").get_parameter(Name=limit["machines"])["Parameter"]["Value"]
    states = clients("stepfunctions")
    this = Run(execution_id, datetime.fromisoformat(limit["started"]))
    running: list[Run] = []
    for look in range(_LOOKS):
        if look:
            sleep(_LOOK_AGAIN_SECONDS)
        running = [run for machine in stated.split(",") for run in _running(states, machine)]
        if listed := next((run for run in running if run.arn == execution_id), None):
            this = listed
            break
    ahead = older(this, running)
    if len(ahead) >= limit["runs"]:
        raise TooManyRuns(message(ahead, limit["runs"]))


def older(this: Run, running: Sequence[Run]) -> list[Run]:
    """Those that were started before it, the oldest first; those of the same moment by their ARN."""
    order = sorted(running, key=lambda run: (run.started, run.arn))
    return [run for run in order if (run.started, run.arn) < (this.started, this.arn)]


def message(ahead: Sequence[Run], limit: int) -> str:
    """The number comes first: `hfsm train` shows it while the run waits."""
    named = ", ".join(run.name for run in ahead[:_SHOWN])
    more = f" and {len(ahead) - _SHOWN} more" if len(ahead) > _SHOWN else ""
    count = f"{len(ahead)} runs are" if len(ahead) > 1 else "1 run is"
    return (
        f"{count} ahead of this one, and the environment lets {limit} go on at a time "
        f"(training.max_concurrent_runs): {named}{more}. No job was started. Wait until they have ended, or stop what "
        "is not needed, and redrive this execution."
    )


def _running(states: Any, machine: str) -> Iterator[Run]:
    """Raises TooManyRuns where Step Functions answers nobody for now, too: a run must not fail of that."""
    pages = states.get_paginator("list_executions")
    try:
        for page in pages.paginate(stateMachineArn=machine, statusFilter="RUNNING"):
            for each in page["executions"]:
                yield Run(each["executionArn"], each["startDate"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ThrottlingException":
            raise
        raise TooManyRuns(
            "the running executions could not be counted, since Step Functions throttles. No job was started. Redrive "
            "this execution later."
        ) from None
