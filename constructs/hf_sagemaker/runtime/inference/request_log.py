"""The container's log: one line of JSON for each request and each event, and nothing of what clients sent.

Lines are gathered and written by a thread of their own, several times a second: whoever reads the log slowly does not
hold up answers.
"""

import json
import os
import re
import threading
import time
from typing import Any

_PAUSE_SECONDS = 0.1
_MOST_LINES = 100_000  # that wait to be written; about 25 MB
_CLOSE_SECONDS = 2.0
_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)


def harmless_id(text: str) -> str | None:
    """A client's name for its request, if it is one; None: what it sent is something else, and is not logged."""
    return text if _ID.fullmatch(text) else None


class RequestLog:
    def __init__(self, descriptor: int = 1) -> None:
        """descriptor: of the file to write to; omitted: stdout."""
        self._descriptor = descriptor
        self._lines: list[str] = []
        self._dropped = 0
        self._something = threading.Event()
        self._closing = threading.Event()
        self._second = 0
        self._second_text = ""
        self._thread = threading.Thread(target=self._write_on, name="request log", daemon=True)
        self._thread.start()

    def request(
        self,
        name: str,
        status: int,
        total_ms: float,
        answer: dict[str, Any],
        bytes_in: int,
        bytes_out: int,
        error: str | None,
    ) -> None:
        """answer: queue_ms, batch, model_ms and tokens, as far as a worker has said. error: its type, None without."""
        get = answer.get
        queue_ms, model_ms = get("queue_ms"), get("model_ms")
        kind = "null" if error is None else json.dumps(error)
        self._append(
            f'{{"time":"{self._now()}","id":"{name}","status":{status},"total_ms":{total_ms:.2f},'
            f'"queue_ms":{"null" if queue_ms is None else f"{queue_ms:.2f}"},"batch":{get("batch") or "null"},'
            f'"model_ms":{"null" if model_ms is None else f"{model_ms:.2f}"},"tokens":{_number(get("tokens"))},'
            f'"bytes_in":{bytes_in},"bytes_out":{bytes_out},"error":{kind}}}\n'
        )

    def event(self, event: str, **details: Any) -> None:
        """What happens to the server itself, e.g. a worker that is ready."""
        self._append(json.dumps({"time": self._now(), "event": event, **details}) + "\n")

    def line(self, text: str) -> None:
        """A line as it is."""
        self._append(text + "\n")

    def close(self) -> None:
        """Writes what waits; returns after two seconds even if nobody reads the log."""
        self._closing.set()
        self._something.set()
        self._thread.join(_CLOSE_SECONDS)

    def _append(self, line: str) -> None:
        lines = self._lines
        if len(lines) >= _MOST_LINES:
            self._dropped += 1
            return
        lines.append(line)
        if len(lines) == 1:
            self._something.set()

    def _now(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._second_text}.{int((now - second) * 1000):03d}Z"

    def _write_on(self) -> None:
        while not self._closing.is_set():
            self._something.wait()
            self._something.clear()
            self._closing.wait(_PAUSE_SECONDS)
            self._write()
        self._write()  # what came while the last one was written

    def _write(self) -> None:
        # The other thread appends at any moment: nothing but what was there is taken away.
        waiting = len(self._lines)
        lines = self._lines[:waiting]
        del self._lines[:waiting]
        if self._lines:
            self._something.set()
        dropped, self._dropped = self._dropped, 0
        if dropped:
            text = {"time": self._now(), "event": "log lines dropped", "count": dropped}
            lines.append(json.dumps(text) + "\n")
        data = memoryview("".join(lines).encode())
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            return  # nobody reads the log


def _number(value: float | None) -> str:
    return "null" if value is None else str(value)
