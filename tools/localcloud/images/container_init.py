"""The parent of a container's first process: `python -I container_init.py PROGRAM [ARGUMENT ...]`.

It does what a kernel does for a container and a plain process group does not. Processes whose parent ended stay in the
container (Linux: this process adopts them). SIGTERM goes to the first process, as `docker stop` sends it. When the
first process ends, or when standard input is closed, which happens too if whoever started us is killed, everything
that is left is killed. The exit code is the first process's, 128 + N where signal N ended it.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from types import FrameType

_PR_SET_CHILD_SUBREAPER = 36
_GRACE = 5.0  # seconds that the kernel gets to end what was killed


def main(command: list[str]) -> int:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    terminated = threading.Event()
    first: subprocess.Popen[bytes] | None = None

    def forward(number: int, frame: FrameType | None) -> None:
        terminated.set()
        if first:
            with contextlib.suppress(ProcessLookupError):
                os.kill(first.pid, number)

    signal.signal(signal.SIGTERM, forward)
    try:
        first = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"exec: {command[0]!r}: {error.strerror}", file=sys.stderr, flush=True)
        return 127

    if terminated.is_set():  # between the handler and the program
        os.kill(first.pid, signal.SIGTERM)
    threading.Thread(target=_kill_at_end_of_input, args=(first.pid,), daemon=True).start()
    code = _reap(first.pid)
    _kill_everything(first.pid)
    return code


def _reap(first: int) -> int:
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == first:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _kill_at_end_of_input(first: int) -> None:
    while os.read(0, 4096):
        pass
    _kill_everything(first)


def _kill_everything(first: int) -> None:
    import psutil  # here, because it is needed at the end only

    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(first, signal.SIGKILL)
    left = psutil.Process().children(recursive=True)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=_GRACE)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # the thread that waits for input must not keep us
