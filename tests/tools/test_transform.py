"""`hfsm transform`: a batch transform is started, followed, and told of."""

import json
from typing import Any

import pytest

SUCCEEDS = {"Answered": {"Type": "Pass", "Result": {"output": "s3://dev-data/scored/run"}, "End": True}}
FAILS = {"Failed": {"Type": "Fail", "Error": "NothingToTransform", "Cause": "Nothing lies below the prefix."}}


@pytest.fixture
def transforms(deploy: Any, put_parameters: Any) -> Any:
    """Makes an environment with one transform, whose machine has these states; Step Functions, and the machine."""

    def make(states: dict[str, Any] = SUCCEEDS) -> Any:
        aws = deploy(states)
        client = aws.client("stepfunctions")
        machine = client.list_state_machines()["stateMachines"][0]["stateMachineArn"]
        values = {"state-machine-arn": machine, "bucket": "dev-data", "input": "incoming/", "output": "scored/"}
        put_parameters({f"batch/nightly/{name}": value for name, value in values.items()})
        return client, machine

    return make


def test_one_is_started_and_says_where_its_answers_will_be(hfsm: Any, transforms: Any) -> None:
    states, machine = transforms()
    result = hfsm("transform", "nightly")
    assert result.code == 0, result.err
    (started,) = states.list_executions(stateMachineArn=machine)["executions"]
    assert f"s3://dev-data/scored/{started['name']}/" in result.out
    assert states.describe_execution(executionArn=started["executionArn"])["input"] == "{}"


def test_prefixes_for_one_run_are_its_input(hfsm: Any, transforms: Any) -> None:
    states, machine = transforms()
    result = hfsm("transform", "nightly", "--input", "incoming/monday/", "--output", "scored/again/")
    assert result.code == 0, result.err
    assert "s3://dev-data/scored/again/nightly-" in result.out
    (started,) = states.list_executions(stateMachineArn=machine)["executions"]
    given = json.loads(states.describe_execution(executionArn=started["executionArn"])["input"])
    assert given == {"input": "incoming/monday/", "output": "scored/again/"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nigthly",), "has no batch transform 'nigthly'. It has: nightly."),
        (("nightly", "--input", "models/"), "it must begin with incoming/"),
        (("nightly", "--output", "scored/here"), "it must begin with scored/ and end in a slash"),
    ],
)
def test_what_is_wrong_starts_nothing(hfsm: Any, transforms: Any, arguments: tuple[str, ...], words: str) -> None:
    states, machine = transforms()
    result = hfsm("transform", *arguments)
    assert result.code == 2
    assert words in " ".join(result.err.split())
    assert states.list_executions(stateMachineArn=machine)["executions"] == []


def test_waiting_ends_with_the_place_of_the_answers(hfsm: Any, transforms: Any) -> None:
    transforms()
    result = hfsm("transform", "nightly", "--wait")
    assert result.code == 0, result.err
    assert "Its answers are below s3://dev-data/scored/run" in result.out


def test_a_failure_is_told_with_its_cause(hfsm: Any, transforms: Any) -> None:
    transforms(FAILS)
    result = hfsm("transform", "nightly", "--wait")
    assert result.code == 1
    assert "NothingToTransform. Nothing lies below the prefix." in " ".join(result.err.split())
