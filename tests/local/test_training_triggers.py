"""What starts runs besides people, and how many go on at a time, on the embedded AWS."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.local.bare_image import bare_image
from tests.local.compute_projects import Projects, until
from tests.local.control import control
from tests.local.embedded_aws import RunningLocalCloud, Stacks, start_localcloud
from tests.local.triggered_machine import ALARM, QUIET_SECONDS, REQUEST, TriggeredMachine
from tests.local.workflow_machine import GROUP, PARAMETER, PROGRAM, functions

STACK = "triggered-machine"


@dataclass
class Triggered:
    """The deployed stack."""

    running: Any
    bucket: str
    workflow: str
    slow: str
    quick: str
    resources: dict[str, str]

    def __post_init__(self) -> None:
        self.states = self.running.client("stepfunctions")
        self.s3 = self.running.client("s3")

    def fire(self, trigger: str, at: str | None = None) -> None:
        """The time of the trigger's rule has come; then its function is waited for."""
        before = len(self.looks())
        rule = self.resources[f"TriggersText{trigger.capitalize()}Rule"]
        control(self.running, f"rules/{rule}/trigger", {"time": at} if at else None)
        until(self.looks, lambda looks: len(looks) > before, seconds=60)

    def looks(self) -> list[dict[str, Any]]:
        """What the function has said, each time."""
        logs, group = self.running.client("logs"), self.resources["TriggersStarterLogs"]
        lines = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
        return [json.loads(line) for line in lines if line.startswith('{"trigger"')]

    def runs(self, machine: str, trigger: str = "") -> list[str]:
        """Names of executions, the newest first."""
        listed = self.states.list_executions(stateMachineArn=machine)["executions"]
        return [each["name"] for each in listed if each["name"].startswith(trigger)]

    def start(self, machine: str, name: str) -> str:
        request = {**REQUEST, "channels": {"train": f"s3://{self.bucket}/triggered/"}}
        started = self.states.start_execution(stateMachineArn=machine, name=name, input=json.dumps(request))
        return str(started["executionArn"])

    def ended(self, arn: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            described: dict[str, Any] = self.states.describe_execution(executionArn=arn)
            return described

        return until(look, lambda execution: execution["status"] != "RUNNING", seconds=120)

    def history(self, arn: str) -> list[dict[str, Any]]:
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def waits_for(self, arn: str) -> str:
        """What the last look whether it is the run's turn has said; empty: none has."""
        kind = "lambdaFunctionFailedEventDetails"
        refused = [event[kind] for event in self.history(arn) if kind in event]
        said = [str(each["cause"]) for each in refused if each["error"] == "TooManyRuns"]
        return said[-1] if said else ""


@pytest.fixture(scope="module")
def localcloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLocalCloud]:
    """Of this module's own: names of the workflow's parameter and group are constants that other modules use too."""
    store = os.environ.get("HFSM_IMAGE_STORE")
    arguments = ("--image-store", store) if store else ()
    running = start_localcloud(tmp_path_factory.mktemp("triggers"), arguments=arguments)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def triggered(localcloud: RunningLocalCloud) -> Triggered:
    projects = Projects(localcloud)
    bucket = projects.bucket
    image = bare_image(localcloud, PROGRAM, "tests/triggers")
    projects.s3.put_object(Bucket=bucket, Key="functions.zip", Body=functions())
    projects.s3.put_object(Bucket=bucket, Key="triggered/mode.txt", Body=b"work")
    localcloud.client("ssm").put_parameter(Name=PARAMETER, Value=image, Type="String")
    localcloud.client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
    localcloud.client("cloudwatch").put_metric_alarm(
        AlarmName=ALARM,
        Namespace="Quality",
        MetricName="Accuracy",
        Statistic="Average",
        Period=60,
        ComparisonOperator="LessThanThreshold",
        EvaluationPeriods=1,
        Threshold=0.6,
        TreatMissingData="ignore",
    )
    machine = TriggeredMachine(repository=image.partition("@")[0], bucket=bucket)
    template = machine.template
    machine.publish_assets(projects.s3)
    stacks = Stacks(localcloud)
    stack = stacks.create(STACK, template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons(STACK, "CREATE_FAILED")
    outputs = stacks.outputs(STACK)
    listed = stacks.api.describe_stack_resources(StackName=STACK)["StackResources"]
    # Without the hash that the CDK puts behind each logical id.
    resources = {each["LogicalResourceId"][:-8]: each["PhysicalResourceId"] for each in listed}
    return Triggered(localcloud, bucket, outputs["Arn"], outputs["SlowArn"], outputs["QuickArn"], resources)


def test_a_schedule_delivered_twice_starts_one_run(triggered: Triggered) -> None:
    # When the time of a schedule comes, and its event comes again
    for second in ("00", "00", "41"):
        triggered.fire("nightly", at=f"2026-11-21T03:00:{second}Z")
    # Then one run was started, which succeeds
    assert triggered.runs(triggered.workflow) == ["nightly_schedule_20261121T0300"]
    arn = f"{triggered.workflow.replace(':stateMachine:', ':execution:')}:nightly_schedule_20261121T0300"
    execution = triggered.ended(arn)
    assert execution["status"] == "SUCCEEDED", execution
    assert json.loads(execution["input"])["name"] == "triggered"
    # And the next day another one is
    triggered.fire("nightly", at="2026-11-22T03:00:00Z")
    assert len(triggered.runs(triggered.workflow)) == 2


def test_new_data_starts_one_run_when_nothing_more_comes(triggered: Triggered) -> None:
    def put(name: str) -> None:
        triggered.s3.put_object(Bucket=triggered.bucket, Key=f"corpus/{name}", Body=b"new")

    def quiet() -> None:
        time.sleep(QUIET_SECONDS + 1)  # S3 tells whole seconds

    def runs() -> int:
        return len(triggered.runs(triggered.quick, "corpus_data_"))

    # Given an empty prefix, and then an object that has just come
    triggered.fire("corpus")
    put("1.jsonl")
    triggered.fire("corpus")
    assert runs() == 0
    # When nothing more has come for a while, then one run is started, however often is looked
    quiet()
    triggered.fire("corpus")
    triggered.fire("corpus")
    assert runs() == 1
    # And another one for another object
    put("2.jsonl")
    quiet()
    triggered.fire("corpus")
    assert runs() == 2
    # And none for a deletion
    triggered.s3.delete_object(Bucket=triggered.bucket, Key="corpus/2.jsonl")
    triggered.fire("corpus")
    assert runs() == 2
    assert "deleted" in triggered.looks()[-1]["why_not"]


def test_an_alarm_that_flaps_starts_one_run(triggered: Triggered) -> None:
    alarms = triggered.running.client("cloudwatch")

    def becomes(state: str) -> None:
        alarms.set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="a test says so")

    def goes_off() -> list[str]:
        before = len(triggered.looks())
        becomes("OK")
        becomes("ALARM")
        until(triggered.looks, lambda looks: len(looks) > before, seconds=60)
        return triggered.runs(triggered.quick, "drift_alarm_")

    # When it goes off, then a run is started
    runs = goes_off()
    assert len(runs) == 1
    # And none when it goes off again at once
    assert goes_off() == runs
    assert "at most one in 60 minutes" in triggered.looks()[-1]["why_not"]


