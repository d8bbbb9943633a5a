"""When a scheduled action comes: at(), rate() and cron(), as Application Auto Scaling takes them.

`rate` waits by the clock of this embedded AWS; the other two name a time on the wall, in the action's time zone.
"""

import calendar
import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_DAYS_AHEAD = 8 * 366  # a leap day comes every eight years at the rarest


def rate_seconds(expression: str) -> int | None:
    """Seconds of AWS between two times. None: it is no rate."""
    rate = _RATE.fullmatch(expression)
    return int(rate[1]) * _SECONDS[rate[2]] if rate else None


def next_time(expression: str, time_zone: str | None, after: datetime) -> datetime | None:
    """The first time after that one, of at() or cron(). None: it never comes again, or is a rate.

    time_zone: omitted: UTC. Raises ValueError: the expression or the time zone is not understood.
    """
    try:
        zone = ZoneInfo(time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{time_zone} is not a time zone") from None
    if rate_seconds(expression):
        return None
    if at := _AT.fullmatch(expression):
        moment = datetime.fromisoformat(at[1]).replace(tzinfo=zone)
        return moment if moment > after else None
    cron = _CRON.fullmatch(expression)
    if not cron:
        raise ValueError(f"{expression} is none of at(yyyy-mm-ddThh:mm:ss), rate(n minutes) and cron(six fields)")
    return _next_of_cron(cron.groups(), after.astimezone(zone), zone)


def _next_of_cron(fields: tuple[str, ...], after: datetime, zone: ZoneInfo) -> datetime | None:
    minute, hour, of_month, month, of_week, year = fields
    minutes, hours = sorted(_numbers(minute, 0, 59)), sorted(_numbers(hour, 0, 23))
    months, years = _numbers(month, 1, 12, _MONTHS), _numbers(year, 1970, 2199)
    by_month = set() if of_month == "?" else _numbers(of_month, 1, 31, {"L": 99})
    by_week = set() if of_week == "?" else _numbers(of_week, 1, 7, _DAYS)
    if bool(by_month) == bool(by_week):
        raise ValueError("one of the day of month and the day of week of a cron expression must be ?")
    for ahead in range(_DAYS_AHEAD):
        day = after.date() + timedelta(days=ahead)
        if day.month in months and day.year in years and (_of_month(day) & by_month or _of_week(day) in by_week):
            times = (datetime(day.year, day.month, day.day, h, m, tzinfo=zone) for h in hours for m in minutes)
            if found := next((each for each in times if each.astimezone(UTC) > after.astimezone(UTC)), None):
                return found
    return None


def _numbers(text: str, lowest: int, highest: int, words: dict[str, int] | None = None) -> set[int]:
    """Of one field: lists, ranges, steps and names. Raises ValueError."""
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = (str(lowest), "-", str(highest)) if span == "*" else span.partition("-")
        begin = _number(first, words)
        # A step without an end goes on to the highest.
        end = _number(last, words) if dash else highest if slash else begin
        if begin == 99:
            found.add(begin)
        elif not lowest <= begin <= end <= highest:
            raise ValueError(f"{text} is not within {lowest} to {highest}")
        else:
            found |= set(range(begin, end + 1, int(step) if slash else 1))
    return found


def _number(text: str, words: dict[str, int] | None) -> int:
    named = (words or {}).get(text.upper())
    return int(text) if named is None else named


def _of_month(day: date) -> set[int]:
    """Its number, and 99 for the last one, which is L."""
    last = calendar.monthrange(day.year, day.month)[1]
    return {day.day, 99} if day.day == last else {day.day}


def _of_week(day: date) -> int:
    """Sunday is 1."""
    return day.isoweekday() % 7 + 1
