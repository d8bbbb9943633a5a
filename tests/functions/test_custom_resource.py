"""What CloudFormation is told of a custom resource, whatever the resource is."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from custom_resource.fulfilment import Made, fulfil
from tests.functions.waiting_stack import LOG, request_of


def _made(_: Mapping[str, Any]) -> Made:
    return Made("sg-1", {"Uri": "s3://b/k"})


def test_what_was_made_is_told_with_its_attributes(waiting: Any) -> None:
    fulfil(request_of(waiting), _made, log=LOG)
    ((answer, _),) = waiting.answers
    assert (answer["Status"], answer["PhysicalResourceId"], answer["Data"]) == ("SUCCESS", "sg-1", {"Uri": "s3://b/k"})


def test_deleting_makes_nothing(waiting: Any) -> None:
    fulfil(request_of(waiting, "Delete", PhysicalResourceId="as-created"), lambda _: pytest.fail("made"), log=LOG)
    ((answer, _),) = waiting.answers
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "as-created")


def test_a_failure_is_told_with_its_reason_and_log(waiting: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(properties: Mapping[str, Any]) -> Made:
        raise PermissionError(f"not {properties['DefaultSecurityGroupId']}")

    fulfil(request_of(waiting, "Update", PhysicalResourceId="sg-0"), refuse, log=LOG)
    ((answer, _),) = waiting.answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == f"PermissionError: not sg-1. See log stream {LOG}."
    assert answer["PhysicalResourceId"] == "sg-0"  # another one would have CloudFormation delete what serves
    assert "PermissionError" in capsys.readouterr().out


def test_a_creation_that_fails_has_an_id_all_the_same(waiting: Any) -> None:
    fulfil(request_of(waiting, ResourceProperties={}), lambda properties: _made(properties["x"]), log=LOG)
    ((answer, _),) = waiting.answers
    assert answer["Status"] == "FAILED"
    assert answer["PhysicalResourceId"]


def test_a_long_reason_still_fits_into_an_answer(waiting: Any) -> None:
    def refuse(_: Mapping[str, Any]) -> Made:
        raise PermissionError("x" * 10_000)

    fulfil(request_of(waiting), refuse, log=LOG)
    ((answer, _),) = waiting.answers
    assert len(json.dumps(answer).encode()) < 4096
    assert answer["Reason"].endswith(f"See log stream {LOG}.")


def test_lambda_tries_again_when_the_answer_does_not_arrive(waiting: Any) -> None:
    waiting.status = 503
    with pytest.raises(OSError, match="503"):
        fulfil(request_of(waiting), _made, log=LOG)
