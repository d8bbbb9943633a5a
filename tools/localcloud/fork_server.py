"""Programs that are loaded once: a call of one takes a fork, and not half a second of imports.

`ForkServer` starts the process that has the program loaded; in that process `serve` answers calls, each in a child of
its own. A call brings its environment, folder and open files; its end is told by the child's exit code.
"""

import fcntl
import json
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

NUMBER = struct.Struct("!i")
"""Before what is told, its length in bytes; back come the process id and, in the end, the exit code."""
# On its own, and without the site module: what it costs is what a call costs.
_CALL = """
import json, os, socket, struct, sys
address, arguments = sys.argv[1], sys.argv[2:]
told = json.dumps({"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}).encode()
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect(address)
    socket.send_fds(asked, [struct.pack("!i", len(told))], [0, 1, 2])
    asked.sendall(told)
    answer = asked.makefile("rb").read(8)
    sys.exit(struct.unpack("!ii", answer)[1] % 256 if len(answer) == 8 else 1)
"""
_MOST_FILES = 8
_ABOVE_ALL = 512
"""No file that the server has open has a number as high."""


class ForkServer:
    """The process that has a program loaded. It starts with the first call, and ends with us.

    address: of its socket; starts the process where it does not run.
    """

    def __init__(self, program: Path) -> None:
        """program: is run with the socket's path as its only argument, and calls `serve`."""
        self._program = program
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def address(self) -> Path:
        with self._lock:
            if self._folder is None or self._process is None or self._process.poll() is not None:
                self._start()
            assert self._folder is not None
            return self._folder / "socket"

    @property
    def process_id(self) -> int | None:
        """None: it does not run."""
        return self._process.pid if self._process else None

    def call(self, told: dict[str, Any], files: Sequence[int]) -> "Call":
        """Begins a call. told: {environment, folder, …}. files: become standard input, output and error, and 3, 4, …"""
        body = json.dumps(told).encode()
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.address))
        socket.send_fds(connection, [NUMBER.pack(len(body))], list(files))
        connection.sendall(body)
        return Call(connection)

    def write_command(self, path: Path) -> None:
        """Makes `path` a command: a call that tells its `arguments`, with its files, and ends as the call does."""
        address = self.address
        call = address.with_name("call.py")
        path.write_text(f"#!/bin/sh\nexec '{sys.executable}' -I -S '{call}' '{address}' \"$@\"\n")
        path.chmod(0o755)

    def stop(self) -> None:
        """Ends the process, and the calls that are under way."""
        if self._process:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._process = self._folder = None

    def _start(self) -> None:
        self.stop()
        # Not in the state's folder: the path of a socket has 107 characters at most.
        self._folder = Path(tempfile.mkdtemp(prefix="localcloud-"))
        # Once, and not with each command: another one may be reading it.
        (self._folder / "call.py").write_text(_CALL)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-u", str(self._program), str(self._folder / "socket")],
            env=environment | nothing,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C is for us: we end it.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it listens


class Call:
    """One call. process_id: of the child, which leads a process group of its own."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.process_id = NUMBER.unpack(_read(connection, NUMBER.size))[0]

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code, −N where signal N ended it. None: it still runs after so many seconds."""
        self._connection.settimeout(timeout)
        try:
            code: int = NUMBER.unpack(_read(self._connection, NUMBER.size))[0]
        except TimeoutError:
            return None
        return code

    def kill(self) -> None:
        """Ends it with all that it has started, where it has not ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.process_id, signal.SIGKILL)

    def close(self) -> None:
        """Also ends what still runs."""
        self._connection.close()


def _read(connection: socket.socket, length: int) -> bytes:
    parts = []
    while length:
        part = connection.recv(length)
        if not part:
            raise EOFError("the process that answers calls is gone")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


@dataclass(frozen=True)
class _Child:
    """A call as its server sees it. ended: a file that can be read when the child has ended."""

    process_id: int
    ended: int
    connection: socket.socket


def serve(address: str, answer: Callable[[dict[str, Any]], int]) -> None:
    """Answers calls until standard input ends. answer: runs in the child, whose exit code it returns."""
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(address)
        listener.listen(64)
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in selector.select():
                if selector.get_map().get(key.fileobj) is not key:
                    continue  # ended by what came just before
                if key.fileobj is sys.stdin:
                    for child in {each.data for each in selector.get_map().values() if each.data}:
                        _kill(child.process_id)
                    return
                if key.fileobj is listener:
                    _begin(listener, selector, answer)
                elif key.fd == key.data.ended:
                    _end(key.data, selector)
                else:  # whoever called is gone: so is the call
                    selector.unregister(key.fileobj)
                    _kill(key.data.process_id)


def _begin(listener: socket.socket, selector: selectors.BaseSelector, answer: Callable[[dict[str, Any]], int]) -> None:
    connection, _ = listener.accept()
    first, files, _, _ = socket.recv_fds(connection, NUMBER.size, _MOST_FILES)
    try:
        told = json.loads(_read(connection, NUMBER.unpack(first)[0]))
    except (EOFError, struct.error):  # it was killed while it called
        connection.close()
        return
    process_id = os.fork()
    if process_id == 0:
        _become(told, files, selector)
        _answer(told, answer)
    for file in files:
        os.close(file)
    child = _Child(process_id, os.pidfd_open(process_id), connection)
    selector.register(child.ended, selectors.EVENT_READ, child)
    selector.register(connection, selectors.EVENT_READ, child)
    with suppress(OSError):
        connection.sendall(NUMBER.pack(process_id))


def _end(child: _Child, selector: selectors.BaseSelector) -> None:
    # Before it is waited for, since its number is its group's until then.
    _kill(child.process_id)
    _, status = os.waitpid(child.process_id, 0)
    selector.unregister(child.ended)
    os.close(child.ended)
    with suppress(KeyError):
        selector.unregister(child.connection)
    with suppress(OSError):
        child.connection.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
    child.connection.close()


def _kill(process_id: int) -> None:
    """The child with all that it has started; a child that has not made itself a group yet, alone."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError):
            kill(process_id, signal.SIGKILL)
            return


def _become(told: dict[str, Any], files: Sequence[int], selector: selectors.BaseSelector) -> None:
    """In the child: nothing of the server's, and everything of the caller's."""
    os.setsid()
    for key in list(selector.get_map().values()):
        if key.fileobj is not sys.stdin:
            os.close(key.fd)
    selector.close()
    high = [fcntl.fcntl(file, fcntl.F_DUPFD, _ABOVE_ALL) for file in files]
    for file in files:
        os.close(file)
    for number, file in enumerate(high):
        os.dup2(file, number)
        os.close(file)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    time.tzset()


def _answer(told: dict[str, Any], answer: Callable[[dict[str, Any]], int]) -> NoReturn:
    code = 255
    try:
        code = answer(told)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code % 256)
