"""The batching server: its parts put together, its start and its end.

SageMaker sends SIGTERM, and SIGKILL thirty seconds later
(docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html).
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

import metrics_port
import uvicorn
from admission import Admission
from gathered_writes import GatheredHttp
from http_app import HttpApp
from refusals import WORKER_LOST, too_late
from request_log import RequestLog
from server_metrics import INTERVAL_SECONDS, ServerMetrics
from server_settings import ServerSettings
from worker_pool import SWEEP_SECONDS, WorkerPool

_DRAIN_SECONDS = 25  # which leaves the workers some of SageMaker's thirty
_KEEP_ALIVE_SECONDS = 620  # SageMaker keeps its connections; ours must not be the end that closes them
_BACKLOG = 4096


def run(settings: ServerSettings) -> NoReturn:
    """Serves until a signal comes (exit code 0), or the model cannot be loaded (exit code 1, and the reason last)."""
    server = _BatchingServer(settings)
    try:
        server.run()
    finally:
        server.close_log()
    sys.exit(0)


class _BatchingServer(uvicorn.Server):
    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._log = RequestLog()
        self._metrics = ServerMetrics(os.environ)
        self._admission = Admission(settings.max_queue, settings.max_request_bytes, settings.request_timeout)
        self._late = too_late(settings.request_timeout)
        self._pool = WorkerPool(
            settings.workers,
            os.environ,
            settings.request_timeout,
            self._admission,
            self._log,
            self._metrics,
            lost=lambda request: WORKER_LOST,
            give_up=self._give_up,
        )
        self._app = HttpApp(settings, self._admission, self._pool, self._log, self._metrics)
        logger = logging.getLogger("uvicorn.error")
        logger.propagate = False
        logger.addHandler(_HttpEvents(self._log))
        super().__init__(
            uvicorn.Config(
                self._app,
                host=settings.host,
                port=settings.port,
                http=GatheredHttp,
                loop="uvloop",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_DRAIN_SECONDS,
                backlog=_BACKLOG,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own way ends this process by the signal, once it has drained; ours ends with exit code 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        if self.should_exit:  # the second signal
            self._end("stopped at once by a second signal", 1)
        self.should_exit = self._app.stopping = True
        self._log.event("stopping", message=f"requests in flight: {self._admission.count}")

    async def startup(self, sockets: list[object] | None = None) -> None:
        await super().startup(sockets)  # type: ignore[arg-type]
        if self._settings.metrics_port is not None:
            await metrics_port.listen(self._settings.metrics_port, self._prometheus_text)
        self._background = {asyncio.ensure_future(work()) for work in (self._sweep, self._count)}
        for task in self._background:
            task.add_done_callback(self._end_with)
        self._pool.start()
        gc.collect()
        gc.freeze()  # what is here stays

    async def shutdown(self, sockets: list[object] | None = None) -> None:
        await super().shutdown(sockets)  # type: ignore[arg-type]
        for task in self._background:
            task.cancel()
        await self._pool.close()
        self._write_metrics()
        left = self._admission.count
        self._log.event("stopped", message=f"requests in flight that got no answer of the model: {left}")
        self.close_log()

    def close_log(self) -> None:
        self._log.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._pool.sweep()
            self._admission.give_up_late_ones(lambda request: self._late)

    async def _count(self) -> None:
        while True:
            for _ in range(INTERVAL_SECONDS):
                await asyncio.sleep(1)
                self._admission.note_second()
            self._write_metrics()

    def _write_metrics(self) -> None:
        line = self._metrics.embedded_line()
        if line is not None:
            self._log.line(line)

    def _prometheus_text(self) -> str:
        return self._metrics.prometheus_text(
            {
                "hfsm_requests_in_flight": ("Requests accepted and not answered", self._admission.count),
                "hfsm_request_bytes_held": ("Bytes of their bodies", self._admission.held_bytes),
                "hfsm_workers": ("Workers that there should be", self._pool.size),
                "hfsm_workers_ready": ("Workers that answer", len(self._pool.ready)),
            }
        )

    def _end_with(self, task: "asyncio.Task[None]") -> None:
        """A server whose background work has failed would look healthy, and restart or time out nothing."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._end(f"the server itself has failed: {type(error).__name__}: {error}", 1)

    def _give_up(self, reason: str) -> NoReturn:
        self._end(f"model cannot be loaded: {reason}", 1)

    def _end(self, last_line: str, code: int) -> NoReturn:
        self._pool.kill()  # before the line, so that nothing of theirs comes after it
        self._log.close()
        print(last_line, file=sys.stderr, flush=True)
        os._exit(code)


class _HttpEvents(logging.Handler):
    """uvicorn's warnings, e.g. of what is not HTTP, as lines of the log."""

    def __init__(self, log: RequestLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.event("http", message=self.format(record))