def test_what_cannot_be_started_becomes_a_dead_letter(triggered: Triggered) -> None:
    # Given a trigger whose parameter somebody has deleted
    ssm = triggered.running.client("ssm")
    kept = ssm.get_parameter(Name="/tests/triggers/drift")["Parameter"]["Value"]
    ssm.delete_parameter(Name="/tests/triggers/drift")
    # When its alarm goes off
    alarms = triggered.running.client("cloudwatch")
    for state in ("OK", "ALARM"):
        alarms.set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="a test says so")
    # Then what the function was called with lies in the queue
    sqs, queue = triggered.running.client("sqs"), triggered.resources["TriggersDeadLetters"]
    letters = until(lambda: sqs.receive_message(QueueUrl=queue).get("Messages", []), len, seconds=90)
    assert json.loads(letters[0]["Body"])["trigger"] == "/tests/triggers/drift"
    ssm.put_parameter(Name="/tests/triggers/drift", Value=kept, Type="String")


def test_runs_beyond_the_limit_wait_for_their_turn(triggered: Triggered) -> None:
    for name in triggered.runs(triggered.workflow):
        triggered.ended(f"{triggered.workflow.replace(':stateMachine:', ':execution:')}:{name}")
    # Given a run of another job type, and two that are started together, where one may go on at a time
    ahead = triggered.start(triggered.slow, "ahead")
    first, second = (triggered.start(triggered.workflow, name) for name in ("first", "second"))
    assert "1 run is ahead of this one" in until(lambda: triggered.waits_for(first), len, seconds=60)
    assert "2 runs are ahead" in until(lambda: triggered.waits_for(second), len, seconds=60)
    # When the one ahead is stopped
    triggered.states.stop_execution(executionArn=ahead, cause="not needed")
    # Then its place is free, and they run one after the other
    ends = [triggered.ended(arn) for arn in (first, second)]
    assert [end["status"] for end in ends] == ["SUCCEEDED", "SUCCEEDED"], ends
    trains = [_entered(triggered.history(arn), "TrainOnSpot") for arn in (first, second)]
    assert triggered.states.describe_execution(executionArn=ahead)["stopDate"] <= trains[0]
    assert ends[0]["stopDate"] <= trains[1]
    # And whoever waits enters no state more than whoever does not
    assert [_count(triggered.history(arn)) for arn in (first, second)] == [11, 11]


def _entered(events: list[dict[str, Any]], state: str) -> Any:
    (moment,) = [e["timestamp"] for e in events if e.get("stateEnteredEventDetails", {}).get("name") == state]
    return moment


def _count(events: list[dict[str, Any]]) -> int:
    return sum("stateEnteredEventDetails" in event for event in events)
