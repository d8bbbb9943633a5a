"""What starts training runs besides people: listed, and started by hand."""

import json
import secrets
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hf_sagemaker import schedule_expression
from hfsm.cloud import Parameters
from hfsm.errors import WrongUseError
from hfsm.execution import Execution
from hfsm.train import how_to_follow
from start_training import names

_LOOKED_AT = 1000
"""Executions of a job type, the newest, among which a trigger's last one is looked for."""


class Run(BaseModel):
    """An execution that a trigger has started. kind: schedule, data, alarm, or hand. started: ISO 8601."""

    name: str
    kind: str
    status: str
    started: str


class Trigger(BaseModel):
    """when: what starts it, in words. last: among the newest executions. next: ISO 8601, where it is known."""

    name: str
    job_type: str
    when: str
    last: Run | None = None
    next: str | None = None


class Triggers(BaseModel):
    """Those of an environment, by job type and name."""

    schema_version: str = "1"
    environment: str
    triggers: list[Trigger]


def read(parameters: Parameters, now: datetime | None = None) -> Triggers:
    """Ask for all of them. now: omitted: the time."""
    documents = _documents(parameters)
    runs = {arn: _runs(parameters, arn) for arn in {each["state_machine"] for each in documents}}
    return Triggers(
        environment=parameters.environment,
        triggers=[
            Trigger(
                name=each["name"],
                job_type=each["job_type"],
                when=_when(each),
                last=runs[each["state_machine"]].get(each["name"]),
                next=_next(each, now or datetime.now(UTC)),
            )
            for each in documents
        ],
    )


def start(name: str, job_type: str | None, parameters: Parameters) -> str:
    """Start what a trigger starts; says so, and how to follow it.

    Raises WrongUseError where the name means no trigger, or one of several job types.
    """
    known = _documents(parameters)
    found = [each for each in known if each["name"] == name and job_type in (None, each["job_type"])]
    if not found:
        there = ", ".join(f"{each['name']} ({each['job_type']})" for each in known) or "none"
        of = f" of job type {job_type!r}" if job_type else ""
        raise WrongUseError(f"Environment {parameters.environment!r} has no trigger {name!r}{of}. It has: {there}.")
    if len(found) > 1:
        types = " or ".join(each["job_type"] for each in found)
        raise WrongUseError(f"Several job types have a trigger {name!r}. Say which one: --job-type {types}.")
    (trigger,) = found
    cause = f"{names.to_second(datetime.now(UTC))}_{secrets.token_hex(4)}"
    answer = parameters.cloud.client("stepfunctions").start_execution(
        stateMachineArn=trigger["state_machine"],
        name=names.execution_name(name, names.HAND, cause),
        input=json.dumps(trigger["request"]),
    )
    run = Execution(parameters.cloud, answer["executionArn"])
    return f"Started {run.name} in {parameters.environment}.\n{how_to_follow(run)}"


def show(found: Triggers, console: Console) -> None:
    """Print them as a table."""
    if not found.triggers:
        console.print(
            Text(f"Environment {found.environment} has no triggers. docs/training-triggers.md says how to make one.")
        )
        return
    table = Table(box=None, pad_edge=False)
    for column in ("trigger", "job type", "starts a run", "last run", "status", "started", "next"):
        table.add_column(column, overflow="fold")
    for each in found.triggers:
        last = each.last or Run(name="none yet", kind="", status="", started="")
        table.add_row(each.name, each.job_type, each.when, last.name, last.status, last.started, each.next or "")
    console.print(table)


def _documents(parameters: Parameters) -> list[dict[str, Any]]:
    """As `hf_sagemaker.training_triggers` writes them."""
    below = parameters.below("training")
    return [json.loads(below[path]) for path in sorted(below) if path.split("/")[1:2] == ["triggers"]]


def _runs(parameters: Parameters, state_machine: str) -> dict[str, Run]:
    """The newest execution of each trigger."""
    pages = parameters.cloud.client("stepfunctions").get_paginator("list_executions")
    listed = (each for page in pages.paginate(stateMachineArn=state_machine) for each in page["executions"])
    found: dict[str, Run] = {}
    for each in islice(listed, _LOOKED_AT):
        if named := names.read(each["name"]):
            started = f"{each['startDate'].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            found.setdefault(named[0], Run(name=each["name"], kind=named[1], status=each["status"], started=started))
    return found


def _when(trigger: dict[str, Any]) -> str:
    if schedule := trigger.get("schedule"):
        return f"{schedule['expression']} UTC"
    if data := trigger.get("new_data"):
        return f"new data below s3://{data['bucket']}/{data['prefix']}, {data['quiet_seconds'] // 60} minutes quiet"
    alarm = trigger["alarm"]
    return f"alarm {alarm['name']}, at most one run in {alarm['minimum_interval_seconds'] // 60} minutes"


def _next(trigger: dict[str, Any], now: datetime) -> str | None:
    schedule = trigger.get("schedule")
    time = schedule_expression.parse(schedule["expression"]).next(now) if schedule else None
    return f"{time:%Y-%m-%dT%H:%M:%SZ}" if time else None
