"""Lambda entry point."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3

from start_training import names, new_data
from start_training.logic import Trigger, alarmed, scheduled, why_not_alarmed


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Input: {trigger: name of its parameter, time: of the event}. Output: {trigger, execution, why_not}.

    Starts at most one execution for each cause, however often it is called. Any error is Lambda's to try again, and
    then a dead letter's.
    """
    parameter = boto3.client("ssm").get_parameter(Name=event["trigger"])["Parameter"]
    trigger = Trigger.from_document(json.loads(parameter["Value"]))
    states = boto3.client("stepfunctions")
    name, why_not = _decide(trigger, datetime.fromisoformat(event["time"]), states)
    execution = None
    if not why_not:
        execution, why_not = _start(states, trigger, name)
    said = {"trigger": trigger.name, "execution": execution, "why_not": why_not}
    print(json.dumps(said))
    return said


def _decide(trigger: Trigger, time: datetime, states: Any) -> tuple[str, str | None]:
    """The execution's name, and why it is not to be started."""
    if trigger.kind == names.DATA:
        found = new_data.listing(_objects(trigger))
        now = datetime.now(UTC)
        why_not = new_data.why_not(found, None, now=now, quiet=trigger.quiet)
        if why_not or not found:
            return "", why_not
        # What started before the newest object came has not seen it.
        started = next(_started(states, trigger, found.newest), None)
        seen = new_data.read_cause(started["cause"]) if started else None
        why_not = new_data.why_not(found, seen, now=now, quiet=trigger.quiet)
        return names.execution_name(trigger.name, names.DATA, found.cause), why_not
    if trigger.kind == names.ALARM:
        started = next(_started(states, trigger, time - trigger.minimum_interval), None)
        return alarmed(trigger, time), why_not_alarmed(trigger, time, started["startDate"] if started else None)
    return scheduled(trigger, time), None


def _objects(trigger: Trigger) -> Iterator[dict[str, Any]]:
    pages = boto3.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=trigger.bucket, Prefix=trigger.prefix):
        yield from page.get("Contents", [])


def _started(states: Any, trigger: Trigger, since: datetime) -> Iterator[dict[str, Any]]:
    """The executions that this trigger has started by itself since then, the newest first, each with its `cause`."""
    pages = states.get_paginator("list_executions")
    for page in pages.paginate(stateMachineArn=trigger.state_machine):
        for each in page["executions"]:
            if each["startDate"] < since:
                return
            named = names.read(each["name"])
            if named and named[:2] == (trigger.name, trigger.kind):
                yield {**each, "cause": named[2]}


def _start(states: Any, trigger: Trigger, name: str) -> tuple[str | None, str | None]:
    """The ARN of the execution, or why there is no new one."""
    try:
        started = states.start_execution(
            stateMachineArn=trigger.state_machine, name=name, input=json.dumps(trigger.request)
        )
    except states.exceptions.ExecutionAlreadyExists:
        return None, f"The execution {name} was there already: a second delivery, or a second look."
    return str(started["executionArn"]), None
