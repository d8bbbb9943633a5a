"""Which waiting requests the model is asked at once."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Unit:
    """One thing that the model is asked: a request, or a part of one (a text of a list, a chunk of a long one).

    key: units are asked together only where it is the same; None: this one is asked alone.
    length: tokens, or whatever is padded; 0 where nothing is.
    deadline: time.monotonic() after which nobody waits for the answer.
    of: the request that it is a part of, for the one who put it here. at: which part. inputs: what the model gets.
    """

    key: Hashable
    length: int
    deadline: float
    of: Any
    at: int = 0
    inputs: Any = None


@dataclass(frozen=True, kw_only=True)
class BatchLimits:
    """What a batch may be.

    size: units. tokens: after padding. padding: share of a batch that may be padding, 0 to 1. The more a model's time
    goes with the tokens, the less: on a CPU wholly.
    delay: seconds for which a unit waits for company, where there was company before. 0: a batch is what has come in
    while the model was busy.
    """

    size: int = 32
    tokens: int = 16384
    padding: float = 0.2
    delay: float = 0.0


class BatchQueue:
    """Units that wait for the model; put by one thread, taken by another."""

    def __init__(self, limits: BatchLimits, now: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._now = now
        self._waiting: list[Unit] = []
        self._changed = threading.Condition()
        self._closed = False
        self._had_company = False

    def put(self, units: list[Unit]) -> None:
        with self._changed:
            self._waiting += units
            self._changed.notify()

    def close(self) -> None:
        """What waits is still taken; after that, `take` returns nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(self) -> tuple[list[Unit], list[Unit]]:
        """(what to ask next, what is too late to ask). Waits until there is something; both empty: closed."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return [], []
                self._changed.wait()
            if self._limits.delay:
                self._wait_for_company()
            now = self._now()
            late = [unit for unit in self._waiting if unit.deadline <= now]
            if late:
                self._waiting = [unit for unit in self._waiting if unit.deadline > now]
            batch = choose(self._waiting, self._limits) if self._waiting else []
            taken = set(map(id, batch))
            self._waiting = [unit for unit in self._waiting if id(unit) not in taken]
            self._had_company = len(batch) > 1
            return batch, late

    def _wait_for_company(self) -> None:
        """A single client's requests do not wait: nothing would come before they are answered."""
        until = self._now() + self._limits.delay
        while (self._had_company or len(self._waiting) > 1) and len(self._waiting) < self._limits.size:
            left = until - self._now()
            if left <= 0 or self._closed or not self._changed.wait(left):
                return


def choose(waiting: list[Unit], limits: BatchLimits) -> list[Unit]:
    """The unit that waits longest, and with it those that are most like it in length, as far as limits let.

    waiting: at least one, in the order in which they came.
    """
    first = waiting[0]
    if first.key is None or len(waiting) == 1:
        return [first]
    same = [unit for unit in waiting if unit.key == first.key]
    if len(same) == 1:
        return same
    same.sort(key=lambda unit: abs(unit.length - first.length))  # stable: of equals, the one that waits longer
    chosen, longest, total = [], 0, 0
    for unit in same:
        longer = max(longest, unit.length)
        padded = longer * (len(chosen) + 1)
        if chosen and (padded > limits.tokens or padded - total - unit.length > limits.padding * padded):
            break
        chosen.append(unit)
        longest, total = longer, total + unit.length
        if len(chosen) == limits.size:
            break
    return chosen
