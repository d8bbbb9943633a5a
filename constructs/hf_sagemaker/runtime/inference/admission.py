"""How many requests, and how many bytes of them, this server takes on; and until when each may be answered."""

import asyncio
import math
from collections.abc import Callable
from time import monotonic
from typing import Any

# Bodies are kept until they are answered. So many of the largest allowed ones are held at once for each worker.
LARGEST_BODIES_HELD = 4

_RATE_SMOOTHING = 0.3  # of each second, in the rate of the last few
_LONGEST_RETRY_AFTER = 30


class Request:
    """One that was accepted, from its headers until it is answered and no worker holds it any more."""

    __slots__ = ("answer", "deadline", "expired", "held_bytes", "number", "reader", "received", "with_worker")

    def __init__(self, number: int, received: float, deadline: float, held_bytes: int) -> None:
        self.number = number
        self.received = received  # time.monotonic()
        self.deadline = deadline
        self.held_bytes = held_bytes
        self.reader: asyncio.Task[Any] | None = None  # while the body is being read
        self.answer: asyncio.Future[Any] | None = None  # once a worker was asked
        self.with_worker = False
        self.expired = False


class Admission:
    """Counts what is accepted and not yet answered, and gives up what has waited too long.

    An answer that nobody waits for any more still costs its worker: until it comes, its request counts.
    """

    def __init__(self, max_queue: int, max_request_bytes: int, request_timeout: float) -> None:
        """max_queue: requests for each ready worker. request_timeout: in seconds, from a request's headers on."""
        self._max_queue = max_queue
        self._max_held = LARGEST_BODIES_HELD * max_request_bytes
        self._timeout = request_timeout
        self._open: dict[int, Request] = {}  # in the order of their deadlines
        self._last = 0
        self._answered = 0
        self._rate = 0.0  # answers in a second
        self.count = 0
        self.held_bytes = 0

    def accept(self, received: float, size: int, workers: int) -> Request | None:
        """None: there are too many.

        received: time.monotonic(). size: of the body, as announced; 0 if it is not. workers: that are ready.
        """
        if self.count >= self._max_queue * workers or self.held_bytes + size > self._max_held * workers:
            return None
        self._last = number = self._last + 1
        request = Request(number, received, received + self._timeout, size)
        self._open[number] = request
        self.count += 1
        self.held_bytes += size
        return request

    def grow(self, request: Request, size: int, workers: int) -> bool:
        """Counts a body that has become as large as this; False: there is no room for it."""
        more = max(0, size - request.held_bytes)
        if more and self.held_bytes + more > self._max_held * max(1, workers):
            return False
        request.held_bytes += more
        self.held_bytes += more
        return True

    def answered(self, request: Request) -> None:
        """The client has its answer, or is gone."""
        del self._open[request.number]
        self._answered += 1
        if not request.with_worker:
            self._release(request)

    def given_back(self, request: Request) -> bool:
        """The worker has done with it. False: nobody waits for the answer any more."""
        request.with_worker = False
        if request.number in self._open:
            return request.answer is not None and not request.answer.done()
        self._release(request)
        return False

    def _release(self, request: Request) -> None:
        self.count -= 1
        self.held_bytes -= request.held_bytes

    def give_up_late_ones(self, too_late: Callable[[Request], Any]) -> None:
        """Gives requests whose deadline has passed the answer that too_late makes, and stops the reading of bodies."""
        now = monotonic()
        for request in self._open.values():
            if request.deadline > now:
                break
            if request.expired:
                continue
            if request.reader is not None:
                request.expired = True
                request.reader.cancel()
            elif request.answer is not None and not request.answer.done():
                request.expired = True
                request.answer.set_result(too_late(request))

    def note_second(self) -> None:
        """To be called once a second: how fast answers leave."""
        self._rate += _RATE_SMOOTHING * (self._answered - self._rate)
        self._answered = 0

    def retry_after(self) -> int:
        """Seconds after which what waits now should be answered; at least 1."""
        if self._rate < 0.1:
            return 1
        return min(_LONGEST_RETRY_AFTER, max(1, math.ceil(self.count / self._rate)))
