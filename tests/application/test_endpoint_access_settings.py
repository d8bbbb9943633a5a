"""Callers and APIs in the settings of an endpoint."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from stacks.endpoint_access_settings import ApiSettings, CallerArn, RequestSettings, endpoint_access_problems

CALLER = "arn:aws:iam::111122223333:role/checkout"
WAY = "vpce-0a1b2c3d"


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::111122223333:role/check*",
        "arn:aws:iam::111122223333:root",
        "arn:aws:iam::*:role/checkout",
        "*",
        "arn:aws:sts::111122223333:assumed-role/checkout/me",
    ],
)
def test_a_caller_is_one_role_or_user(arn: str) -> None:
    assert TypeAdapter(CallerArn).validate_python(CALLER) == CALLER
    with pytest.raises(ValidationError):
        TypeAdapter(CallerArn).validate_python(arn)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "access: private must have vpc_endpoint_ids"),
        ({"access": "regional", "vpc_endpoint_ids": [WAY]}, "access: regional none"),
        ({"vpc_endpoint_ids": ["vpc-0a1b2c3d"]}, "should match pattern"),
        ({"vpc_endpoint_ids": [WAY], "requests_per_second": 0}, "greater than 0"),
        (
            {"vpc_endpoint_ids": [WAY], "request": {"inputs": 1000, "characters": 10_000}},
            "would let 40.0 MB pass, and SageMaker takes 6 MB: their product must be at most 1500000",
        ),
    ],
)
def test_what_is_no_api_is_refused(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ApiSettings(**said)
    assert words in str(caught.value)


def test_an_api_may_take_any_body() -> None:
    assert ApiSettings(vpc_endpoint_ids=[WAY], request=None).request is None
    assert ApiSettings(vpc_endpoint_ids=[WAY]).request == RequestSettings(inputs=64, characters=10_000)


@pytest.mark.parametrize(
    ("callers", "words"),
    [
        ([CALLER.replace("arn:aws:", "arn:aws-cn:")], "must be of the partition of eu-west-1: arn:aws:…"),
        ([CALLER, CALLER], "must be named once"),
    ],
)
def test_callers_that_cannot_be_meant_are_told(callers: list[str], words: str) -> None:
    problems = endpoint_access_problems("inference.endpoints.0", callers, None, "real-time", region="eu-west-1")
    assert [problem for _, _, problem in problems] == [words]


@pytest.mark.parametrize("mode", ["asynchronous", "components", "multi-model"])
def test_a_mode_that_an_api_cannot_speak_to_is_refused(mode: Any) -> None:
    api = ApiSettings(access="regional")
    ((path, value, problem),) = endpoint_access_problems("inference.endpoints.0", [], api, mode, region="eu-west-1")
    assert (path, value) == ("inference.endpoints.0.api", mode)
    assert "callers take `callers`" in problem


@pytest.mark.parametrize("mode", ["real-time", "serverless"])
def test_an_endpoint_that_answers_at_once_may_have_one(mode: Any) -> None:
    api = ApiSettings(access="regional")
    assert endpoint_access_problems("inference.endpoints.0", [CALLER], api, mode, region="eu-west-1") == []
