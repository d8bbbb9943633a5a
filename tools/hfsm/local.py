"""`hfsm local`: one embedded AWS that keeps running in the background.

It is the command `python -m localcloud serve`, started in a session of its own. What is known about it lies
in `daemon.json` in its state folder; that it really runs is asked from itself.
"""

import fcntl
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hfsm.cloud import LOCAL_REGION
from hfsm.errors import OperatorError
from hfsm.processes import alive, check_port, family, is_localcloud, kill, leftovers, send, wait_gone

DEFAULT_PORT = 4566
READY_SECONDS = 90.0
# A container gets SIGTERM and time to save before the embedded AWS ends.
STOP_SECONDS = 60.0
PROJECT_ROOT = Path(__file__).resolve().parents[2]


def default_state_dir() -> Path:
    """`.localcloud` in the project, or the folder that HFSM_LOCAL_DIR names."""
    named = os.environ.get("HFSM_LOCAL_DIR")
    return Path(named).resolve() if named else PROJECT_ROOT / ".localcloud"


@dataclass(frozen=True)
class Daemon:
    """A running embedded AWS. started_at: ISO 8601, UTC."""

    pid: int
    port: int
    started_at: str

    @property
    def endpoint_url(self) -> str:
        return f"http://localhost:{self.port}"


def pid_file(state_dir: Path) -> Path:
    return state_dir / "daemon.json"


def log_file(state_dir: Path) -> Path:
    return state_dir / "localcloud.log"


def recorded(state_dir: Path) -> Daemon | None:
    """The embedded AWS of a state folder whose process lives. A record of one that is gone is removed."""
    try:
        daemon = Daemon(**json.loads(pid_file(state_dir).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    if alive(daemon.pid) and is_localcloud(daemon.pid):
        return daemon
    pid_file(state_dir).unlink(missing_ok=True)
    return None


def running(state_dir: Path | None = None) -> Daemon | None:
    """The embedded AWS that answers, or None."""
    daemon = recorded(state_dir or default_state_dir())
    return daemon if daemon is not None and control(daemon.port) is not None else None


def control(port: int) -> dict[str, Any] | None:
    """What the embedded AWS at `port` says of itself; None where nothing, or something else, answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_localcloud/status", timeout=5) as answer:
            status = json.load(answer)
    except (OSError, ValueError):
        return None
    return status if isinstance(status, dict) and "pid" in status else None


def post(port: int, path: str) -> None:
    """POST to the control interface. Raises OperatorError with its message where it refuses."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/_localcloud/{path}", method="POST")
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError as error:
        body = error.read().decode(errors="replace")
        with suppress(ValueError, KeyError, TypeError):
            body = json.loads(body)["message"]
        raise OperatorError(f"The embedded AWS refused {path}: {body}") from None
    except OSError as error:
        raise OperatorError(f"The embedded AWS at port {port} does not answer: {error}.") from None


def up(
    port: int, state_dir: Path, *, image_store: Path | None = None, options: tuple[str, ...] = ()
) -> tuple[Daemon, bool]:
    """Start an embedded AWS, or find the one that runs. Returns it, and whether it was started now.

    image_store: where images are kept; left out: below state_dir. options: further arguments of `localcloud
    serve`. Raises OperatorError where the port is taken or it does not come up; nothing is left running then.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    with _only_one(state_dir):
        daemon = recorded(state_dir)
        if daemon is not None:
            if _wait_ready(daemon) is not None:
                return daemon, False
            raise OperatorError(
                f"An embedded AWS was started as process {daemon.pid} and does not answer at {daemon.endpoint_url}. "
                f"Its log: {log_file(state_dir)}. End it with `hfsm local down` and start again."
            )
        check_port(port)
        command = [
            sys.executable,
            "-m",
            "localcloud",
            "serve",
            "--port",
            str(port),
            "--state-dir",
            str(state_dir),
        ]
        if image_store is not None:
            command += ["--image-store", str(image_store)]
        return _start([*command, *options], port, state_dir), True


def _start(command: list[str], port: int, state_dir: Path) -> Daemon:
    if importlib.util.find_spec("localcloud") is None and not (PROJECT_ROOT / "tools" / "localcloud").is_dir():
        raise OperatorError("The embedded AWS is part of the repository, not of the installed command. Clone it.")
    with log_file(state_dir).open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,
        )
    daemon = Daemon(process.pid, port, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    pid_file(state_dir).write_text(json.dumps(asdict(daemon)))
    try:
        if _wait_ready(daemon) is not None:
            return daemon
        ended = process.poll() is not None
        said = "\n".join(log_tail(log_file(state_dir), 15))
        why = f"ended with exit code {process.returncode}" if ended else f"did not answer in {READY_SECONDS:.0f} s"
        raise OperatorError(f"The embedded AWS {why}. The end of its log, {log_file(state_dir)}:\n{said}")
    except BaseException:
        stop_processes(daemon, state_dir)
        pid_file(state_dir).unlink(missing_ok=True)
        raise


def down(state_dir: Path) -> Daemon | None:
    """Stop the embedded AWS and everything that it started. Returns the one that ran, or None."""
    daemon = recorded(state_dir)
    if daemon is not None:
        stop_processes(daemon, state_dir)
    pid_file(state_dir).unlink(missing_ok=True)
    return daemon


def stop_processes(daemon: Daemon, state_dir: Path) -> None:
    """Ask it to end, then tell it, then kill it and what it left."""
    members = family(daemon.pid)
    status = control(daemon.port)
    # Another embedded AWS may listen at that port; only the one on record is asked to end.
    if status is not None and status["pid"] == daemon.pid:
        with suppress(OperatorError):
            post(daemon.port, "shutdown")
            wait_gone(daemon.pid, STOP_SECONDS / 2)
    send(daemon.pid, signal.SIGTERM)
    wait_gone(daemon.pid, STOP_SECONDS / 2)
    kill([*members, *leftovers(state_dir)])


def log_tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log; none where it does not exist."""
    try:
        return path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def how_to_use(daemon: Daemon) -> str:
    """What a person can do with it."""
    return (
        f"  aws --endpoint-url {daemon.endpoint_url} s3 ls      (any credentials; region {LOCAL_REGION})\n"
        f"  hfsm status --env dev --local\n"
        f"  hfsm local down"
    )


def _environment() -> dict[str, str]:
    """The operator's environment without credentials: nothing that runs in there may reach a real account."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    source_root = str(PROJECT_ROOT / "tools")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [source_root, environment.get("PYTHONPATH")]))
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def _wait_ready(daemon: Daemon) -> dict[str, Any] | None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and alive(daemon.pid):
        status = control(daemon.port)
        if status is not None and status["pid"] == daemon.pid:
            return status
        time.sleep(0.1)
    return None


@contextmanager
def _only_one(state_dir: Path) -> Iterator[None]:
    """Two `up` at the same moment: the second waits, and then finds what the first has started."""
    with (state_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
