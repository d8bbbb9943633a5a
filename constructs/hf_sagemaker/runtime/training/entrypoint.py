"""PID 1 of the training container: starts the Deep Learning Container's own command and does what that leaves out.

- The code that the image carries is what is trained with, unless the job brings its own.
- The script's output stays as it is, and `accelerate launch` is one more way to start it: see launchers/start_script.
- SIGTERM (a spot interruption, a stop, the end of the allowed time) reaches the script. The toolkit that starts the
  script keeps the signal to itself, and the script would know nothing until SIGKILL, two minutes later.
- The container lives until the script has ended, even where the toolkit has ended before.
- Processes that lost their parent are reaped.
- A failed job says why: see failure_reason.

Standard library only: it runs before anything else is known to work.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

import failure_reason
from process_tree import HOST_NAME_SHIM, descendants, processes, receivers, send

_CONTAINERS_MODULE = "sagemaker_pytorch_container.training:main"
_DEFAULT_PROGRAM = "text_classification.py"
_KEPT_LINES = 1000  # the processes of a whole instance may each have a traceback to show
_HEAD_START = 10.0  # seconds for the instance on which a distributed job failed first to be the first to end, too
_LEFT_OVER_SECONDS = 5.0  # for what still runs when the job is over
_PR_SET_CHILD_SUBREAPER = 36


def main(command: Sequence[str]) -> int:
    """Runs the command (`train`) to its end. The exit code is the command's; 128 + n where signal n ended it."""
    if not command:
        print("entrypoint.py: no command was given; SageMaker gives `train`", file=sys.stderr)
        return 2
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    provide_code(base)
    provide_launchers()
    several = prepare_network(base)
    job = Job(command)
    code = job.run()
    if code != 0:
        reason = failure_reason.write(base / "output/failure", list(job.last_lines), code)
        if several and not job.interrupted and failure_reason.is_loss_of_peers(reason):
            time.sleep(_HEAD_START)
    return code


def provide_code(base: Path) -> None:
    """Gives the toolkit the image's own code, where the job's hyperparameters name neither a source nor a program.

    The toolkit itself has no such default: it forgets SAGEMAKER_SUBMIT_DIRECTORY, and a SAGEMAKER_PROGRAM that an
    image sets would outweigh the job's own program.
    """
    given = _configuration(base, "hyperparameters")
    code = base / "code"
    if "sagemaker_submit_directory" not in given and not (code.is_dir() and any(code.iterdir())):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(__file__).parent, code, ignore=ignored, dirs_exist_ok=True)
    if "sagemaker_program" not in given:
        os.environ.setdefault("SAGEMAKER_PROGRAM", _DEFAULT_PROGRAM)


def provide_launchers() -> None:
    """Has the toolkit call ours in the place of the module that the Hugging Face containers name."""
    if os.environ.get("SAGEMAKER_TRAINING_MODULE") != _CONTAINERS_MODULE:
        return
    os.environ["SAGEMAKER_TRAINING_MODULE"] = "start_script:main"
    launchers = str(Path(__file__).parent / "launchers")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [launchers, os.environ.get("PYTHONPATH")]))


def prepare_network(base: Path) -> bool:
    """Sets what processes on several instances need, and the toolkit does not. Whether there are several instances."""
    resources = _configuration(base, "resourceconfig")
    if len(resources.get("hosts", [])) < 2:
        return False
    # As the toolkit does for NCCL. Gloo, which CPUs train with, would look for the address of the host name.
    if interface := resources.get("network_interface_name"):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
    return True


def _configuration(base: Path, name: str) -> dict[str, Any]:
    """A file of SageMaker's; empty where it cannot be read: the toolkit says what it thinks of that."""
    try:
        read = json.loads((base / f"input/config/{name}.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


class Job:
    """The command and everything that it starts.

    last_lines: of its output. interrupted: it was told to end.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.interrupted = False
        self._command = _with_host_name(command)
        self._root = 0

    def run(self) -> int:
        # PID 1 inherits every process whose parent has ended. Anywhere else that has to be asked for.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._forward)
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={"PYTHONUNBUFFERED": "1", **os.environ},
                start_new_session=True,
            )
        except OSError as error:
            return self._not_started(error)
        self._root = process.pid
        if self.interrupted:  # it arrived before there was anyone to tell
            self._tell(signal.SIGTERM)
        assert process.stdout is not None
        copier = threading.Thread(target=self._copy, args=(process.stdout,), daemon=True)
        copier.start()
        code = self._wait_for_root()
        if self.interrupted or code < 0:
            self._wait_for_all()  # the toolkit was ended; the script may be saving
        else:
            self._end_left_overs()
        copier.join(timeout=_LEFT_OVER_SECONDS)
        return code if code >= 0 else 128 - code

    def _not_started(self, error: OSError) -> int:
        line = f"entrypoint.py: cannot start {self._command[0]!r}: {error.strerror}"
        print(line, file=sys.stderr, flush=True)
        self.last_lines.append(line)
        return 127 if isinstance(error, FileNotFoundError) else 126

    def _copy(self, output: IO[bytes]) -> None:
        for line in output:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            self.last_lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True
        if self._root:
            self._tell(number)

    def _tell(self, number: int) -> None:
        for pid in receivers(self._root, processes()):
            send(pid, number)

    def _wait_for_root(self) -> int:
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == self._root:
                return os.waitstatus_to_exitcode(status)

    def _wait_for_all(self) -> None:
        """Until nothing is left. SageMaker sets the limit: SIGKILL, 120 s after SIGTERM."""
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            return

    def _end_left_overs(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in descendants(os.getpid(), processes()):
                send(pid, number)
            deadline = time.monotonic() + _LEFT_OVER_SECONDS
            while time.monotonic() < deadline:
                try:
                    pid, _ = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    return
                if pid == 0:
                    time.sleep(0.05)


def _with_host_name(command: Sequence[str]) -> list[str]:
    """The Deep Learning Container starts `train` through a script that makes host names those of SageMaker."""
    shim = shutil.which(HOST_NAME_SHIM)
    return ["bash", "-m", shim, *command] if shim and command[0] == "train" else list(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
