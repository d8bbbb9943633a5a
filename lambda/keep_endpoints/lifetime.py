"""When an endpoint ends, and whether that is to be told or done now. Asks nothing of AWS."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

Decision = Literal["keep", "warn", "stop"]
KEEP: Decision = "keep"
WARN: Decision = "warn"
STOP: Decision = "stop"
_LEAST_NOTICE = timedelta(minutes=45)
"""Between a warning and the stop, at whatever hour the end was. Looks come every hour, and not on the second."""
_LONGEST_LEAD = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Named:
    """An endpoint. name: in the settings. endpoint: in SageMaker."""

    name: str
    endpoint: str


@dataclass(frozen=True, kw_only=True)
class Declaration(Named):
    """What the stack says of an endpoint, as `hf_sagemaker.endpoint_keeper` writes it into a parameter.

    stack: it is in. variants: as SageMaker knows them. hours: after which it ends, from when it was made or started.
    idle_hours: without a request. None: it does not end by that.
    """

    stack: str
    variants: tuple[str, ...]
    hours: int | None = None
    idle_hours: int | None = None

    @classmethod
    def read(cls, name: str, text: str) -> "Declaration":
        """From the parameter's value."""
        content = json.loads(text)
        return cls(name=name, **content | {"variants": tuple(content["variants"])})


@dataclass(frozen=True, kw_only=True)
class State:
    """What has been done about an endpoint, as this package writes it into a parameter.

    until: to when somebody has extended it. warned: when people were told of its end. stopped: when it was. why: it
    was. config, tags: it had then, and so has again when it is started. None, empty: not.
    """

    until: datetime | None = None
    warned: datetime | None = None
    stopped: datetime | None = None
    why: str = ""
    config: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str | None) -> "State":
        """From the parameter's value. None: there is none yet."""
        content = json.loads(text) if text else {}
        times = ("until", "warned", "stopped")
        return cls(**content | {name: datetime.fromisoformat(content[name]) for name in times if content.get(name)})

    def written(self) -> str:
        """The parameter's value."""
        return json.dumps(
            {name: each.isoformat() if isinstance(each, datetime) else each for name, each in asdict(self).items()}
        )


@dataclass(frozen=True)
class End:
    """Of an endpoint. lead: how long before people are told. why: in words that follow "because"."""

    at: datetime
    lead: timedelta
    why: str


def end_of(declaration: Declaration, state: State, created: datetime, last_request: datetime | None) -> End | None:
    """When an endpoint ends that nobody touches. None: it does not.

    created: when it was made or started. last_request: None: there was none that counts.
    """
    ends = []
    if declaration.hours:
        why = f"it may live for {declaration.hours} hours"
        ends.append(_end(created, declaration.hours, why))
    if declaration.idle_hours:
        why = f"nobody has asked it anything for {declaration.idle_hours} hours"
        ends.append(_end(max(created, last_request or created), declaration.idle_hours, why))
    if not ends:
        return None
    first = min(ends, key=lambda end: end.at)
    if state.until and state.until > first.at:
        return End(state.until, first.lead, "that is how long it was extended")
    return first


def decide(end: End | None, state: State, created: datetime, now: datetime) -> Decision:
    """What is to be done now. Nothing is stopped of whose end nobody was told."""
    if end is None or now < end.at - end.lead:
        return KEEP
    if not was_warned(state, created):
        return WARN
    assert state.warned is not None
    return STOP if now >= max(end.at, state.warned + _LEAST_NOTICE) else KEEP


def was_warned(state: State, created: datetime) -> bool:
    """Whether people were told of the end of this endpoint, and not of one that had its name before."""
    return state.warned is not None and state.warned >= created


def forgotten(end: End | None, state: State, now: datetime) -> State:
    """The state without a warning that is no longer true, since somebody has used or extended the endpoint."""
    if state.warned and (end is None or now < end.at - end.lead):
        return replace(state, warned=None)
    return state


def hour(time: datetime) -> str:
    """For people: `2026-11-21 14:05 UTC`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _end(since: datetime, hours: int, why: str) -> End:
    """A quarter of the time before, at least an hour, at most a day, people are told."""
    lead = min(_LONGEST_LEAD, max(timedelta(hours=1), timedelta(hours=hours) / 4))
    return End(since + timedelta(hours=hours), lead, why)
