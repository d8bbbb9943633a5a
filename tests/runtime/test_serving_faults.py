"""What clients, load and dying processes can do to the serving container, which is started for real."""

import asyncio
import json
import os
import resource
import shutil
import signal
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.serving import servers
from benchmarks.serving.servers import Server, ServerError
from tests.runtime.serving_load import JSON, Answer, get, half_a_request, load, post, text, wait_until
from tests.runtime.serving_models import spoil_row, spoil_word

# In every payload of this module, and so in no line of the log.
SECRET = "quokka"
GOOD = text(f"The {SECRET} is a joy.")
# A word of the data that the tokenizer is trained on. The model's answer to it is NaN.
SPOILED = "heating"
MEGABYTE = 2**20
WORKERS = 2
MAX_QUEUE = 64
# Whose code, in the model's folder, takes its time for each request.
SLOW_CODE = """
import time
def model_fn(model_dir): return "slow"
def predict_fn(data, model):
    time.sleep(0.1)
    return [data["inputs"]]
"""


@pytest.fixture(scope="module")
def tiny(inference_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    servers.make_models(inference_python, servers.ROOT / "tools/hfsm/demo/data", folder, ["tiny"])
    return folder / "tiny"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The only folder that the server may write to."""
    return tmp_path_factory.mktemp("serving") / "scratch"


@pytest.fixture(scope="module")
def guard(scratch: Path) -> Path:
    """The file with what the server did and should not have."""
    return scratch.parent / "guard.txt"


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return servers.free_port()


@pytest.fixture(scope="module")
def running(
    inference_python: Path, tiny: Path, scratch: Path, guard: Path, metrics_port: int, tmp_path_factory
) -> Iterator[Server]:
    """With two workers, and a model that has one bad word."""
    model = tmp_path_factory.mktemp("spoiled") / "model"
    shutil.copytree(tiny, model)
    spoil_word(model, SPOILED)
    pythons = tmp_path_factory.mktemp("pythons")
    shutil.copy(Path(__file__).with_name("serving_guard.py"), pythons / "sitecustomize.py")
    variables = {
        "SAGEMAKER_MODEL_SERVER_WORKERS": str(WORKERS),
        "HFSM_MAX_QUEUE": str(MAX_QUEUE),
        "HFSM_METRICS_PORT": str(metrics_port),
        "HFSM_BIND_TO_HOST": "127.0.0.1",
        "HF_HUB_OFFLINE": "0",  # nothing but the server's own restraint keeps it from the network
        "HOME": str(scratch),
        "PYTHONPATH": str(pythons),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HFSM_TEST_SCRATCH": str(scratch),
        "HFSM_TEST_GUARD": str(guard),
    }
    server = servers.start_ours(inference_python, model, scratch, variables)
    yield server
    server.stop()


@pytest.fixture
def server(running: Server, metrics_port: int) -> Server:
    """With all of its workers."""
    wait_until("all workers are ready", lambda: _workers_ready(metrics_port) == WORKERS, 120)
    return running


def _metric(port: int, name: str) -> float:
    status, found = get(port, "/metrics")
    assert status == 200
    return next(float(line.split()[-1]) for line in found.splitlines() if line.startswith((f"{name} ", f"{name}{{")))


def _workers_ready(port: int) -> float:
    return _metric(port, "hfsm_workers_ready")


def _workers(server: Server) -> list[psutil.Process]:
    children = psutil.Process(server.process.pid).children(recursive=True)
    return [child for child in children if any(part.endswith("worker.py") for part in child.cmdline())]


def _request_lines(server: Server) -> list[dict[str, object]]:
    lines = (line for line in server.log.read_text().splitlines() if line.startswith("{"))
    return [found for found in map(json.loads, lines) if "status" in found]


def _npy(*values: float) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(values)},), }}".ljust(117) + "\n"
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    return head + struct.pack(f"<{len(values)}f", *values)


MALFORMED = {
    "broken JSON": (b'{"inputs": "the quokka', JSON, 400, "InvalidInput", "body", "not JSON"),
    "no JSON at all": (b"\xff\xfe quokka", JSON, 400, "InvalidInput", "body", "utf-8"),
    "nested too deeply": (b'{"inputs": ' + b"[" * 100_000, JSON, 400, "InvalidInput", "body", "nested too deeply"),
    "empty body": (b"", JSON, 400, "InvalidInput", "body", "empty"),
    "no inputs": (b'{"quokka": 1}', JSON, 400, "InvalidInput", "inputs", "`inputs` is missing"),
    "empty input": (text(""), JSON, 400, "InvalidInput", "inputs", "`inputs` is empty"),
    "empty list": (b'{"inputs": []}', JSON, 400, "InvalidInput", "inputs", "`inputs` is empty"),
    "a number for a text": (b'{"inputs": ["quokka", 7]}', JSON, 400, "InvalidInput", "inputs[1]", "a number"),
    "NaN in JSON": (b'{"inputs": "quokka", "parameters": {"top_k": NaN}}', JSON, 400, "InvalidInput",
                    "parameters.top_k", "NaN"),
    "NaN in a list": (b'{"inputs": ["quokka", NaN]}', JSON, 400, "InvalidInput", "inputs[1]", "NaN"),
    "NaN in a tensor": (_npy(1.0, float("nan")), {"Content-Type": "application/x-npy"}, 415, "UnsupportedMediaType",
                        "Content-Type", "text-classification takes application/json"),
    "wrong content type": (GOOD, {"Content-Type": "application/xml"}, 415, "UnsupportedMediaType", "Content-Type",
                           "application/json"),
    "unknown charset": (GOOD, {"Content-Type": "application/json; charset=klingon"}, 415, "UnsupportedMediaType",
                        "Content-Type", "klingon"),
    "an answer that cannot be": (GOOD, {**JSON, "Accept": "application/xml"}, 406, "NotAcceptable", "Accept",
                                 "application/json"),
    "100,000 tokens": (text(f"{SECRET} " * 100_000), JSON, 400, "InvalidInput", "inputs", "512"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_request_is_told_what_is_wrong_and_never_reaches_the_model(server: Server, case: str) -> None:
    # Given a request that is wrong in one way
    body, headers, status, kind, field, said = MALFORMED[case]

    # When it is sent under a name of its own
    name = case.replace(" ", "-").replace(",", "")
    answer = post(server.port, body, {**headers, "X-Amzn-SageMaker-Inference-Id": name})

    # Then the answer says which field, and what is wrong with it
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    error = answer.error
    assert (error["code"], error["type"], error["field"]) == (status, kind, field)
    assert said in error["message"]
    # and the next request is answered
    assert post(server.port, GOOD).status == 200
    # and no batch ever had it
    wait_until("its line is in the log", lambda: any(line["id"] == name for line in _request_lines(server)))
    line = next(line for line in _request_lines(server) if line["id"] == name)
    assert (line["status"], line["error"], line["batch"]) == (status, kind, None)


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in chunks"])
def test_a_body_of_100_megabytes_is_refused_and_not_kept(server: Server, announced: bool) -> None:
    # Given a body four times as large as the limit
    before = psutil.Process(server.process.pid).memory_info().rss
    pieces = (b" " * MEGABYTE for _ in range(100))
    headers = {**JSON, "Content-Length": str(100 * MEGABYTE)} if announced else JSON

    # When it is sent whole, its length announced or not
    answer = post(server.port, pieces, headers)  # type: ignore[arg-type]

    # Then the client gets to read why not, with the limit
    assert answer.status == 413
    assert (answer.error["type"], answer.error["field"]) == ("PayloadTooLarge", "body")
    assert "25 MB" in answer.error["message"]
    # and the server has not kept it
    assert psutil.Process(server.process.pid).memory_info().rss - before < 60 * MEGABYTE
    assert post(server.port, GOOD).status == 200


def test_a_model_that_answers_nan_is_a_fault_of_the_server_for_that_request_only(server: Server) -> None:
    # Given texts of which some make the model's answer NaN, because its weights hold one
    spoiled = text(f"The {SECRET} has a {SPOILED}.")

    # When all are asked at the same time, so that they share batches
    with load(server.port, 4, GOOD) as others:
        answers = [post(server.port, spoiled) for _ in range(5)]

    # Then those are told so, in JSON that every client can read
    assert [answer.status for answer in answers] == [500] * 5
    error = answers[0].error
    assert (error["type"], error["field"]) == ("ModelError", None)
    assert "NaN" in error["message"] and "weights" in error["message"]
    # and nobody else notices
    assert others.good() and not others.bad()
    assert post(server.port, GOOD).status == 200


def test_a_body_that_never_ends_holds_nobody_up(server: Server) -> None:
    # Given many clients that have sent half of their bodies
    halves = [half_a_request(server.port, len(GOOD), GOOD[: len(GOOD) // 2]) for _ in range(50)]
    try:
        # When others ask
        answers = [post(server.port, GOOD) for _ in range(20)]

        # Then they are answered as always
        assert [answer.status for answer in answers] == [200] * 20
        assert max(answer.seconds for answer in answers) < 2
    finally:
        for half in halves:
            half.close()


def test_clients_that_hang_up_leave_nothing_behind(server: Server, metrics_port: int) -> None:
    # When clients end their connections in the middle of a body, and while they are being answered
    for sent in (GOOD[:10], GOOD):
        for _ in range(50):
            half_a_request(server.port, len(GOOD), sent).close()

    # Then nothing stays in flight, and the next one is answered
    for name in ("hfsm_requests_in_flight", "hfsm_request_bytes_held"):
        wait_until(f"{name} is 0", lambda name=name: _metric(metrics_port, name) == 0)
    assert post(server.port, GOOD).status == 200


def test_a_killed_worker_costs_what_it_had_and_is_back(server: Server, metrics_port: int) -> None:
    # Given eight clients, whose requests two workers answer
    clients = 8
    with load(server.port, clients, GOOD) as running:
        wait_until("the load is on", lambda: len(running.answers) > 100)
        before = _workers(server)

        # When one worker is killed
        killed_at = time.time()
        before[0].kill()

        # Then another one takes its place within ten seconds, and all that time somebody answers
        wait_until("it is gone", lambda: _workers_ready(metrics_port) == WORKERS - 1)
        assert get(server.port, "/ping")[0] == 200
        wait_until("it is back", lambda: _workers_ready(metrics_port) == WORKERS, 120)
        assert _back_in(server, before, killed_at) < 10
    # and only what it had in flight failed: at once, and to be tried again
    _assert_lost_with_worker(running.bad(), at_most=clients)
    assert running.good()[-1].sent > max(answer.sent for answer in running.bad())


def _back_in(server: Server, before: list[psutil.Process], killed_at: float) -> float:
    """Seconds until the last of the new workers was ready, on a machine that has nothing else to do.

    Other tests run on this one: what counts is until its process was there, and what the machine has done for it.
    """
    old = {worker.pid for worker in before}
    return max(
        worker.create_time() - killed_at + _cpu_seconds(worker) for worker in _workers(server) if worker.pid not in old
    )


def _cpu_seconds(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def _assert_lost_with_worker(lost: list[Answer], at_most: int) -> None:
    assert 0 < len(lost) <= at_most
    for answer in lost:
        assert (answer.status, answer.error["type"]) == (503, "WorkerLost")
        assert int(answer.headers["retry-after"]) >= 1
        assert "started again" in answer.error["message"]
        assert answer.seconds < 2


def test_without_any_worker_everything_is_refused_until_one_is_back(server: Server) -> None:
    # When all workers are killed under load
    with load(server.port, 8, GOOD) as running:
        wait_until("the load is on", lambda: len(running.answers) > 100)
        before = _workers(server)
        killed_at = time.time()
        for worker in before:
            worker.kill()

        # Then the container says that it is not healthy
        wait_until("ping is not 200", lambda: get(server.port, "/ping")[0] == 503, 2)
        wait_until("ping is 200", lambda: get(server.port, "/ping")[0] == 200, 120)
        assert _back_in(server, before, killed_at) < 10
        answered = len(running.good())
        wait_until("requests are answered", lambda: len(running.good()) > answered + 10)
    # and is back in ten seconds; until then each request was answered, with 503
    assert {(answer.status, answer.error["type"]) for answer in running.bad()} <= {
        (503, "WorkerLost"),
        (503, "NotReady"),
    }
    assert all("retry-after" in answer.headers for answer in running.bad())


def test_a_flood_is_refused_at_once_and_leaves_no_trace(server: Server, metrics_port: int) -> None:
    # Given a server that takes 128 requests at a time, and has been asked before
    _needs_descriptors(3000)
    processes = [psutil.Process(server.process.pid), *_workers(server)]
    asyncio.run(_flood(server.port, clients=100, seconds=0.5))
    before = [process.memory_info().rss for process in processes]
    lines_before = len(_request_lines(server))

    # When 1,000 clients ask all the time
    peak = _Peak(processes)
    statuses = asyncio.run(_flood(server.port, clients=1000, seconds=3))
    grown = [most - least for most, least in zip(peak.stop(), before, strict=True)]

    # Then some are answered, the others are refused, and nothing else happens to anybody
    assert set(statuses) == {200, 503}
    # at once, as the server sees it; the clients of this test wait for each other
    refused = [line for line in _request_lines(server)[lines_before:] if line["error"] == "Overloaded"]
    assert len(refused) > 100
    assert sorted(float(str(line["total_ms"])) for line in refused)[len(refused) * 99 // 100] < 100
    # in bounded memory
    assert max(grown) < 100 * MEGABYTE
    # and when it ends, the next one is answered as if nothing had been
    wait_until("nothing is in flight", lambda: _metric(metrics_port, "hfsm_requests_in_flight") == 0)
    answer = post(server.port, GOOD)
    assert answer.status == 200 and answer.seconds < 1
    assert get(server.port, "/ping")[0] == 200


async def _flood(port: int, clients: int, seconds: float) -> list[int]:
    """The statuses that clients got, each on a connection of its own that stays open."""
    request = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    statuses: list[int] = []
    end = time.monotonic() + seconds

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < end:
            writer.write(request % (len(GOOD), GOOD))
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            statuses.append(int(head.split()[1]))
            assert statuses[-1] == 200 or "\r\nretry-after: " in head
            await reader.readexactly(int(head.split("content-length: ")[1].split()[0]))
        writer.close()

    await asyncio.gather(*(ask() for _ in range(clients)))
    return statuses


class _Peak:
    """The most memory that processes have, looked at ten times a second."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self._processes = processes
        self._most = [0] * len(processes)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stopping.wait(0.1):
            now = [process.memory_info().rss for process in self._processes]
            self._most = [max(pair) for pair in zip(self._most, now, strict=True)]

    def stop(self) -> list[int]:
        """In bytes, of each process."""
        self._stopping.set()
        self._thread.join()
        return self._most


def _needs_descriptors(number: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, hard), hard))


