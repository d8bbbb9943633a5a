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


# Sizes of batches. Libraries prepare themselves for each shape that they meet, which takes longer than the work itself
# where the model is small: so there are few shapes.
_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
# Looked at for a batch, of those that wait; more would not make better ones, and looking takes time.
_CONSIDERED = 64


@dataclass(frozen=True, kw_only=True)
class BatchLimits:
    """What a batch may be.

    size: units. tokens: after padding.
    fixed_tokens: what asking the model costs however little is asked, as the tokens whose own cost that is. It decides
        whether rather padding is worked through or the model is asked once more: a hundred and more for a small model,
        hardly any for a large one on a CPU, thousands on a GPU.
    delay: seconds for which a unit waits for company, where there was company before. 0: a batch is what has come in
        while the model was busy.
    """

    size: int = 32
    tokens: int = 16384
    fixed_tokens: float = 64.0
    delay: float = 0.0


class BatchQueue:
    """Units that wait for the model. They may be put by one thread and taken by another.

    limits: may be changed before anything is put.
    """

    def __init__(self, limits: BatchLimits, now: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._now = now
        self._waiting: list[Unit] = []
        self._changed = threading.Condition()
        self._closed = False
        self._had_company = False
        self._since = 0.0

    def put(self, units: list[Unit]) -> None:
        with self._changed:
            if not self._waiting:
                self._since = self._now()
            self._waiting += units
            self._changed.notify()

    def close(self) -> None:
        """What waits is still taken; after that, `wait` returns False."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    @property
    def has_any(self) -> bool:
        return bool(self._waiting)

    def patience(self) -> float | None:
        """Seconds for which more units are still worth waiting for; 0: a batch is ready. None: there is nothing yet.

        A single client's requests do not wait: nothing would come before they are answered.
        """
        if not self._waiting:
            return 0.0 if self._closed else None
        company = self._had_company or len(self._waiting) > 1
        if not self.limits.delay or not company or self._closed or len(self._waiting) >= self.limits.size:
            return 0.0
        return max(0.0, self._since + self.limits.delay - self._now())

    def wait(self) -> bool:
        """Until there is a batch to take. False: there is none, and none will come."""
        with self._changed:
            while (patience := self.patience()) != 0.0:
                self._changed.wait(patience)
            return bool(self._waiting)

    def take(self) -> tuple[list[Unit], list[Unit]]:
        """(what to ask next, what is too late to ask) of what waits now."""
        with self._changed:
            now = self._now()
            late = [unit for unit in self._waiting if unit.deadline <= now]
            if late:
                self._waiting = [unit for unit in self._waiting if unit.deadline > now]
            batch = choose(self._waiting, self.limits) if self._waiting else []
            taken = set(map(id, batch))
            self._waiting = [unit for unit in self._waiting if id(unit) not in taken]
            self._had_company = len(batch) > 1
            self._since = now
            return batch, late


def choose(waiting: list[Unit], limits: BatchLimits) -> list[Unit]:
    """The unit that waits longest, and those with which it is cheapest to ask.

    All that could go with it are cut, by length, into the batches that together cost the least; of these it is its own.

    waiting: at least one, in the order in which they came.
    """
    first = waiting[0]
    if first.key is None or len(waiting) == 1:
        return [first]
    same = [unit for unit in waiting if unit.key == first.key][:_CONSIDERED]
    same.sort(key=lambda unit: unit.length)
    lengths = [unit.length for unit in same]
    for start, end in _cheapest_cuts(lengths, limits):
        batch = same[start:end]
        if first in batch:
            return batch
    raise AssertionError("every unit is in one of the batches")


def _cheapest_cuts(lengths: list[int], limits: BatchLimits) -> list[tuple[int, int]]:
    """(start, end) of each batch. A batch costs what its longest unit costs, times its units, and the fixed cost.

    lengths: ascending.
    """
    fixed, most, tokens = limits.fixed_tokens, limits.size, limits.tokens
    costs = [0.0]  # of the cheapest way to ask the first i
    starts = [0]  # where its last batch starts
    for end in range(1, len(lengths) + 1):
        longest = lengths[end - 1]
        size = max(1, min(end, most, tokens // longest if longest else end))
        cost, start = min((costs[end - n] + n * longest, end - n) for n in _SIZES if n <= size)
        costs.append(cost + fixed)
        starts.append(start)
    cuts = []
    end = len(lengths)
    while end:
        cuts.append((starts[end], end))
        end = starts[end]
    return cuts
