"""Schedule expressions: what EventBridge takes, and when the time comes next."""

from datetime import UTC, datetime

import pytest

from hf_sagemaker.schedule_expression import parse

# A Saturday.
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cron(0 3 * * ? *)", "2026-11-22 03:00"),
        ("cron(0 12 * * ? *)", "2026-11-22 12:00"),
        ("cron(1 12 * * ? *)", "2026-11-21 12:01"),
        ("cron(0/15 8-18 ? * MON-FRI *)", "2026-11-23 08:00"),
        ("cron(30 2,14 * * ? *)", "2026-11-21 14:30"),
        ("cron(0 0 1 1,7 ? *)", "2027-01-01 00:00"),
        ("cron(0 0 L * ? *)", "2026-11-30 00:00"),
        ("cron(0 0 ? * L *)", "2026-11-28 00:00"),
        ("cron(0 0 ? * 6L *)", "2026-11-27 00:00"),
        ("cron(0 0 ? * MON#2 *)", "2026-12-14 00:00"),
        ("cron(0 0 1W 8 ? *)", "2027-08-02 00:00"),  # 1 August 2027 is a Sunday
        ("cron(0 0 1W 5 ? *)", "2027-05-03 00:00"),  # 1 May 2027 is a Saturday; the day before is in April
        ("cron(0 0 29 2 ? *)", "2028-02-29 00:00"),
        ("cron(0 6 ? * 1 2027-2030)", "2027-01-03 06:00"),
    ],
)
def test_the_next_time_is_known(expression: str, expected: str) -> None:
    assert f"{parse(expression).next(NOW):%Y-%m-%d %H:%M}" == expected


def test_a_rate_counts_from_a_time_that_is_not_known() -> None:
    assert parse("rate(7 days)").next(NOW) is None
    assert parse("cron(0 0 1 1 ? 2020)").next(NOW) is None


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 3 * * *", "must be rate"),
        ("cron(0 3 * * *)", "must be rate"),
        ("cron(0 3 * * * *)", "exactly one"),
        ("cron(0 3 ? * ? *)", "exactly one"),
        ("cron(60 3 * * ? *)", "minutes is 60"),
        ("cron(0 24 * * ? *)", "hours is 24"),
        ("cron(0 3 0 * ? *)", "day of month is 0"),
        ("cron(0 3 ? * 8 *)", "day of week is 8"),
        ("cron(0 3 * JANUARY ? *)", "month is JANUARY"),
        ("cron(10-5 3 * * ? *)", "minutes is 10-5"),
        ("cron(*/0 3 * * ? *)", r"minutes is \*/0"),
        ("rate(1 days)", "singular"),
        ("rate(2 day)", "singular"),
        ("rate(0 minutes)", "at least 1"),
        ("rate(30 seconds)", "must be rate"),
    ],
)
def test_what_eventbridge_would_refuse_is_refused(expression: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(expression)
