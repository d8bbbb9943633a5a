"""The serving container's front end as a process of its own, over a fake worker; what it answers and logs."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Condition = Callable[[], Any]

_PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # with names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FrontServer:
    """serve.py, in a copy of its folder whose worker.py is fake_worker.py. Ended with the `with` block."""

    def __init__(self, python: Path, runtime: Path, folder: Path, **variables: str) -> None:
        """variables: of the environment, besides ports that are free."""
        code = folder / "inference"
        shutil.copytree(runtime / "inference", code, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(Path(__file__).parent / "fake_worker.py", code / "worker.py")
        self.port, self.metrics_port = unused_port(), unused_port()
        self.log_file = folder / "log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HFSM_", "OMP_"))}
        self._arguments = [str(python), str(code / "serve.py"), "serve"]
        self._environment = {
            **kept,
            "SAGEMAKER_BASE_DIR": str(folder),
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "HFSM_BIND_TO_HOST": "127.0.0.1",
            "HFSM_METRICS_PORT": str(self.metrics_port),
            **variables,
        }

    def __enter__(self) -> "FrontServer":
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                self._arguments, env=self._environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, port: int | None = None
    ) -> Answer:
        """body: bytes, or anything else that is sent as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60)
        try:
            connection.request(method, path, data, headers or {})
            return read_answer(connection)
        finally:
            connection.close()

    def invoke(self, body: Any, **headers: str) -> Answer:
        """headers: with underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", "/invocations", body, {"Content-Type": "application/json", **named})

    def ping(self) -> int | None:
        """Its status; None: nobody listens."""
        try:
            return self.ask("GET", "/ping").status
        except OSError:
            return None

    def wait_until_ready(self) -> "FrontServer":
        def ready() -> bool:
            assert self.process.poll() is None, f"it has ended\n{self.log}"
            return self.ping() == 200

        wait_for(ready, "/ping is 200", self)
        return self

    def end(self, seconds: float = 60) -> int:
        """Waits for its end. The exit code."""
        wait_for(lambda: self.process.poll() is not None, "it has ended", self, seconds)
        return self.process.returncode

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def records(self) -> list[dict[str, Any]]:
        """The log's lines that are JSON."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def requests(self) -> list[dict[str, Any]]:
        return [record for record in self.records if "status" in record]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record.get("event") == name]


def read_answer(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


def wait_for(condition: Condition, what: str, server: FrontServer, seconds: float = 60) -> Any:
    """What the condition gave, once it is true. AssertionError: it never was, or the server has ended before."""
    # Not by the clock, which goes on where a whole machine stands still for a while.
    for _ in range(int(seconds / _PAUSE_SECONDS)):
        if value := condition():
            return value
        time.sleep(_PAUSE_SECONDS)
    raise AssertionError(f"not within {seconds} s: {what}\n{server.log}")


def unused_port() -> int:
    """Of 127.0.0.1; nobody listens on it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
