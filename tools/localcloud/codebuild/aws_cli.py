"""The `aws` of builds: the real AWS CLI, loaded once. A call takes a fork, and not half a second of imports.

Run with a socket's path, this is the process that has it loaded; it ends when its standard input does. `CALL` is what
builds start: it hands its arguments, environment, folder and open files over, and waits for the exit code.
"""

import contextlib
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
from pathlib import Path
from typing import Any

_LENGTH = struct.Struct("!I")
_WARM = ("ecr", "s3", "ssm")
"""Services that every build of an image asks."""

# On its own, and without the site module: what it costs is what a call costs.
CALL = """
import json, os, socket, struct, sys
address, arguments = sys.argv[1], sys.argv[2:]
told = json.dumps({"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}).encode()
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect(address)
    socket.send_fds(asked, [struct.pack("!I", len(told))], [0, 1, 2])
    asked.sendall(told)
    sys.exit(ord(asked.recv(1) or b"\\x01"))
"""


class AwsCli:
    """The process that has the AWS CLI loaded. It starts with the first build, and ends with us."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def write(self, path: Path) -> None:
        """Makes `path` an `aws` that builds can call."""
        call = self.address.with_name("call.py")
        path.write_text(f"#!/bin/sh\nexec '{sys.executable}' -I -S '{call}' '{self.address}' \"$@\"\n")
        path.chmod(0o755)

    @property
    def process_id(self) -> int | None:
        """None: it does not run."""
        return self._process.pid if self._process else None

    @property
    def address(self) -> Path:
        """Of the socket; the process listens when this returns."""
        with self._lock:
            if self._folder is None or self._process is None or self._process.poll() is not None:
                self._start()
            assert self._folder is not None
            return self._folder / "socket"

    def _start(self) -> None:
        self.stop()
        # Not in the state's folder: the path of a socket has 107 characters at most.
        self._folder = Path(tempfile.mkdtemp(prefix="localcloud-aws-"))
        (self._folder / "call.py").write_text(CALL)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__, str(self._folder / "socket")],
            env=environment | nothing,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it listens

    def stop(self) -> None:
        """Ends the process, and calls that are under way."""
        if self._process:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._process = self._folder = None


def serve(address: str) -> None:
    """Answers calls until standard input ends."""
    from awscli.clidriver import create_clidriver

    driver = create_clidriver()
    loader = driver.session.get_component("data_loader")
    for name in _WARM:
        loader.load_service_model(name, "service-2")
        loader.load_service_model(name, "endpoint-rule-set-1")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(address)
        listener.listen(64)
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        print("ready", flush=True)
        while all(key.fileobj is listener for key, _ in selector.select()):
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    _answer(connection, driver)


def _answer(connection: socket.socket, driver: Any) -> None:
    """In a process of its own, which ends here: one call."""
    code = 255
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        first, files, _, _ = socket.recv_fds(connection, _LENGTH.size, 3)
        left, parts = _LENGTH.unpack(first)[0], []
        while left:
            parts.append(connection.recv(left))
            left -= len(parts[-1])
        told = json.loads(b"".join(parts))
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.chdir(told["folder"])
        os.environ.clear()
        os.environ.update(told["environment"])
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        code = driver.main(told["arguments"])
    except SystemExit as ended:  # of the parser of arguments
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        with contextlib.suppress(OSError):
            connection.send(bytes([code % 256]))
        os._exit(code % 256)


def _end_with(connection: socket.socket) -> None:
    """Whoever called is gone: so is the call."""
    connection.recv(1)
    os._exit(1)


if __name__ == "__main__":
    serve(sys.argv[1])
