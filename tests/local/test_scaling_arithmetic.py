"""How much a policy wants, and when a scheduled action comes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from localcloud.autoscaling import desired, schedule


@pytest.mark.parametrize(
    ("capacity", "value", "wanted"),
    [(2, 5, 2), (2, 5.1, 3), (1, 20, 4), (4, 1, 1), (3, 0, 0), (0, 100, 0)],
)
def test_target_tracking_is_in_proportion_and_cannot_leave_zero(capacity: int, value: float, wanted: int) -> None:
    assert desired.tracked(capacity, value, 5) == wanted


def steps(kind: str, *bounds: tuple[float | None, float | None, int], **more: Any) -> dict[str, Any]:
    adjustments = [
        {
            **({} if low is None else {"MetricIntervalLowerBound": low}),
            **({} if high is None else {"MetricIntervalUpperBound": high}),
            "ScalingAdjustment": change,
        }
        for low, high, change in bounds
    ]
    return {"AdjustmentType": kind, "StepAdjustments": adjustments, **more}


BY_STEPS = steps("ChangeInCapacity", (None, -10, -2), (-10, 0, -1), (0, 10, 1), (10, None, 3))
BY_PERCENT = steps("PercentChangeInCapacity", (0, 10, 10), (10, None, 50), (None, 0, -10))


@pytest.mark.parametrize(
    ("configuration", "capacity", "above", "wanted"),
    [
        (BY_STEPS, 4, 0, 5),  # a lower bound belongs to the step above it
        (BY_STEPS, 4, 9.9, 5),
        (BY_STEPS, 4, 10, 7),
        (BY_STEPS, 4, -10, 2),  # and an upper one to the step below it
        (BY_STEPS, 4, -9, 3),
        (BY_STEPS, 1, -11, 0),
        (BY_PERCENT, 7, 20, 10),  # 3.5 becomes 3
        (BY_PERCENT, 4, 1, 5),  # 0.4 becomes 1
        (BY_PERCENT, 4, -1, 3),  # and -0.4 becomes -1
        (BY_PERCENT | {"MinAdjustmentMagnitude": 2}, 4, 1, 6),
        (steps("ExactCapacity", (0, None, 6)), 1, 3, 6),
        (steps("ChangeInCapacity", (0, None, 1)), 0, 0, 1),
        (steps("ChangeInCapacity", (None, 0, -1)), 3, 0, 2),
        (steps("ChangeInCapacity", (5, None, 1)), 3, 2, 3),
    ],
)
def test_a_step_is_chosen_by_how_far_the_metric_is_from_the_threshold(
    configuration: dict[str, Any], capacity: int, above: float, wanted: int
) -> None:
    assert desired.stepped(configuration, capacity, above) == wanted


@pytest.mark.parametrize(
    ("expression", "zone", "comes"),
    [
        ("at(2026-11-21T12:00:00)", None, "2026-11-21T12:00:00+00:00"),
        ("at(2026-11-21T12:00:00)", "Europe/Berlin", "2026-11-21T11:00:00+00:00"),
        ("at(2026-11-20T12:00:00)", None, None),
        ("cron(0 8 ? * MON-FRI *)", "Europe/Berlin", "2026-11-23T07:00:00+00:00"),
        ("cron(30 22 ? * SAT *)", "America/New_York", "2026-11-22T03:30:00+00:00"),
        ("cron(0/15 * * * ? *)", None, "2026-11-21T10:15:00+00:00"),
        ("cron(0 0 L * ? *)", None, "2026-11-30T00:00:00+00:00"),
        ("cron(0 0 1 1 ? 2028)", None, "2028-01-01T00:00:00+00:00"),
        ("cron(0 0 1 1 ? 2020)", None, None),
        ("rate(5 minutes)", None, None),
    ],
)
def test_a_time_is_on_the_wall_in_its_zone(expression: str, zone: str | None, comes: str | None) -> None:
    # Given a Saturday in winter
    now = datetime(2026, 11, 21, 10, 7, tzinfo=UTC)

    found = schedule.next_time(expression, zone, now)

    assert (found and found.astimezone(UTC).isoformat()) == comes


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("tomorrow", "none of at"),
        ("cron(0 8 * * * *)", "must be"),
        ("cron(0 25 ? * MON *)", "0 to 23"),
        ("cron(0 8 ? * MON)", "six fields"),
        ("rate(5 months)", "none of at"),
    ],
)
def test_an_expression_that_is_not_understood_is_an_error(expression: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        schedule.next_time(expression, None, datetime.now(UTC))


def test_an_unknown_time_zone_is_an_error() -> None:
    with pytest.raises(ValueError, match="Mars/Olympus"):
        schedule.next_time("cron(0 8 ? * MON *)", "Mars/Olympus", datetime.now(UTC))


def test_a_rate_is_in_seconds_of_aws() -> None:
    assert [schedule.rate_seconds(each) for each in ("rate(1 minute)", "rate(2 hours)", "cron(x)")] == [60, 7200, None]
