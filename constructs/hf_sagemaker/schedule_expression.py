"""EventBridge's schedule expressions: `cron(0 3 * * ? *)`, `rate(6 hours)`. Checked, and when their time comes next.

Times are UTC. Source: the EventBridge user guide, "Setting a schedule pattern for scheduled rules". Never imports
aws_cdk: settings and operators' tools read it.
"""

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\((.+)\)")
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_NEAREST = re.compile(r"(\d{1,2})W")
_LAST = re.compile(r"([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)?L")
_NUMBERED = re.compile(r"([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)#([1-5])")
_DAYS_AHEAD = 8 * 366
"""As far as the next time is looked for: a leap day comes every eight years at the rarest."""

IsDay = Callable[[date], bool]


@dataclass(frozen=True)
class Schedule:
    """A sound expression. is_day, minutes: of a cron expression; minutes of the day. None: a rate."""

    text: str
    is_day: IsDay | None = None
    minutes: tuple[int, ...] = ()

    def next(self, after: datetime) -> datetime | None:
        """The first time after that one. None: of a rate, which counts from its rule's creation; or never."""
        if self.is_day is None:
            return None
        after = after.astimezone(UTC)
        for ahead in range(_DAYS_AHEAD):
            day = after.date() + timedelta(days=ahead)
            if self.is_day(day):
                midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
                times = (midnight + timedelta(minutes=each) for each in self.minutes)
                if found := next((each for each in times if each > after), None):
                    return found
        return None


def parse(text: str) -> Schedule:
    """Raises ValueError, with what the expression must be."""
    if rate := _RATE.fullmatch(text):
        count, _, plural = rate.groups()
        if int(count) < 1 or (count == "1") == bool(plural):
            raise ValueError("a rate is at least 1, and one minute, hour or day is singular: rate(1 day), rate(2 days)")
        return Schedule(text)
    fields = cron[1].split(" ") if (cron := _CRON.fullmatch(text)) else []
    if len(fields) != 6:
        raise ValueError(
            "must be rate(<number> minutes|hours|days) or cron(<minutes> <hours> <day of month> <month> "
            "<day of week> <year>), for example cron(0 3 * * ? *) for 03:00 UTC each day"
        )
    minute, hour, of_month, month, of_week, year = fields
    if (of_month == "?") == (of_week == "?"):
        raise ValueError("exactly one of day of month and day of week must be ?")
    minutes, hours = _numbers("minutes", minute, 0, 59), _numbers("hours", hour, 0, 23)
    months, years = _numbers("month", month, 1, 12, _MONTHS), _numbers("year", year, 1970, 2199)
    fits = _day_of_month(of_month) if of_week == "?" else _day_of_week(of_week)

    def is_day(day: date) -> bool:
        return day.month in months and day.year in years and fits(day)

    return Schedule(text, is_day, tuple(60 * h + m for h in sorted(hours) for m in sorted(minutes)))


def _numbers(name: str, text: str, lowest: int, highest: int, words: dict[str, int] | None = None) -> set[int]:
    """Of one field: lists, ranges and steps."""
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = ("", "", "") if span == "*" else span.partition("-")
        begin = lowest if span == "*" else _number(first, words)
        # A step without an end goes on to the highest.
        end = highest if span == "*" or (slash and not dash) else _number(last or first, words)
        width = _number(step, None) if slash else 1
        if begin is None or end is None or not width or not lowest <= begin <= end <= highest:
            raise ValueError(
                f"{name} is {text}: it must be *, or numbers of {lowest} to {highest} with , - and / between them"
            )
        found |= set(range(begin, end + 1, width))
    return found


def _number(text: str, words: dict[str, int] | None) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else (words or {}).get(text.upper())


def _day_of_month(text: str) -> IsDay:
    if text == "L":
        return lambda day: day.day == _length(day)
    if (nearest := _NEAREST.fullmatch(text)) and 1 <= int(nearest[1]) <= 31:
        return lambda day: day.day == _nearest_weekday(day, int(nearest[1]))
    days = _numbers("day of month", text, 1, 31)
    return lambda day: day.day in days


def _nearest_weekday(month: date, wanted: int) -> int:
    """The day of that month, Monday to Friday, that is nearest to the wanted one. 0: the month has no such day."""
    if wanted > _length(month):
        return 0
    weekday = month.replace(day=wanted).weekday()
    if weekday == calendar.SATURDAY:
        return wanted - 1 if wanted > 1 else 3
    if weekday == calendar.SUNDAY:
        return wanted + 1 if wanted < _length(month) else wanted - 2
    return wanted


def _day_of_week(text: str) -> IsDay:
    if last := _LAST.fullmatch(text):
        if not last[1]:
            return lambda day: _of_week(day) == 7
        wanted = _number(last[1], _DAYS)
        return lambda day: _of_week(day) == wanted and day.day + 7 > _length(day)
    if numbered := _NUMBERED.fullmatch(text):
        which, count = _number(numbered[1], _DAYS), int(numbered[2])
        return lambda day: _of_week(day) == which and (day.day - 1) // 7 + 1 == count
    days = _numbers("day of week", text, 1, 7, _DAYS)
    return lambda day: _of_week(day) in days


def _of_week(day: date) -> int:
    """Sunday is 1."""
    return day.isoweekday() % 7 + 1


def _length(month: date) -> int:
    return calendar.monthrange(month.year, month.month)[1]
