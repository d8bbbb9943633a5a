"""Faults on order: each protocol's own error, as often as was ordered, and then all is well again."""

import json
import urllib.error
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from localcloud import faults
from tests.local.control import control


@pytest.fixture
def order(localcloud: Any) -> Iterator[Any]:
    """Orders a fault; what is left of it is cleared afterwards."""
    yield lambda **fault: control(localcloud, "faults", fault)
    control(localcloud, "faults", method="DELETE")


def test_a_call_fails_as_often_as_was_ordered(localcloud: Any, order: Any) -> None:
    # Given two throttled calls, of those in which this name is
    ssm, name = localcloud.client("ssm"), f"/{uuid.uuid4()}"
    order(api="ssm:PutParameter", matching=name, error="ThrottlingException", status=400, times=2)
    ssm.put_parameter(Name=f"/{uuid.uuid4()}", Value="other", Type="String")
    # When it is called three times
    for _ in range(2):
        with pytest.raises(ClientError) as refused:
            ssm.put_parameter(Name=name, Value="mine", Type="String")
        assert refused.value.response["Error"]["Code"] == "ThrottlingException"
    ssm.put_parameter(Name=name, Value="mine", Type="String")
    # Then the third one worked, and nothing is left
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "mine"
    assert control(localcloud, "faults", method="GET") == {"faults": []}


def test_a_call_whose_answer_is_lost_has_done_its_work(localcloud: Any, order: Any) -> None:
    ssm, name = localcloud.client("ssm"), f"/{uuid.uuid4()}"
    order(api="ssm:PutParameter", matching=name, lose_answer=True)
    with pytest.raises(ConnectionClosedError):
        ssm.put_parameter(Name=name, Value="there", Type="String")
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "there"


def test_s3_and_sns_answer_in_xml(localcloud: Any, order: Any) -> None:
    s3, sns = localcloud.client("s3"), localcloud.client("sns")
    bucket, topic = (
        f"faults-{uuid.uuid4().hex[:8]}",
        sns.create_topic(Name=f"faults-{uuid.uuid4().hex[:8]}")["TopicArn"],
    )
    s3.create_bucket(Bucket=bucket)
    order(api="s3:PutObject", matching=bucket, error="SlowDown", status=503, message="Please reduce your rate.")
    order(api="sns:Publish", matching=topic.rpartition(":")[2], error="Throttled", status=429)
    for call, code in (
        (lambda: s3.put_object(Bucket=bucket, Key="a", Body=b"a"), "SlowDown"),
        (lambda: sns.publish(TopicArn=topic, Message="a"), "Throttled"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == code
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"disk": "full"}, "A fault has one of api, training_job, interrupt, function_hangs"),
        ({"api": "sns:Publish", "every": 2}, "has no 'every'; it has api, matching"),
        ({"api": "sns:Publish", "times": "twice"}, "another type or range than they must be: times"),
        ({"api": "sns:Publish", "times": 0}, "times \\(at least 1\\)"),
        ({"interrupt": "*", "uploads": "some"}, "or uploads"),
        ({"interrupt": 5}, "range than they must be: interrupt"),
        ({"training_job": "*"}, "either 'fails' or 'no_spot_capacity'"),
        ({"interrupt": "*", "at_line": "a", "while_saving": "b"}, "either 'at_line' or 'while_saving'"),
        (["api"], "A fault is a JSON object"),
    ],
)
def test_what_is_no_fault_is_refused_with_what_there_is(fault: Any, words: str) -> None:
    with pytest.raises(faults.UnknownFaultError, match=words):
        faults.order(fault)


def test_over_the_wire_it_is_refused_too(localcloud: Any, order: Any) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        order(disk="full")
    assert refused.value.code == 400
    assert "There is no such fault" in json.load(refused.value)["message"]
