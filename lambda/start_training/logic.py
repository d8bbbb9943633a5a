"""A trigger, and the name of the execution that a cause makes it start. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from start_training import names


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """What the stack has written into the trigger's parameter.

    state_machine: ARN. request: the training request that it is started with. kind: one of `names.KINDS`.
    bucket, prefix: where new data comes. quiet: how long nothing must have come.
    minimum_interval: between two runs that an alarm starts.
    """

    name: str
    state_machine: str
    request: dict[str, Any]
    kind: str
    bucket: str = ""
    prefix: str = ""
    quiet: timedelta = field(default=timedelta())
    minimum_interval: timedelta = field(default=timedelta())

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Trigger":
        """document: {name, state_machine, request} and one of {schedule}, {new_data}, {alarm}."""
        own = {name: document[name] for name in ("name", "state_machine", "request")}
        if data := document.get("new_data"):
            quiet = timedelta(seconds=data["quiet_seconds"])
            return cls(**own, kind=names.DATA, bucket=data["bucket"], prefix=data["prefix"], quiet=quiet)
        if alarm := document.get("alarm"):
            interval = timedelta(seconds=alarm["minimum_interval_seconds"])
            return cls(**own, kind=names.ALARM, minimum_interval=interval)
        return cls(**own, kind=names.SCHEDULE)


def scheduled(trigger: Trigger, time: datetime) -> str:
    """The name of the execution of a schedule's time.

    Schedules are of whole minutes: what EventBridge sends twice for one minute means one run.
    """
    return names.execution_name(trigger.name, names.SCHEDULE, names.to_minute(time))


def alarmed(trigger: Trigger, time: datetime) -> str:
    """The name of the execution of an alarm that went off then.

    All of one minimum interval, counted from 1970, have the same: two events that overtake each other start one run.
    """
    seconds = max(1, int(trigger.minimum_interval.total_seconds()))
    begin = datetime.fromtimestamp(int(time.timestamp()) // seconds * seconds, UTC)
    return names.execution_name(trigger.name, names.ALARM, names.to_second(begin))


def why_not_alarmed(trigger: Trigger, time: datetime, last: datetime | None) -> str | None:
    """In a sentence, why no run is started; None: one is. last: when the alarm has started one before."""
    if last is None or time - last >= trigger.minimum_interval:
        return None
    minutes = trigger.minimum_interval.total_seconds() / 60
    return f"The alarm has started a run at {last.isoformat(timespec='seconds')}: at most one in {minutes:.0f} minutes."
