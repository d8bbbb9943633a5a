"""The names of executions that triggers start: `nightly_schedule_20261121T0300`.

An execution's name can be used once in 90 days: whatever is delivered twice, or seen twice, has the same name and so
starts one run. `hfsm train` makes names without underscores.
"""

import re
from datetime import UTC, datetime

SCHEDULE, DATA, ALARM, HAND = KINDS = ("schedule", "data", "alarm", "hand")
"""What has started a run: the time, new data, an alarm, or a person by the trigger's name."""
_NAME = re.compile(rf"(?P<trigger>[a-z][a-z0-9-]*)_(?P<kind>{'|'.join(KINDS)})_(?P<cause>\w+)")
_SECONDS = "%Y%m%dT%H%M%S"


def execution_name(trigger: str, kind: str, cause: str) -> str:
    """trigger: at most 31 characters. cause: at most 39, of letters, digits and underscores."""
    return f"{trigger}_{kind}_{cause}"


def prefix(trigger: str, kind: str = "") -> str:
    """How the names of a trigger's executions begin. kind: omitted: any."""
    return f"{trigger}_{kind}_" if kind else f"{trigger}_"


def read(name: str) -> tuple[str, str, str] | None:
    """Trigger, kind and cause. None: no trigger has given this name."""
    found = _NAME.fullmatch(name)
    return (found["trigger"], found["kind"], found["cause"]) if found else None


def to_minute(moment: datetime) -> str:
    """A time as part of a name, without its seconds."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M}"


def to_second(moment: datetime) -> str:
    """A time as part of a name."""
    return moment.astimezone(UTC).strftime(_SECONDS)


def from_second(text: str) -> datetime:
    """What `to_second` was given, without fractions. ValueError: it is no such text."""
    return datetime.strptime(text, _SECONDS).replace(tzinfo=UTC)
