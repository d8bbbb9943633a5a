"""One process that holds the model, as the front end sees it: how it is started, asked and ended."""

import asyncio
import contextlib
import importlib.util
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from admission import Request
from gathered_writes import GatheredWrites
from wire import Frames, write_frame

_PROGRAM = Path(__file__).parent / "worker.py"
_THREADS_BESIDE_A_GPU = 2
_MOST_WORKERS = 8
_SHARE_OF_MEMORY = 0.5  # of the machine's, for all workers; the rest is for what requests need
_END_SECONDS = 2.0  # that a worker without a socket has for its end


class Owner(Protocol):
    """Who is told what a worker says."""

    def worker_ready(self, worker: "WorkerProcess", header: dict[str, Any]) -> None: ...
    def worker_failed(self, worker: "WorkerProcess") -> None: ...
    def worker_answered(
        self, worker: "WorkerProcess", request: Request, header: dict[str, Any], body: bytes
    ) -> None: ...
    def worker_lost(self, worker: "WorkerProcess") -> None: ...


class WorkerProcess(asyncio.Protocol):
    """Ready from its `ready` on until it is lost; `lost` once its end of the socket is closed, or it has ended.

    After that it has two seconds to end; whoever owns it asks `ended()` until it has.
    """

    def __init__(self, place: int, gpu: int | None, environment: Mapping[str, str], owner: Owner) -> None:
        """place: which of the workers it is. OSError: no process could be started."""
        self.place = place
        self.ready = False
        self.lost = False
        self.failure: str | None = None  # why it ends, where more is known than its exit code
        self.asked: dict[int, Request] = {}
        self._owner = owner
        self._kill_at = 0.0
        self._frames = Frames()
        self._transport: GatheredWrites | None = None
        self._socket, theirs = socket.socketpair()
        # uvloop does not see to it. Two ends that both wait for the other one to read would wait for ever.
        self._socket.setblocking(False)
        with theirs:
            device = [] if gpu is None else ["--gpu", str(gpu)]
            self._process = subprocess.Popen(
                [sys.executable, str(_PROGRAM), "--socket", str(theirs.fileno()), *device],
                stdin=subprocess.DEVNULL,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # what it starts ends with it, and signals of a terminal are for this process
            )

    async def connect(self) -> None:
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=self._socket)

    def ask(self, request: Request, content_type: str | None, accept: str | None, body: bytes) -> None:
        assert self._transport is not None
        self.asked[request.number] = request
        request.with_worker = True
        header = {
            "id": request.number,
            "deadline": request.deadline,
            "received": request.received,
            "content_type": content_type,
            "accept": accept,
        }
        self._transport.write(write_frame(header, body))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = GatheredWrites(transport, asyncio.get_running_loop())

    def data_received(self, data: bytes) -> None:
        for header, body in self._frames.feed(data):
            number = header.get("id")
            if number is not None:
                request = self.asked.pop(number, None)
                if request is not None:
                    self._owner.worker_answered(self, request, header, body)
            elif "ready" in header:
                self.ready = True
                self._owner.worker_ready(self, header)
            elif "failed" in header:
                self.failure = str(header["failed"])
                self._owner.worker_failed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose()

    def look_after(self) -> None:
        """Notices its end where something that it started keeps its end of the socket open."""
        if self._has_ended():
            self._lose()

    def _lose(self) -> None:
        if self.lost:
            return
        self.lost = True
        self.ready = False
        # Its exit code says more than a signal of ours.
        self._kill_at = time.monotonic() + _END_SECONDS
        self._owner.worker_lost(self)

    def ended(self) -> bool:
        """Whether the process is no more. One that was lost, and goes on all the same, is killed here."""
        if self._process.returncode is not None:
            return True
        if not self._has_ended():
            if self.lost and time.monotonic() >= self._kill_at:
                self.failure = self.failure or "the worker closed its connection without a word, and was killed"
                self.kill()
            return False
        self.kill()  # what it has started; its number is nobody else's before it was waited for
        self._process.wait()
        return True

    def _has_ended(self) -> bool:
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self._process.returncode is not None or os.waitid(os.P_PID, self._process.pid, how) is not None

    def say_why(self) -> str:
        """Why it ended, in one line; only when it has."""
        if self.failure is not None:
            return self.failure
        code = self._process.returncode
        if code is None or code >= 0:
            return f"the worker ended with exit code {code}"
        hint = ", which is what happens when memory runs out" if code == -signal.SIGKILL else ""
        return f"the worker was ended by {signal.Signals(-code).name}{hint}"

    def memory_bytes(self) -> int:
        """That it holds now."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        """Asks it to end, by closing its socket."""
        if self._transport is not None:
            self._transport.close()
        else:
            self._socket.close()

    def kill(self) -> None:
        """Ends it and all that it started, at once."""
        if self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def worker_environment(variables: Mapping[str, str], workers: int, gpus: int) -> dict[str, str]:
    """variables: the server's own, which win. workers: of this machine, all together."""
    threads = max(1, len(os.sched_getaffinity(0)) // workers)
    if gpus:
        threads = min(threads, _THREADS_BESIDE_A_GPU)
        return {"OMP_NUM_THREADS": str(threads), **variables}
    # Threads that wait actively take the cores from each other, from the front end, and from the model.
    quiet = {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
    return {"OMP_NUM_THREADS": str(threads), **quiet, **variables}


def more_workers(threads: int, memory_bytes: int) -> int:
    """How many workers this machine has room for. threads, memory_bytes: of one of them."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else "max"
    memory = memory if text == "max" else min(memory, int(text))
    return max(1, min(cores // threads, _MOST_WORKERS, int(memory * _SHARE_OF_MEMORY) // max(1, memory_bytes)))


def count_gpus(variables: Mapping[str, str], devices: Path = Path("/dev")) -> int:
    """How many GPUs torch will see here, without the seconds that importing it takes."""
    present = len(list(devices.glob("nvidia[0-9]*")))
    if not present or not _torch_has_cuda():
        return 0
    chosen = variables.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return present
    names = [name.strip() for name in chosen.split(",") if name.strip()]
    if "-1" in names:
        names = names[: names.index("-1")]
    return len(names)


def _torch_has_cuda() -> bool:
    found = importlib.util.find_spec("torch")
    if found is None or not found.submodule_search_locations:
        return False
    version = Path(found.submodule_search_locations[0]) / "version.py"
    return version.is_file() and runpy.run_path(str(version)).get("cuda") is not None
