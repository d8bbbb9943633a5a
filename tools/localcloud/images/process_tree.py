"""Programs with all their descendants, as one thing that can be ended."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from localcloud.images import container_init

_KILLED_WITHIN = 10.0  # seconds
_living: "set[ProcessTree]" = set()


class ProcessTree:
    """A running program under container_init: when it ends, or we do, nothing that it started stays.

    on_line: gets every line that any of its processes prints, from a thread of its own.
    """

    def __init__(
        self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], on_line: Callable[[str], None]
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(Path(container_init.__file__)), *command],
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _living.add(self)
        self._reader = threading.Thread(target=self._read, args=(on_line,), daemon=True)
        self._reader.start()

    def _read(self, on_line: Callable[[str], None]) -> None:
        assert self._process.stdout is not None
        with self._process.stdout:
            for raw in self._process.stdout:
                for line in raw.decode(errors="replace").splitlines():
                    on_line(line)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; 128 + N where signal N ended it."""
        return _shell_code(self._process.poll())

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code, after all output was handed on; None where it still runs after timeout seconds."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(_KILLED_WITHIN)
        _living.discard(self)
        return _shell_code(code)

    def terminate(self) -> None:
        """Sends SIGTERM to the program itself, not to what it started."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends all processes now; returns when they are gone."""
        assert self._process.stdin is not None
        if self._process.poll() is None:
            try:
                family = psutil.Process(self.pid).children(recursive=True)
            except psutil.Error:
                family = []
            self._process.stdin.close()  # tells container_init to end everything
            if self.wait(_KILLED_WITHIN) is None:
                self._process.kill()
                for member in family:
                    if member.is_running():
                        member.kill()
        self.wait(_KILLED_WITHIN)
        self._process.stdin.close()


def _shell_code(code: int | None) -> int | None:
    return 128 - code if code is not None and code < 0 else code


def kill_all() -> None:
    """Ends every program that still runs."""
    threads = [threading.Thread(target=tree.kill) for tree in list(_living)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
