"""One container of an endpoint or of a transform job: started, watched until it answers, then asked."""

import http.client
import json
import queue
import random
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

from localcloud.images.container import Container
from localcloud.log_stream import LogStream

INVOCATION_TIMEOUT = 60.0  # seconds, AWS's own limit
STOP_TIMEOUT = 30.0  # seconds between SIGTERM and SIGKILL, as on AWS
_REASON_LINES = 760  # characters of the container's last lines that fit into a FailureReason


class NotServingError(Exception):
    """The container did not become healthy; the message is a FailureReason."""


@dataclass(frozen=True)
class Answer:
    """What a container answered. headers: names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Stop:
    """Whether waiting makes no sense any more: the endpoint was deleted, or everything is being stopped."""

    def __init__(self, *reasons: threading.Event) -> None:
        self._reasons = reasons

    def __call__(self) -> bool:
        return any(reason.is_set() for reason in self._reasons)


class ServingContainer:
    """A running container, its port, and connections to it that stay open between requests."""

    def __init__(self, container: Container, variant: str, log: LogStream, timeout: float = INVOCATION_TIMEOUT) -> None:
        """timeout: seconds that an answer may take."""
        self.container = container
        self.variant = variant
        self.log = log
        self.port = _free_port()
        self._timeout = timeout
        self._idle: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()

    def start(self, environment: dict[str, str]) -> None:
        values = {
            # Instances of the demo's types have one GPU, for which the model server starts one worker; without a GPU
            # it would start one per processor.
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
            **environment,
            # A container has a network of its own; this one has the machine's, where nobody else may reach it.
            "HFSM_BIND_TO_HOST": "127.0.0.1",
            "SAGEMAKER_BASE_DIR": str(self.container.opt_ml),
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
        }
        self.container.start(["serve"], values, self.log.write)

    def wait_until_healthy(self, deadline: float, stop: Stop) -> None:
        """NotServingError: it ended, or did not answer /ping with 200 before the deadline (time.monotonic())."""
        while not stop():
            if self.container.wait(0.25) is not None:
                raise NotServingError(self._reason(f"ended with exit code {self.container.exit_code}"))
            if self._pings():
                return
            if time.monotonic() > deadline:
                raise NotServingError(self._reason("was still running"))
        raise NotServingError("The endpoint is being deleted.")

    def _reason(self, state: str) -> str:
        return (
            f"The primary container for production variant {self.variant} did not pass the ping health check. Please "
            f"check CloudWatch logs for this endpoint. The container {state}; its last lines were:\n"
            f"{self.log.last_lines(_REASON_LINES)}"
        )

    def _pings(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def invoke(self, body: bytes, headers: dict[str, str]) -> Answer:
        """POST /invocations. OSError, HTTPException: the container did not answer."""
        while True:
            connection, used = self._connection()
            try:
                connection.request("POST", "/invocations", body, headers)
                response = connection.getresponse()
                content = response.read()
            except (ConnectionError, http.client.BadStatusLine):
                connection.close()
                if used:
                    continue  # the server had closed it while it was idle
                raise
            except BaseException:
                connection.close()
                raise
            if response.will_close:
                connection.close()
            else:
                self._idle.put(connection)
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, content)

    def execution_parameters(self) -> dict[str, Any]:
        """What it would have a transform job be: GET /execution-parameters. Empty where it does not say.

        BatchStrategy, MaxConcurrentTransforms, MaxPayloadInMB, each where it is there.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/execution-parameters")
            response = connection.getresponse()
            content = json.loads(response.read()) if response.status == 200 else {}
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        finally:
            connection.close()
        return content if isinstance(content, dict) else {}

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        try:
            return self._idle.get_nowait(), True
        except queue.Empty:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self._timeout)
            connection.connect()
            # headers and body are two packets: the second must not wait for the first one's acknowledgement
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection, False

    def close(self) -> None:
        while not self._idle.empty():
            self._idle.get_nowait().close()


def _free_port() -> int:
    """A port below 32768: multi-model-server refuses higher ones, and outgoing connections do not take these."""
    for port in random.sample(range(20000, 32000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free TCP port between 20000 and 32000 on 127.0.0.1")
