"""The workers of this server: started, asked in turn, and started again when one ends."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from admission import Admission, Request
from request_log import RequestLog
from server_metrics import ServerMetrics
from worker_process import WorkerProcess, count_gpus, more_workers, worker_environment

SWEEP_SECONDS = 0.05

# Before a worker is started again: after its first end in a row, its second, …; the last one stays.
_PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0)
_MOST_FAILED_STARTS = 5
_STEADY_SECONDS = 60.0  # a worker that was ready for so long has worked
_HUNG_AFTER = 3.0  # request timeouts without any answer
_CLOSE_SECONDS = 3.0


class _Place:
    """One worker after another, on the same device."""

    def __init__(self, number: int, gpu: int | None) -> None:
        self.number = number
        self.gpu = gpu
        self.worker: WorkerProcess | None = None
        self.is_extra = False
        self.was_ready = False
        self.ready_since = 0.0
        self.ends_in_a_row = 0
        self.failed_starts = 0
        self.start_at = 0.0
        self.silent_seconds = 0.0


class WorkerPool:
    def __init__(
        self,
        workers: int | None,
        variables: Mapping[str, str],
        request_timeout: float,
        admission: Admission,
        log: RequestLog,
        metrics: ServerMetrics,
        lost: Callable[[Request], Any],
        give_up: Callable[[str], None],
    ) -> None:
        """workers: None is one for each GPU; without one, as many as there are cores for their threads.

        lost: makes the answer to a request whose worker has ended. give_up: is called with the reason when the model
        cannot be loaded, or a worker ends again and again.
        """
        gpus = count_gpus(variables)
        count = workers or max(1, gpus)
        self._environment = worker_environment(variables, count, gpus)
        self._places = [_Place(number, number % gpus if gpus else None) for number in range(count)]
        self._may_grow = workers is None and not gpus
        self._variables = variables
        self._request_timeout = request_timeout
        self._admission = admission
        self._log = log
        self._metrics = metrics
        self._lost = lost
        self._give_up = give_up
        self._connecting: set[asyncio.Task[None]] = set()
        self._closing = False
        self.ready: list[WorkerProcess] = []

    @property
    def size(self) -> int:
        return len(self._places)

    def start(self) -> None:
        for place in self._places:
            self._start(place)

    def least_busy(self) -> WorkerProcess | None:
        """None: no worker is ready."""
        ready = self.ready
        if len(ready) == 1:
            return ready[0]
        return min(ready, key=lambda worker: len(worker.asked), default=None)

    def sweep(self) -> None:
        """To be called every SWEEP_SECONDS: notices ends, starts again what is due, ends what hangs."""
        now = time.monotonic()
        for place in self._places:
            worker = place.worker
            if worker is None:
                if now >= place.start_at and not self._closing:
                    self._start(place)
            elif worker.lost:
                if worker.ended():
                    self._after_end(place, worker)
            else:
                worker.look_after()
                self._end_if_hung(place, worker)

    async def close(self) -> None:
        """Ends all workers."""
        self._closing = True
        workers = [place.worker for place in self._places if place.worker is not None]
        for worker in workers:
            worker.close()
        deadline = time.monotonic() + _CLOSE_SECONDS
        while not all(worker.ended() for worker in workers) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self.kill()

    def kill(self) -> None:
        """Ends all workers at once; after this nothing of theirs comes into the log."""
        self._closing = True
        workers = [place.worker for place in self._places if place.worker is not None]
        for worker in workers:
            worker.kill()
        deadline = time.monotonic() + _CLOSE_SECONDS
        while not all(worker.ended() for worker in workers) and time.monotonic() < deadline:
            time.sleep(0.005)

    def worker_ready(self, worker: WorkerProcess, header: dict[str, Any]) -> None:
        place = self._places[worker.place]
        place.was_ready = True
        place.ready_since = time.monotonic()
        place.silent_seconds = 0.0
        place.failed_starts = 0
        self.ready.append(worker)
        device = header.get("device")
        self._log.event("worker ready", worker=worker.place, device=device, message=header["ready"])
        if len(self.ready) == 1:
            self._log.event("healthy", message="/ping answers 200")
        if self._may_grow:
            self._may_grow = False
            self._grow(worker, int(header["threads"]))

    def _grow(self, first: WorkerProcess, threads: int) -> None:
        """Starts the workers for which the first one leaves cores and memory; how many, is known only now."""
        for number in range(1, more_workers(threads, first.memory_bytes())):
            place = _Place(number, None)
            place.is_extra = True
            self._places.append(place)
        if self.size > 1:
            self._environment = worker_environment({**self._variables, "OMP_NUM_THREADS": str(threads)}, self.size, 0)
            for place in self._places[1:]:
                self._start(place)

    def worker_failed(self, worker: WorkerProcess) -> None:
        place = self._places[worker.place]
        if not place.was_ready and not place.is_extra:
            self._give_up(worker.say_why())

    def worker_answered(self, worker: WorkerProcess, request: Request, header: dict[str, Any], body: bytes) -> None:
        self._places[worker.place].silent_seconds = 0.0
        self._metrics.model_answer(header, worker.place)
        if self._admission.given_back(request) and request.answer is not None:
            request.answer.set_result((header, body))

    def worker_lost(self, worker: WorkerProcess) -> None:
        if worker in self.ready:
            self.ready.remove(worker)
            if not self.ready and not self._closing:
                self._log.event("not healthy", message="/ping answers 503: no worker is ready")
        asked, worker.asked = worker.asked, {}
        for request in asked.values():
            if self._admission.given_back(request) and request.answer is not None:
                request.answer.set_result(self._lost(request))

    def _start(self, place: _Place) -> None:
        place.worker = worker = WorkerProcess(place.number, place.gpu, self._environment, self)
        task = asyncio.ensure_future(worker.connect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def _after_end(self, place: _Place, worker: WorkerProcess) -> None:
        if self._closing:
            return
        place.worker = None
        why = worker.say_why()
        now = time.monotonic()
        if place.is_extra and not place.was_ready:
            self._log.event("worker not started", worker=place.number, message=why)
            place.start_at = float("inf")  # the others go on without it
            return
        if not place.was_ready:
            self._give_up(f"{why} while it loaded the model" if worker.failure is None else why)
            return
        if place.ready_since and now - place.ready_since >= _STEADY_SECONDS:
            place.ends_in_a_row = 0
        place.failed_starts += not place.ready_since
        if place.failed_starts >= _MOST_FAILED_STARTS:
            self._give_up(f"{_MOST_FAILED_STARTS} starts in a row have failed; the last one: {why}")
            return
        pause = _PAUSES[min(place.ends_in_a_row, len(_PAUSES) - 1)]
        place.ends_in_a_row += 1
        place.ready_since = 0.0
        place.start_at = now + pause
        self._metrics.worker_restarted()
        self._log.event("worker ended", worker=place.number, message=why, starts_again_in_seconds=pause)
        if not pause:
            self._start(place)

    def _end_if_hung(self, place: _Place, worker: WorkerProcess) -> None:
        if not worker.ready or not worker.asked:
            place.silent_seconds = 0.0
            return
        # Not by the clock: while the whole machine stood still, the worker could not answer either.
        place.silent_seconds += SWEEP_SECONDS
        if place.silent_seconds > _HUNG_AFTER * self._request_timeout:
            worker.failure = f"the worker hung and was killed: no answer for {place.silent_seconds:.0f} s"
            worker.kill()
