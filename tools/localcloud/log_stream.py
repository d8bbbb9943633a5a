"""Lines of running programs, into CloudWatch Logs as they come."""

import threading
import time
from collections import deque

from moto.logs.models import logs_backends

_LONGEST_EVENT = 256 * 1024 - 26  # characters that CloudWatch takes, less its own overhead


class LogStream:
    """One log stream. write() takes a line from any thread; the last ones can be read back for an error message."""

    def __init__(self, account: str, region: str, group: str, stream: str, *, remember: int = 40) -> None:
        self.group = group
        self.name = stream
        self._backend = logs_backends[account][region]
        self._backend.ensure_log_group(group)
        self._backend.ensure_log_stream(group, stream)
        self._last: deque[str] = deque(maxlen=remember)
        self._lock = threading.Lock()

    @property
    def arn(self) -> str:
        backend = self._backend
        place = f"{backend.region_name}:{backend.account_id}"
        return f"arn:{backend.partition}:logs:{place}:log-group:{self.group}:log-stream:{self.name}"

    def write(self, line: str) -> None:
        if not line:
            line = " "  # CloudWatch has no empty events
        with self._lock:  # moto's own stream has none
            self._last.append(line)
            event = {"timestamp": int(time.time() * 1000), "message": line[:_LONGEST_EVENT]}
            self._backend.put_log_events(self.group, self.name, [event])

    def last_lines(self, characters: int) -> str:
        """The newest lines, oldest first, as many as fit into so many characters."""
        lines: list[str] = []
        with self._lock:
            for line in reversed(self._last):
                if sum(map(len, lines)) + len(lines) + len(line) > characters:
                    break
                lines.insert(0, line)
            if not lines and self._last:
                lines = [self._last[-1][-characters:]]
        return "\n".join(lines)
