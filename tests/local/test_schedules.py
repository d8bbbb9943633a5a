"""The time of an EventBridge Scheduler schedule comes when somebody says so."""

import json
import urllib.error
import urllib.request
import uuid
from typing import Any

import pytest

from tests.local.embedded_aws import RunningLocalCloud

DEFINITION = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
ROLE = "arn:aws:iam::123456789012:role/any"


def trigger(running: RunningLocalCloud, name: str, **said: str) -> int:
    url = f"{running.endpoint_url}/_localcloud/schedules/{name}/trigger"
    with urllib.request.urlopen(urllib.request.Request(url, data=json.dumps(said).encode()), timeout=30) as answer:
        return int(answer.status)


def schedule(running: RunningLocalCloud, arn: str, text: str) -> str:
    name = f"schedule-{uuid.uuid4().hex[:8]}"
    running.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression="cron(0 3 * * ? *)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": ROLE, "Input": text},
    )
    return name


def test_it_starts_a_state_machine_with_its_input(localcloud: RunningLocalCloud) -> None:
    # Given a schedule that starts a state machine
    machines = localcloud.client("stepfunctions")
    name = f"machine-{uuid.uuid4().hex[:8]}"
    machine = machines.create_state_machine(name=name, definition=json.dumps(DEFINITION), roleArn=ROLE)
    name = schedule(localcloud, machine["stateMachineArn"], '{"batch": "nightly"}')

    # When its time has come
    assert trigger(localcloud, name) == 202

    # Then it has been started with what the schedule says
    (execution,) = machines.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
    described: dict[str, Any] = machines.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(described["input"]) == {"batch": "nightly"}


def test_its_input_may_name_the_time(localcloud: RunningLocalCloud) -> None:
    # Given a schedule that writes to a queue
    sqs = localcloud.client("sqs")
    url = sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name = schedule(localcloud, arn, '{"at": "<aws.scheduler.scheduled-time>"}')

    # When a certain time has come, then it is in the message
    trigger(localcloud, name, time="2026-11-21T03:00:00Z")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"]) == {"at": "2026-11-21T03:00:00Z"}


def test_an_unknown_schedule_is_404(localcloud: RunningLocalCloud) -> None:
    with pytest.raises(urllib.error.HTTPError) as answer:
        trigger(localcloud, "no-such-schedule")

    assert answer.value.code == 404
    assert "no-such-schedule" in json.load(answer.value)["message"]
