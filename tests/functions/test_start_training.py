"""What makes a trigger start a run, and what does not; how its executions are called."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from report_training.logic import started_by
from start_training import names, new_data
from start_training.handler import handle
from start_training.logic import Trigger, alarmed, scheduled, why_not_alarmed
from start_training.new_data import LOOK_BACK, Listing, listing, read_cause, why_not

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
QUIET = timedelta(minutes=30)
LONGEST = "n" * 31


def _object(key: str, minutes_ago: float, tag: str = '"1"', size: int = 3) -> dict[str, Any]:
    return {"Key": key, "ETag": tag, "Size": size, "LastModified": NOW - timedelta(minutes=minutes_ago)}


def _trigger(**more: Any) -> Trigger:
    fields: dict[str, Any] = {"name": "nightly", "state_machine": "arn", "request": {}, "kind": names.SCHEDULE}
    return Trigger(**fields | more)


def _judged(found: Listing | None, seen: Listing | None = None) -> str | None:
    return why_not(found, seen, now=NOW, quiet=QUIET)


def test_two_deliveries_of_one_minute_are_one_run() -> None:
    # Given a schedule's event, the same again, and one that AWS sends for the same time some seconds later
    at = datetime(2026, 11, 21, 3, 0, 1, tzinfo=UTC)
    assert scheduled(_trigger(), at) == scheduled(_trigger(), at + timedelta(seconds=58))
    assert scheduled(_trigger(), at) != scheduled(_trigger(), at + timedelta(minutes=1))


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (names.SCHEDULE, names.to_minute(NOW)),
        (names.ALARM, names.to_second(NOW)),
        (names.DATA, Listing(NOW, 10**9, "0a1b2c3d").cause),
        (names.HAND, f"{names.to_second(NOW)}_0a1b2c3d"),
    ],
)
def test_names_fit_step_functions_and_can_be_read(kind: str, cause: str) -> None:
    name = names.execution_name(LONGEST, kind, cause)
    assert len(name) <= 80
    assert name.replace("-", "").replace("_", "").isalnum()
    assert names.read(name) == (LONGEST, kind, cause)
    # And the report says so too
    assert started_by(name) == {"trigger": LONGEST, "kind": kind}


@pytest.mark.parametrize("name", ["sentiment-20261120-142530-9f3a02c4", "nightly_other_1", "_data_1", "3f9c-uuid"])
def test_what_people_start_is_no_triggers(name: str) -> None:
    assert names.read(name) is None
    assert started_by(name) is None


def test_data_is_new_when_nothing_more_has_come_for_a_while() -> None:
    assert _judged(listing([_object("a", 31), _object("b", 40)])) is None
    assert "more may come" in str(_judged(listing([_object("a", 29), _object("b", 40)])))
    assert _judged(listing([])) == "Nothing lies there."


def test_the_consoles_folders_are_no_data() -> None:
    assert listing([_object("reviews/", 31, size=0)]) is None
    assert listing([_object("reviews/", 1, size=0), _object("reviews/1", 31)]) == listing([_object("reviews/1", 31)])


def test_data_that_a_run_has_seen_starts_no_other() -> None:
    found = listing([_object("a", 31)])
    assert found
    assert _judged(found, read_cause(found.cause)) == "The last run has seen it."


def test_the_same_object_uploaded_again_is_new() -> None:
    before, again = listing([_object("a", 90)]), listing([_object("a", 31)])
    assert _judged(again, before) is None


def test_a_deletion_starts_nothing() -> None:
    both = listing([_object("a", 60), _object("b", 31)])
    # The newest gone, and another one
    assert "deleted" in str(_judged(listing([_object("a", 60)]), both))
    assert "deleted" in str(_judged(listing([_object("b", 31)]), both))


def test_an_upload_that_began_before_the_last_run_and_ended_after_it_is_new() -> None:
    # Given that S3 dates an upload in parts by its beginning
    seen = listing([_object("b", 31)])
    late = listing([_object("a", 80), _object("b", 31)])
    assert _judged(late, seen) is None
    # Also one in the place of an older object
    assert _judged(listing([_object("a", 80, '"2"'), _object("b", 31)]), late) is None


def test_old_data_starts_nothing_so_that_a_name_that_is_free_again_is_not_used() -> None:
    old = listing([_object("a", LOOK_BACK / timedelta(minutes=1) + 1)])
    assert "14 days" in str(_judged(old))
    assert timedelta(days=90) > LOOK_BACK


def test_an_alarm_starts_one_run_in_its_interval() -> None:
    trigger = _trigger(kind=names.ALARM, minimum_interval=timedelta(hours=6))
    assert why_not_alarmed(trigger, NOW, None) is None
    assert why_not_alarmed(trigger, NOW, NOW - timedelta(hours=6)) is None
    assert "at most one in 360 minutes" in str(why_not_alarmed(trigger, NOW, NOW - timedelta(hours=5, minutes=59)))
    # And two events that come before the first execution is listed have one name
    assert alarmed(trigger, NOW) == alarmed(trigger, NOW + timedelta(seconds=20))
    assert alarmed(trigger, NOW) != alarmed(trigger, NOW + timedelta(hours=6))


def _deployed(**when: Any) -> tuple[Any, str]:
    """Step Functions, and the machine that the trigger /t starts."""
    states = boto3.client("stepfunctions", "us-east-1")
    machine = states.create_state_machine(
        name="m", roleArn="arn:aws:iam::123456789012:role/r", definition='{"StartAt":"A","States":{}}'
    )["stateMachineArn"]
    document = {"name": "corpus", "state_machine": machine, "request": {"name": "corpus"}, **when}
    boto3.client("ssm", "us-east-1").put_parameter(Name="/t", Value=json.dumps(document), Type="String")
    return states, machine


@mock_aws
def test_a_second_look_at_the_same_data_finds_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # Given an object of now below the prefix, which counts at once
    data = {"bucket": "data", "prefix": "corpus/", "quiet_seconds": 0}
    states, machine = _deployed(new_data=data)
    s3 = boto3.client("s3", "us-east-1")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="corpus/1", Body=b"1")
    s3.put_object(Bucket="data", Key="elsewhere/1", Body=b"1")
    # When the function looks twice, and the list of executions comes late the second time
    event = {"trigger": "/t", "time": "2026-11-21T12:00:00Z"}
    assert handle(event, None)["execution"]
    monkeypatch.setattr("start_training.handler._started", lambda *_: iter(()))
    handle(event, None)
    # Then the name has kept a second run away
    assert len(states.list_executions(stateMachineArn=machine)["executions"]) == 1


@mock_aws
def test_a_run_that_a_person_started_by_the_triggers_name_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    states, machine = _deployed(alarm={"name": "a", "minimum_interval_seconds": 3600})
    states.start_execution(stateMachineArn=machine, name="corpus_hand_20261121T120000_0a1b2c3d")
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert handle({"trigger": "/t", "time": now}, None)["execution"]
    assert handle({"trigger": "/t", "time": now}, None)["execution"] is None


def test_a_cause_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="unpack"):
        new_data.read_cause("20261121T120000")
