"""`hfsm triggers`: what starts runs besides people, when it did and does next; and by hand."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hfsm.execution import _waits

REQUEST = {"schema_version": "1", "name": "nightly", "channels": {"train": "s3://dev-data/reviews/"}}


@pytest.fixture
def triggers(deploy: Any, put_parameters: Any) -> Any:
    """An environment with one of each kind; Step Functions."""
    aws = deploy()
    states = aws.client("stepfunctions")
    machine = states.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    kinds: dict[str, Any] = {
        "nightly": {"schedule": {"expression": "cron(0 3 * * ? *)"}},
        "corpus": {"new_data": {"bucket": "dev-data", "prefix": "reviews/", "quiet_seconds": 1800}},
        "drift": {"alarm": {"name": "accuracy", "minimum_interval_seconds": 3600}},
    }
    for name, kind in kinds.items():
        document = {"name": name, "job_type": "text-classification", "state_machine": machine, "request": REQUEST}
        put_parameters({f"training/text-classification/triggers/{name}": json.dumps(document | kind)})
    return states, machine


def test_they_are_listed_with_what_they_last_started_and_when_they_do_next(hfsm: Any, triggers: Any) -> None:
    # Given one that has started two runs
    states, machine = triggers
    for name in ("nightly_schedule_20261120T0300", "nightly_schedule_20261121T0300"):
        states.start_execution(stateMachineArn=machine, name=name, input=json.dumps(REQUEST))
    # When they are listed
    found = {each["name"]: each for each in json.loads(hfsm("triggers", "--json").out)["triggers"]}
    # Then the newest of them is shown, and the next time of the schedule, which lies ahead
    assert found["nightly"]["last"]["name"] == "nightly_schedule_20261121T0300"
    assert found["nightly"]["last"]["kind"] == "schedule"
    assert datetime.fromisoformat(found["nightly"]["next"]) > datetime.now(UTC)
    assert found["nightly"]["next"].endswith("T03:00:00Z")
    assert (found["corpus"]["last"], found["corpus"]["next"]) == (None, None)
    assert found["corpus"]["when"] == "new data below s3://dev-data/reviews/, 30 minutes quiet"
    assert found["drift"]["when"] == "alarm accuracy, at most one run in 60 minutes"
    # And the job type is still one
    assert "nightly" not in json.dumps(json.loads(hfsm("status", "--json").out)["images"])
    assert "cron(0 3 * * ? *) UTC" in hfsm("triggers").out


def test_one_is_started_by_hand_with_its_own_request(hfsm: Any, triggers: Any) -> None:
    states, machine = triggers
    result = hfsm("triggers", "--start", "corpus")
    assert result.code == 0, result.err
    (started,) = states.list_executions(stateMachineArn=machine)["executions"]
    assert started["name"].startswith("corpus_hand_")
    assert started["name"] in result.out
    described = states.describe_execution(executionArn=started["executionArn"])
    assert json.loads(described["input"]) == REQUEST


def test_a_name_that_is_no_triggers_is_told_with_those_that_are(hfsm: Any, triggers: Any) -> None:
    result = hfsm("triggers", "--start", "nigthly")
    assert result.code == 2
    assert "has no trigger 'nigthly'" in result.err
    assert "nightly (text-classification)" in result.err


def test_a_name_of_two_job_types_needs_the_job_type(hfsm: Any, triggers: Any, put_parameters: Any) -> None:
    _, machine = triggers
    document = {"name": "nightly", "job_type": "audio", "state_machine": machine, "request": REQUEST}
    schedule = {"schedule": {"expression": "rate(1 day)"}}
    put_parameters({"training/audio/triggers/nightly": json.dumps(document | schedule)})
    refused = hfsm("triggers", "--start", "nightly")
    assert refused.code == 2
    assert "--job-type audio or text-classification" in refused.err
    assert hfsm("triggers", "--start", "nightly", "--job-type", "audio").code == 0


def test_an_environment_without_triggers_says_so(hfsm: Any, deploy: Any) -> None:
    deploy()
    assert "has no triggers" in hfsm("triggers").out


def test_a_run_that_waits_says_for_how_many() -> None:
    def refused(error: str, text: str) -> dict[str, Any]:
        cause = json.dumps({"errorMessage": text, "errorType": error})
        details = {"error": error, "cause": cause}
        return {"type": "LambdaFunctionFailed", "lambdaFunctionFailedEventDetails": details}

    entered = {"type": "TaskStateEntered", "stateEnteredEventDetails": {"name": "Validate"}}
    waiting = [entered, refused("TooManyRuns", "2 runs are ahead of this one, and the environment lets 1 go on")]
    assert _waits(waiting) == "2 runs are ahead of this one"
    # When its turn has come, it no longer does
    assert _waits([*waiting, {"type": "TaskStateEntered", "stateEnteredEventDetails": {"name": "Way"}}]) == ""
    assert _waits([entered, refused("InvalidTrainingRequest", "name is missing")]) == ""
