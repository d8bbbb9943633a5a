"""Faults on order: what goes wrong on AWS's side, so that tests can see who survives it.

What a process, a file or a deleted resource can bring about by itself is not here: kill, truncate or delete it.
Orders come by `POST /_localcloud/faults`, see `order`; docs/embedded-aws.md lists them.
"""

import fnmatch
import threading
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, TypeVar, get_args

Uploads = Literal["all", "begun", "truncated"]
"""What reaches S3 of a lost instance's newest checkpoint: everything, its first file, or all but half of its largest
file. Older ones arrive whole."""


class UnknownFaultError(ValueError):
    """What was ordered is no fault; the message says which there are."""


@dataclass(kw_only=True)
class ApiFault:
    """Calls of an API action fail.

    api: `sagemaker:CreateTrainingJob`, as IAM calls it. matching: only calls in whose body or path this text is.
    error, message, status: what is answered, instead of doing anything. lose_answer: it is done as always, and then
    the connection ends without an answer. times: how many calls.
    """

    api: str
    matching: str = ""
    error: str = "InternalFailure"
    message: str = "The fault that was ordered."
    status: int = 500
    lose_answer: bool = False
    times: int = 1


@dataclass(kw_only=True)
class JobFault:
    """A training job's instances are not to be had, or SageMaker fails. training_job: pattern of its name.

    fails: it ends as Failed with this FailureReason, before it has an instance. no_spot_capacity: a spot job waits for
    instances until its MaxWaitTimeInSeconds is over. times: how many jobs, or attempts of one.
    """

    training_job: str
    fails: str | None = None
    no_spot_capacity: bool = False
    times: int = 1

    def __post_init__(self) -> None:
        if bool(self.fails) == self.no_spot_capacity:
            raise UnknownFaultError("A fault with 'training_job' has either 'fails' or 'no_spot_capacity'.")


@dataclass(kw_only=True)
class Interruption:
    """A spot job's instances are taken away. interrupt: pattern of its name.

    at_line: when it logs a line of this pattern. Omitted: at its first line, unless `while_saving` is given.
    while_saving: pattern of a folder's name below /opt/ml/checkpoints: while it has files and not yet `last_file`. It
        comes without a notice: processes are stopped, and killed when the file is indeed not there.
    notice_seconds: between SIGTERM and SIGKILL. 0: there is no SIGTERM.
    uploads: see `Uploads`.
    """

    interrupt: str
    at_line: str = ""
    while_saving: str = ""
    last_file: str = "manifest.json"
    notice_seconds: float = 120.0
    uploads: Uploads = "all"
    times: int = 1

    def __post_init__(self) -> None:
        if self.at_line and self.while_saving:
            raise UnknownFaultError("A fault with 'interrupt' has either 'at_line' or 'while_saving'.")


@dataclass(kw_only=True)
class FunctionFault:
    """A function never answers, until its own time limit ends it. function_hangs: pattern of its name."""

    function_hangs: str
    matching: str = ""
    times: int = 1


@dataclass(kw_only=True)
class CapacityFault:
    """An endpoint gets no instance of a type. no_capacity: pattern of the type. times: how many instances."""

    no_capacity: str
    times: int = 1


Fault = ApiFault | JobFault | Interruption | FunctionFault | CapacityFault
F = TypeVar("F", ApiFault, JobFault, Interruption, FunctionFault, CapacityFault)
_KINDS: tuple[type[Any], ...] = (ApiFault, JobFault, Interruption, FunctionFault, CapacityFault)
_lock = threading.Lock()
_ordered: list[Fault] = []


def order(content: Any) -> None:
    """From now on, as often as `times` says.

    content: the members of one of the classes above. UnknownFaultError: it is none.
    """
    fault = _parsed(content)
    with _lock:
        _ordered.append(fault)


def clear() -> None:
    """Whatever has not happened yet will not."""
    with _lock:
        _ordered.clear()


def pending() -> list[dict[str, Any]]:
    """What has not happened yet. times: how often it still will."""
    with _lock:
        return [vars(fault).copy() for fault in _ordered]


def waiting(kind: type[Fault]) -> bool:
    """Whether any fault of that kind is still to happen: cheap, for what is asked with every request."""
    return any(isinstance(fault, kind) for fault in _ordered)


def take(kind: type[F], happens: Callable[[F], bool]) -> F | None:
    """The first fault of the kind for which `happens` is true; it is counted. None: all is well."""
    with _lock:
        for fault in _ordered:
            if isinstance(fault, kind) and happens(fault):
                fault.times -= 1
                if fault.times == 0:
                    _ordered.remove(fault)
                return fault
    return None


def find(kind: type[F], happens: Callable[[F], bool]) -> F | None:
    """As `take`, without counting it."""
    with _lock:
        return next((fault for fault in _ordered if isinstance(fault, kind) and happens(fault)), None)


def named(pattern: str, name: str) -> bool:
    """Whether the name is one that the pattern means, in which `*` is any text."""
    return fnmatch.fnmatchcase(name, pattern)


def _parsed(content: Any) -> Fault:
    if not isinstance(content, dict):
        raise UnknownFaultError(f"A fault is a JSON object, not {content!r}.")
    for kind in _KINDS:
        first = fields(kind)[0].name
        if first not in content:
            continue
        members = {field.name: field for field in fields(kind)}
        if unknown := sorted(set(content) - set(members)):
            raise UnknownFaultError(
                f"A fault with {first!r} has no {', '.join(map(repr, unknown))}; it has {', '.join(members)}."
            )
        wrong = [name for name, value in content.items() if not _fits(value, members[name].default)]
        if wrong or content.get("times", 1) < 1 or content.get("uploads", "all") not in get_args(Uploads):
            raise UnknownFaultError(
                f"In the fault {content!r} these are of another type or range than they must be: "
                f"{', '.join(wrong) or 'times (at least 1) or uploads'}."
            )
        made: Fault = kind(**content)
        return made
    kinds = ", ".join(fields(kind)[0].name for kind in _KINDS)
    raise UnknownFaultError(f"There is no such fault: {content!r}. A fault has one of {kinds}.")


def _fits(value: Any, default: Any) -> bool:
    """Where there is no default it is a text."""
    if default is MISSING or default is None:
        return isinstance(value, str)
    wanted = (int, float) if isinstance(default, float) else type(default)
    return isinstance(value, wanted) and isinstance(value, bool) == isinstance(default, bool)
