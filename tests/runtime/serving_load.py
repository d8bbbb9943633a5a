"""Clients of a serving container, for the tests of what it does when things go wrong."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

# Between two requests of a client: a worker that is started again needs some of the machine, too.
_PAUSE_SECONDS = 0.01
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """status 0: the connection ended without an answer to a request that was sent. seconds: until it was there."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent: float
    seconds: float

    @property
    def error(self) -> dict[str, Any]:
        """What an error says of itself: code, type, field, message."""
        said: dict[str, Any] = json.loads(self.body)
        return said


def post(port: int, body: bytes, headers: Mapping[str, str] = JSON, seconds: float = 30.0) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        return _post(connection, body, headers)
    finally:
        connection.close()


def _post(connection: http.client.HTTPConnection, body: bytes, headers: Mapping[str, str]) -> Answer:
    sent = time.monotonic()
    connection.request("POST", "/invocations", body, dict(headers))
    try:
        response = connection.getresponse()
        content = response.read()
    except (http.client.HTTPException, ConnectionError, TimeoutError):
        return Answer(0, {}, b"", sent, time.monotonic() - sent)
    lower = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, lower, content, sent, time.monotonic() - sent)


def get(port: int, path: str) -> tuple[int, str]:
    """Status and body; status 0: nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except ConnectionError:
        return 0, ""
    finally:
        connection.close()


def text(sentence: str) -> bytes:
    return json.dumps({"inputs": sentence}).encode()


@dataclass
class Load:
    """Clients that ask again a little after they are answered; what they were answered."""

    answers: list[Answer] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def good(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status == 200]

    def bad(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status != 200]

    def ask_on(self, port: int, body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while not self.stopping.is_set():
            try:
                answer = _post(connection, body, JSON)
            except ConnectionError:  # nobody takes the request: none is lost
                connection.close()
                time.sleep(0.01)
                continue
            self.answers.append(answer)
            if answer.status != 200:
                connection.close()
            time.sleep(_PAUSE_SECONDS)
        connection.close()


@contextmanager
def load(port: int, clients: int, body: bytes) -> Iterator[Load]:
    """Runs until the block is left, which waits for the answers that are still to come."""
    running = Load()
    threads = [threading.Thread(target=running.ask_on, args=(port, body), daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running.stopping.set()
        for thread in threads:
            thread.join(35)


def half_a_request(port: int, announced: int, body: bytes) -> socket.socket:
    """A connection on which less of the body is sent than was announced."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    head = "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {announced}\r\n\r\n".encode() + body)
    return connection


def wait_until(what: str, happens: Any, seconds: float = 10.0) -> float:
    """Seconds until happens() is true. AssertionError: it did not happen in time."""
    started = time.monotonic()
    while not happens():
        assert time.monotonic() - started < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - started
