"""What SageMaker asks a serving container over HTTP, as an ASGI application.

Every request pays for what is here: it has no task or timer of its own, and nothing is parsed that need not be.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from admission import Admission, Request
from refusals import (
    NOT_READY,
    OVERLOADED,
    STOPPING,
    Refusal,
    body_too_slow,
    method_not_allowed,
    not_found,
    too_large,
)
from request_log import RequestLog, harmless_id
from server_metrics import ServerMetrics
from server_settings import ServerSettings
from worker_pool import WorkerPool

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# A body that was refused is read on and thrown away, so that the client gets to read the answer: a connection that is
# closed on a client that still sends is reset, and the answer with it.
_THROW_AWAY_SECONDS = 10.0
# What is left of a small body does not cost its connection.
_SMALL_BODY = 65_536

_JSON = b"application/json"
_NOTHING: dict[str, Any] = {}
# SageMaker's limit: concurrent transforms times megabytes.
_TRANSFORM_MEGABYTES = 100
_MOST_TRANSFORMS = 16


class _GoneError(Exception):
    """The client has closed the connection before its request was whole."""


class _RefusedError(Exception):
    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


class HttpApp:
    def __init__(
        self, settings: ServerSettings, admission: Admission, pool: WorkerPool, log: RequestLog, metrics: ServerMetrics
    ) -> None:
        self._most_bytes = settings.max_request_bytes
        self._admission = admission
        self._pool = pool
        self._log = log
        self._metrics = metrics
        self._too_large = too_large(settings.max_request_bytes)
        self._too_slow = body_too_slow(settings.request_timeout)
        self._name = os.urandom(4).hex()  # so that names differ between containers
        self._count = 0
        self._content_types = {"application/json": _JSON}
        transforms = min(_MOST_TRANSFORMS, settings.max_batch_size)
        megabytes = max(1, min(settings.max_request_bytes // 2**20, _TRANSFORM_MEGABYTES // transforms))
        self._execution_parameters = json.dumps(
            {"MaxConcurrentTransforms": transforms, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": megabytes}
        ).encode()
        self.stopping = False

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path == "/invocations":
            if method == "POST":
                await self._invoke(scope, receive, send)
            else:
                await _answer_refusal(send, method_not_allowed(path, "POST"), (b"allow", b"POST"))
        elif path in ("/ping", "/execution-parameters"):
            if method != "GET":
                await _answer_refusal(send, method_not_allowed(path, "GET"), (b"allow", b"GET"))
            elif path == "/ping":
                healthy = bool(self._pool.ready) and not self.stopping
                await _answer(send, 200 if healthy else 503, _JSON, b"" if healthy else NOT_READY.body)
            else:
                await _answer(send, 200, _JSON, self._execution_parameters)
        else:
            await _answer_refusal(send, not_found(path))

    async def _invoke(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        received = monotonic()
        content_type = accept = name = None
        size, announced, waits = 0, False, False
        for key, value in scope["headers"]:
            if key == b"content-length":
                size, announced = int(value), True
            elif key == b"content-type":
                content_type = value.decode("latin-1")
            elif key == b"accept":
                accept = value.decode("latin-1")
            elif key == b"x-amzn-sagemaker-inference-id":
                name = harmless_id(value.decode("latin-1"))
            elif key == b"expect":
                waits = True
        if name is None:
            self._count += 1
            name = f"{self._name}-{self._count}"

        workers = len(self._pool.ready)
        request = None
        if size > self._most_bytes:
            answer: Any = self._too_large
        elif not workers or self.stopping:
            answer = STOPPING if self.stopping else NOT_READY
        else:
            request = self._admission.accept(received, size, workers)
            if request is None:
                self._metrics.overloaded()
                answer = OVERLOADED.after(self._admission.retry_after())
        if request is None:
            left = waits or not announced or size > _SMALL_BODY
            await self._refuse(receive, send, answer, name, received, 0, left)
            return

        body = b""
        left = False
        try:
            body = await self._read(request, receive)
            answer = await self._ask(request, content_type, accept, body)
            if not isinstance(answer, Refusal):
                await self._send(send, answer, name, received, len(body))
                return
        except _RefusedError as stopped:
            answer, left = stopped.refusal, True
        except _GoneError:
            self._log.request(name, 499, (monotonic() - received) * 1000, _NOTHING, len(body), 0, "ClientGone")
            return
        finally:
            self._admission.answered(request)
        await self._refuse(receive, send, answer, name, received, request.held_bytes, left)

    async def _send(
        self, send: Send, answer: tuple[dict[str, Any], bytes], name: str, received: float, bytes_in: int
    ) -> None:
        header, content = answer
        kind = header["content_type"]
        status = header["status"]
        headers = [
            (b"content-type", self._content_types.get(kind) or self._encode(kind)),
            (b"content-length", b"%d" % len(content)),
        ]
        if status == 503:
            headers.append((b"retry-after", b"1"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        total_ms = (monotonic() - received) * 1000
        self._metrics.request(status, total_ms)
        self._log.request(name, status, total_ms, header, bytes_in, len(content), header["error"])

    async def _read(self, request: Request, receive: Receive) -> bytes:
        """_GoneError, or _RefusedError: too large, too slow, or no room."""
        request.reader = asyncio.current_task()
        try:
            message = await receive()
            if message["type"] != "http.request":
                raise _GoneError
            body: bytes = message["body"]
            if not message["more_body"] and len(body) <= request.held_bytes:
                return body
            return await self._read_on(request, receive, message)
        except asyncio.CancelledError:
            if not request.expired:
                raise
            raise _RefusedError(self._too_slow) from None
        finally:
            request.reader = None

    async def _read_on(self, request: Request, receive: Receive, message: dict[str, Any]) -> bytes:
        pieces, size = [], 0
        while True:
            pieces.append(message["body"])
            size += len(message["body"])
            if size > self._most_bytes:
                raise _RefusedError(self._too_large)
            if not self._admission.grow(request, size, len(self._pool.ready)):
                self._metrics.overloaded()
                raise _RefusedError(OVERLOADED.after(self._admission.retry_after()))
            if not message["more_body"]:
                return b"".join(pieces)
            message = await receive()
            if message["type"] != "http.request":
                raise _GoneError

    async def _ask(self, request: Request, content_type: str | None, accept: str | None, body: bytes) -> Any:
        """A worker's header and body, or a Refusal."""
        worker = self._pool.least_busy()
        if worker is None:
            return NOT_READY
        request.answer = asyncio.get_running_loop().create_future()
        worker.ask(request, content_type, accept, body)
        try:
            return await request.answer
        except asyncio.CancelledError:
            return STOPPING  # the time for the requests in flight is over

    async def _refuse(
        self, receive: Receive, send: Send, refusal: Refusal, name: str, received: float, bytes_in: int, left: bool
    ) -> None:
        """left: whether there is more of the body than may be read for nothing."""
        content = refusal.body
        total_ms = (monotonic() - received) * 1000
        self._metrics.request(refusal.status, total_ms)
        self._log.request(name, refusal.status, total_ms, _NOTHING, bytes_in, len(content), refusal.type)
        if not left:
            await _answer_refusal(send, refusal)
            return
        await _answer_refusal(send, refusal, (b"connection", b"close"), more_body=True)
        try:
            async with asyncio.timeout(_THROW_AWAY_SECONDS):
                message = await receive()
                while message["type"] == "http.request" and message["more_body"]:
                    message = await receive()
        except TimeoutError:
            pass  # it is still sending: the connection is closed on it
        await send({"type": "http.response.body", "body": b""})

    def _encode(self, content_type: str) -> bytes:
        """As a header's value; what a model's own code says need not be one."""
        if not content_type.isprintable():
            return b"application/octet-stream"
        encoded = content_type.encode("latin-1", "replace")
        if len(self._content_types) < 100:
            self._content_types[content_type] = encoded
        return encoded


async def _answer(
    send: Send, status: int, content_type: bytes, body: bytes, *headers: tuple[bytes, bytes], more_body: bool = False
) -> None:
    all_headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body, "more_body": more_body})


async def _answer_refusal(send: Send, refusal: Refusal, *headers: tuple[bytes, bytes], more_body: bool = False) -> None:
    if refusal.retry_after is not None:
        headers = (*headers, (b"retry-after", b"%d" % refusal.retry_after))
    await _answer(send, refusal.status, _JSON, refusal.body, *headers, more_body=more_body)