def test_the_log_has_no_payload_and_the_server_stays_in_its_scratch_folder(server: Server, guard: Path) -> None:
    # Given all that was asked before, broken and whole, and one more
    assert post(server.port, GOOD, {**JSON, "X-Amzn-SageMaker-Custom-Attributes": SECRET}).status == 200
    wait_until("the log has it", lambda: _request_lines(server)[-1]["status"] == 200)

    # Then no line of the log has what clients sent
    assert SECRET not in server.log.read_text().lower()
    # and the server's processes wrote nothing elsewhere, and asked nobody outside
    notes = guard.read_text().splitlines()
    assert notes.count("started") >= 1 + WORKERS
    assert set(notes) == {"started"}
    for process in (psutil.Process(server.process.pid), *_workers(server)):
        remote = {connection.raddr.ip for connection in process.net_connections("inet") if connection.raddr}
        assert remote <= {"127.0.0.1"}


def test_sigterm_answers_what_was_accepted_and_ends_with_0(
    inference_python: Path, tiny: Path, tmp_path: Path, metrics_port: int
) -> None:
    # Given twenty requests in flight, each of which takes a tenth of a second
    model = tmp_path / "model"
    shutil.copytree(tiny, model)
    (model / "code").mkdir()
    (model / "code/inference.py").write_text(SLOW_CODE)
    port = servers.free_port()
    server = servers.start_ours(inference_python, model, tmp_path / "scratch", {"HFSM_METRICS_PORT": str(port)})
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(post(server.port, GOOD))) for _ in range(20)]
    try:
        for thread in threads:
            thread.start()
        wait_until("all are accepted", lambda: _metric(port, "hfsm_requests_in_flight") + len(answers) == 20)
        assert len(answers) < 15

        # When SageMaker stops the container
        server.process.send_signal(signal.SIGTERM)

        # Then every one of them is answered by the model
        for thread in threads:
            thread.join(20)
        assert [answer.status for answer in answers] == [200] * 20
        # and it ends of its own accord, and nothing of it is left
        assert server.process.wait(10) == 0
        assert get(server.port, "/ping")[0] == 0
    finally:
        server.stop()


def test_a_model_of_nothing_but_nan_is_never_ready(inference_python: Path, tiny: Path, tmp_path: Path) -> None:
    # Given weights that make every answer NaN
    model = tmp_path / "model"
    shutil.copytree(tiny, model)
    spoil_row(model, "classifier.weight", 0)

    # When the container starts
    with pytest.raises(ServerError, match="ended with 1") as ended:
        servers.start_ours(inference_python, model, tmp_path / "scratch")

    # Then it ends instead of being healthy, and the last line says why
    last = str(ended.value).splitlines()[-1]
    assert "cannot be loaded" in last and "NaN" in last


def test_nothing_is_left_of_the_servers_of_this_module(running: Server) -> None:
    # Given a server with workers
    processes = _workers(running)
    assert len(processes) == WORKERS

    # When it is killed, so that it cannot tell its workers
    os.kill(running.process.pid, signal.SIGKILL)

    # Then they end by themselves
    gone, alive = psutil.wait_procs(processes, timeout=5)
    assert not alive and len(gone) == WORKERS
