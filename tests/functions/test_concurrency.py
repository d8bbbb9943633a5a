"""Whose turn it is when an environment lets only some runs go on at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from validate_training_request.concurrency import Run, TooManyRuns, message, older, wait_for_turn

BEGIN = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
MACHINES = [f"arn:aws:states:us-east-1:123456789012:stateMachine:{name}" for name in ("text", "audio")]


def _arn(name: str, machine: str = MACHINES[0]) -> str:
    return f"{machine.replace(':stateMachine:', ':execution:')}:{name}"


def _run(name: str, second: float, machine: str = MACHINES[0]) -> Run:
    return Run(_arn(name, machine), BEGIN + timedelta(seconds=second))


class Cloud:
    """What Step Functions lists, look by look: the last look's is there from then on."""

    def __init__(self, *looks: list[Run]) -> None:
        self._looks = list(looks)
        self.slept = 0.0

    def __call__(self, service: str) -> Any:
        return self

    def get_parameter(self, Name: str) -> Any:  # noqa: N803 (AWS's spelling)
        return {"Parameter": {"Value": ",".join(MACHINES)}}

    def get_paginator(self, operation: str) -> Any:
        return self

    def paginate(self, *, stateMachineArn: str, statusFilter: str) -> Any:  # noqa: N803
        assert statusFilter == "RUNNING"
        runs = [r for r in self._looks[0] if r.arn.startswith(_arn("", stateMachineArn))]
        # A page each.
        return [{"executions": [{"executionArn": r.arn, "startDate": r.started}]} for r in runs]

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self._looks = self._looks[1:] or self._looks


def _wait(cloud: Cloud, this: Run, limit: int) -> None:
    asked = {"runs": limit, "machines": "/m", "started": this.started.isoformat()}
    wait_for_turn(asked, this.arn, cloud, cloud.sleep)


def test_runs_of_all_machines_count_and_the_oldest_go_first() -> None:
    # Given four runs of two job types, where two may go on
    runs = [_run("a", 0), _run("b", 1, MACHINES[1]), _run("c", 2), _run("d", 3, MACHINES[1])]
    # Then the two oldest do, whoever asks first
    for run in runs[2:]:
        with pytest.raises(TooManyRuns):
            _wait(Cloud(runs), run, 2)
    for run in runs[:2]:
        _wait(Cloud(runs), run, 2)


def test_a_run_that_waits_keeps_its_place() -> None:
    # Given one that goes on, one that waits, and a younger one
    runs = [_run("a", 0), _run("b", 1), _run("c", 2)]
    # When the first is stopped, then the second goes on and the third waits
    _wait(Cloud(runs[1:]), runs[1], 1)
    with pytest.raises(TooManyRuns, match="1 run is ahead of this one"):
        _wait(Cloud(runs[1:]), runs[2], 1)


def test_of_two_that_were_started_in_one_moment_one_goes_first() -> None:
    one, other = _run("x", 0), _run("y", 0)
    assert older(other, [one, other]) == [one]
    assert older(one, [other, one]) == []


def test_a_run_that_is_not_listed_yet_looks_again() -> None:
    # Given a list that comes late, and then holds an older run too
    this, before = _run("b", 1), _run("a", 0)
    cloud = Cloud([], [before, this])
    with pytest.raises(TooManyRuns):
        _wait(cloud, this, 1)
    assert 0 < cloud.slept < 10


def test_a_run_that_is_never_listed_goes_by_its_own_time() -> None:
    with pytest.raises(TooManyRuns):
        _wait(Cloud([_run("a", 0)]), _run("b", 1), 1)
    _wait(Cloud([_run("c", 2)]), _run("b", 1), 1)


def test_the_message_names_the_runs_ahead_and_says_what_to_do() -> None:
    said = message([_run(f"run-{i}", i) for i in range(7)], 3)
    assert said.startswith("7 runs are ahead of this one, and the environment lets 3 go on at a time")
    assert "run-0, run-1, run-2, run-3, run-4 and 2 more" in said
    assert "redrive" in said


@pytest.mark.parametrize(("code", "raised"), [("ThrottlingException", TooManyRuns), ("AccessDenied", ClientError)])
def test_who_cannot_be_counted_for_now_waits_too(code: str, raised: type[Exception]) -> None:
    class Refusing(Cloud):
        def paginate(self, **asked: str) -> Any:
            raise ClientError({"Error": {"Code": code, "Message": "Rate exceeded"}}, "ListExecutions")

    with pytest.raises(raised):
        _wait(Refusing(), _run("a", 0), 1)
