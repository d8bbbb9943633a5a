"""One container of an endpoint or of a transform job: started, watched until it answers, then asked."""

import http.client
import json
import queue
import random
import select
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

from localcloud.images.container import Container
from localcloud.log_stream import LogStream

INVOCATION_TIMEOUT = 60.0  # seconds, AWS's own limit
STOP_TIMEOUT = 30.0  # seconds between SIGTERM and SIGKILL, as on AWS
# Shorter than any model server keeps a connection open: one of these is not closed while a request is on its way.
LONGEST_IDLE = 1.0  # seconds
_REASON_LINES = 760  # characters of the container's last lines that fit into a FailureReason


class NotServingError(Exception):
    """The container did not become healthy; the message is a FailureReason."""


class DrainingError(Exception):
    """The container takes no new requests: another one is to be asked."""


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
        self.requests = 0  # that it has not answered yet
        self._most = 0  # of them at a time, since somebody has looked
        self._timeout = timeout
        self._idle: queue.LifoQueue[tuple[http.client.HTTPConnection, float]] = queue.LifoQueue()
        self._taking = threading.Condition()
        self._is_draining = False

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

    def invoke(
        self, body: bytes, headers: dict[str, str], path: str = "/invocations", timeout: float | None = None
    ) -> Answer:
        """POST to the path. OSError, HTTPException: the container did not answer. DrainingError: it was not asked.

        timeout: seconds that the answer may take. Omitted: the container's own.
        """
        with self._taking:
            if self._is_draining:
                raise DrainingError
            self.requests += 1
            self._most = max(self._most, self.requests)
        try:
            return self._ask(body, headers, path, timeout or self._timeout)
        finally:
            with self._taking:
                self.requests -= 1
                self._taking.notify_all()

    def _ask(self, body: bytes, headers: dict[str, str], path: str, timeout: float) -> Answer:
        """Asks once: only a request that the container cannot have read whole is sent a second time."""
        while True:
            connection, used = self._connection()
            connection.sock.settimeout(timeout)
            try:
                connection.request("POST", path, body, headers)
            except ConnectionError:
                connection.close()
                if used:
                    continue
                raise
            try:
                response = connection.getresponse()
                content = response.read()
            except BaseException:
                connection.close()
                raise
            if response.will_close:
                connection.close()
            else:
                self._idle.put((connection, time.monotonic()))
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, content)

    def most_requests(self) -> int:
        """How many it had at a time, at most, since the last call."""
        with self._taking:
            most, self._most = self._most, self.requests
        return most

    def refuse(self) -> None:
        """From now on it takes no new request; those that it has, it answers."""
        with self._taking:
            self._is_draining = True

    def drain(self) -> None:
        """Refuses, and waits until it has answered what it has, as long as an answer may take."""
        self.refuse()
        with self._taking:
            self._taking.wait_for(lambda: self.requests == 0, self._timeout)
        self.close()

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
        """An open one, and whether it was used before."""
        while True:
            try:
                connection, since = self._idle.get_nowait()
            except queue.Empty:
                break
            # Something to read between two answers is the server's end of it.
            if time.monotonic() - since < LONGEST_IDLE and not select.select([connection.sock], [], [], 0)[0]:
                return connection, True
            connection.close()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self._timeout)
        connection.connect()
        # headers and body are two packets: the second must not wait for the first one's acknowledgement
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, False

    def close(self) -> None:
        """Closes the connections that nobody uses."""
        while True:
            try:
                self._idle.get_nowait()[0].close()
            except queue.Empty:
                return


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
