"""Scaling activities, and what a target remembers of them."""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from localcloud.autoscaling.capacity import NOUNS

_DECIDED_WITHIN_SECONDS = 2.0
"""Two alarms may ask at the same moment: the second one waits until the first has been heard."""


@dataclass
class Activity:
    """One change of a capacity, from its request until the resource is settled."""

    resource_id: str
    dimension: str
    wanted: int
    cause: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.time)
    ended: float | None = None
    status: str = "InProgress"
    message: str = ""

    def end(self, failure: str | None) -> None:
        """failure: None: it was done."""
        noun = NOUNS[self.dimension]
        done = f"Successfully set {noun} to {self.wanted}. Change successfully fulfilled by sagemaker."
        self.status = "Failed" if failure else "Successful"
        self.message = f"Failed to set {noun} to {self.wanted}. Reason: {failure}" if failure else done
        self.ended = time.time()

    def describe(self) -> dict[str, Any]:
        """As DescribeScalingActivities answers it."""
        described = {
            "ActivityId": self.id,
            "ServiceNamespace": "sagemaker",
            "ResourceId": self.resource_id,
            "ScalableDimension": self.dimension,
            "Description": f"Setting {NOUNS[self.dimension]} to {self.wanted}.",
            "Cause": self.cause,
            "StartTime": self.started,
            "StatusCode": self.status,
            "StatusMessage": self.message or None,
            "EndTime": self.ended,
        }
        return {name: value for name, value in described.items() if value is not None}


@dataclass
class Progress:
    """What has happened to one scalable target, for its cooldowns.

    bounds: why the capacity has to be brought within the target's bounds. None: it does not.
    out_from: the capacity before the newest scaling out. quiet_out, quiet_in: until when, in seconds since 1970, the
    cooldown after it lasts.
    """

    bounds: str | None = None
    out_from: int = 0
    quiet_out: float = 0.0
    quiet_in: float = 0.0
    next_actions: dict[tuple[str, ...], float | None] = field(default_factory=dict)
    _busy: threading.Lock = field(default_factory=threading.Lock)

    def alone(self, act: Callable[[], None]) -> bool:
        """Acts when nobody else decides about the target; answers False where an activity is going on."""
        if not self._busy.acquire(timeout=_DECIDED_WITHIN_SECONDS):
            return False
        try:
            act()
        finally:
            self._busy.release()
        return True

    def scaled_out(self, before: int, until: float) -> None:
        self.out_from, self.quiet_out, self.quiet_in = before, until, 0.0

    def scaled_in(self, until: float) -> None:
        self.quiet_in = until

    def base(self, capacity: int, now: float) -> int:
        """What an adjustment is of: within a cooldown, what was added by the scaling before counts as part of it."""
        return self.out_from if now < self.quiet_out else capacity

    def may_scale_in(self, now: float) -> bool:
        return now >= max(self.quiet_out, self.quiet_in)
