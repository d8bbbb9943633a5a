"""Load at a rate that the answers do not decide: a request is sent when its time has come, however slow the server is.

wrk's clients each wait for their answer before they ask again, and so spare a server that has fallen behind.
"""

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

_HEADER_END = b"\r\n\r\n"
_TIMEOUT = 60.0  # seconds
# As many as the server takes on at a time. What is due beyond that waits here, and its wait counts.
_MOST_CONNECTIONS = 256


@dataclass
class Answers:
    """What came back. statuses: 0 is a broken connection or no answer in time. milliseconds: of those with 200."""

    statuses: Counter[int] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)

    @property
    def errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if not 200 <= status < 300)

    def percentile(self, percent: float) -> float:
        """Milliseconds within which so many of the good answers were there; NaN without any."""
        if not self.milliseconds:
            return float("nan")
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class _Connection(asyncio.Protocol):
    """One request at a time; `due` is when it should have been sent, which is when its user began to wait."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._received = b""
        self.due = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, request: bytes, due: float) -> None:
        assert self.transport is not None
        self.due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(_HEADER_END)
        if end < 0:
            return
        head = self._received[:end].lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(self._received) < end + len(_HEADER_END) + length:
            return
        self._received = b""
        self._client.answered(self, int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.lost(self)


class Client:
    """Keeps connections open to one server, and opens more when all of them wait."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        """requests: bodies, sent in turn for ever."""
        self._port = port
        head = "POST /invocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
        self._requests = itertools.cycle([f"{head}{len(body)}\r\n\r\n".encode() + body for body in requests])
        self._idle: deque[_Connection] = deque()
        self._busy: set[_Connection] = set()
        self._due: deque[float] = deque()
        self._opening = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.answers = Answers()
        self.closed_loop = False

    async def capacity(self, clients: int, seconds: float) -> float:
        """Good answers per second when so many clients always wait for one."""
        self.closed_loop = True
        before, started = self.answers.statuses[200], time.monotonic()
        for _ in range(clients):
            self._ask(time.monotonic())
        await asyncio.sleep(seconds)
        answered = self.answers.statuses[200] - before
        took = time.monotonic() - started
        self.closed_loop = False
        await self.drain()
        return answered / took

    async def pace(self, rate: float, seconds: float) -> None:
        """rate: requests per second, evenly; what could not be sent in time is sent as soon as possible."""
        started, sent = time.monotonic(), 0
        while (elapsed := time.monotonic() - started) < seconds:
            for _ in range(int(elapsed * rate) - sent):
                self._ask(started + sent / rate)
                sent += 1
            await asyncio.sleep(0.002)

    async def drain(self) -> None:
        """Until everything is answered; after a minute, what is still open counts as an error."""
        end = time.monotonic() + _TIMEOUT
        while (self._busy or self._due) and time.monotonic() < end:
            await asyncio.sleep(0.01)
        self.answers.statuses[0] += len(self._busy) + len(self._due)
        self._due.clear()
        for connection in list(self._busy):
            self._busy.discard(connection)
            assert connection.transport is not None
            connection.transport.abort()

    def take_answers(self) -> Answers:
        """Those since the last call."""
        taken, self.answers = self.answers, Answers()
        return taken

    def _ask(self, due: float) -> None:
        if self._idle:
            connection = self._idle.pop()
            self._busy.add(connection)
            connection.send(next(self._requests), due)
            return
        self._due.append(due)
        if len(self._busy) + self._opening < _MOST_CONNECTIONS:
            self._opening += 1
            task = asyncio.ensure_future(self._open())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open(self) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self), "127.0.0.1", self._port
            )
        except OSError:
            self.answers.statuses[0] += bool(self._due)
            if self._due:
                self._due.popleft()
            return
        finally:
            self._opening -= 1
        self._is_free(connection)

    def _is_free(self, connection: _Connection) -> None:
        self._idle.append(connection)
        if self._due:
            self._ask(self._due.popleft())

    def answered(self, connection: _Connection, status: int) -> None:
        now = time.monotonic()
        self.answers.statuses[status] += 1
        if status == 200:
            self.answers.milliseconds.append((now - connection.due) * 1000)
        self._busy.discard(connection)
        self._is_free(connection)
        if self.closed_loop:
            self._ask(now)

    def lost(self, connection: _Connection) -> None:
        if connection in self._busy:
            self._busy.discard(connection)
            self.answers.statuses[0] += 1
        elif connection in self._idle:
            self._idle.remove(connection)
