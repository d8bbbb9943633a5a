"""What becomes of requests, and of the container, when its workers fail, die or hang: real processes, real HTTP."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.runtime.front_server import FrontServer, wait_for

Start = Callable[..., FrontServer]


@pytest.fixture
def start(inference_python: Path, runtime: Path, tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as running:
        yield lambda **variables: running.enter_context(FrontServer(inference_python, runtime, tmp_path, **variables))


def _worker(server: FrontServer) -> int:
    pid: int = server.invoke({}).json["pid"]
    return pid


def test_a_model_that_cannot_be_loaded_ends_the_container_and_is_the_last_line(start: Start) -> None:
    server = start(FAKE_WORKER="fail:config.json is missing in /opt/ml/model")

    assert server.end() == 1
    assert server.log.splitlines()[-1] == "model cannot be loaded: config.json is missing in /opt/ml/model"


def test_one_of_several_workers_that_cannot_load_ends_the_container(start: Start) -> None:
    server = start(FAKE_WORKER="fail:no weights", SAGEMAKER_MODEL_SERVER_WORKERS="3")

    assert server.end() == 1
    assert server.log.splitlines()[-1] == "model cannot be loaded: no weights"


def test_a_worker_that_is_killed_while_it_loads_ends_the_container(start: Start) -> None:
    server = start(FAKE_WORKER="die")

    assert server.end() == 1
    last = server.log.splitlines()[-1]
    assert last.startswith("model cannot be loaded: the worker was ended by SIGKILL")
    assert "memory" in last


def test_settings_that_are_wrong_end_the_container_and_are_the_last_line(start: Start) -> None:
    server = start(HFSM_MAX_QUEUE="many")

    assert server.end() == 1
    assert "HFSM_MAX_QUEUE is 'many'" in server.log.splitlines()[-1]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a machine with one core has place for one worker")
def test_a_worker_that_leaves_cores_is_followed_by_others(start: Start) -> None:
    # Given a model that works with one thread, and no number of workers that is wished for
    server = start(FAKE_WORKER_THREADS="1").wait_until_ready()
    cores = min(8, len(os.sched_getaffinity(0)))

    wait_for(lambda: f"hfsm_workers_ready {cores}" in _metrics(server), "there is one for each core", server)


def test_the_number_of_workers_that_is_asked_for_stays(start: Start) -> None:
    server = start(FAKE_WORKER_THREADS="1", SAGEMAKER_MODEL_SERVER_WORKERS="1").wait_until_ready()

    assert "hfsm_workers 1\n" in _metrics(server)


def test_a_dead_workers_requests_fail_and_the_next_ones_are_answered(start: Start) -> None:
    server = start().wait_until_ready()
    first = _worker(server)
    with ThreadPoolExecutor(2) as clients:
        in_flight = [clients.submit(server.invoke, {"sleep": 30}) for _ in range(2)]
        wait_for(lambda: "hfsm_requests_in_flight 2" in _metrics(server), "two requests wait", server)
        killed = time.monotonic()
        os.kill(first, signal.SIGKILL)
        answers = [answer.result() for answer in in_flight]

    assert [(answer.status, answer.json["type"]) for answer in answers] == [(503, "WorkerLost")] * 2
    assert [answer.headers["retry-after"] for answer in answers] == ["1", "1"]
    server.wait_until_ready()
    assert time.monotonic() - killed < 10
    assert _worker(server) != first
    assert "hfsm_worker_restarts_total 1" in _metrics(server)
    ended = wait_for(lambda: server.events("worker ended"), "the end is logged", server)
    assert "SIGKILL" in ended[0]["message"]


def test_while_no_worker_is_ready_ping_says_so(start: Start, tmp_path: Path) -> None:
    server = start(FAKE_WORKER="slow:1").wait_until_ready()

    os.kill(_worker(server), signal.SIGKILL)

    wait_for(lambda: server.ping() == 503, "/ping is 503", server)
    assert server.invoke({}).json["type"] == "NotReady"
    server.wait_until_ready()
    wait_for(lambda: len(server.events("healthy")) == 2, "the change is logged", server)
    events = [record["event"] for record in server.records if record.get("event") in ("healthy", "not healthy")]
    assert events == ["healthy", "not healthy", "healthy"]


def test_with_another_worker_nothing_is_refused(start: Start) -> None:
    server = start(SAGEMAKER_MODEL_SERVER_WORKERS="2").wait_until_ready()
    wait_for(lambda: "hfsm_workers_ready 2" in _metrics(server), "both are ready", server)

    os.kill(_worker(server), signal.SIGKILL)

    wait_for(lambda: server.events("worker ended"), "the end is noticed", server)
    assert server.ping() == 200
    assert [server.invoke({}).status for _ in range(10)] == [200] * 10
    wait_for(lambda: "hfsm_workers_ready 2" in _metrics(server), "both are ready again", server)


def test_the_least_busy_worker_is_asked(start: Start) -> None:
    server = start(SAGEMAKER_MODEL_SERVER_WORKERS="2").wait_until_ready()
    wait_for(lambda: "hfsm_workers_ready 2" in _metrics(server), "both are ready", server)
    with ThreadPoolExecutor(1) as clients:
        busy = clients.submit(server.invoke, {"sleep": 4})
        wait_for(lambda: "hfsm_requests_in_flight 1" in _metrics(server), "one is busy", server)
        others = {_worker(server) for _ in range(5)}

        assert len(others) == 1
        assert busy.result().json["pid"] not in others


def test_what_a_dead_worker_had_started_ends_with_it(start: Start) -> None:
    server = start().wait_until_ready()
    pid = _worker(server)

    assert os.getpgid(pid) == pid  # a group of its own, which is killed whole


def test_a_worker_that_never_comes_back_ends_the_container(start: Start, tmp_path: Path) -> None:
    server = start(FAKE_WORKER="die-again", FAKE_WORKER_STARTS=str(tmp_path / "starts")).wait_until_ready()
    began = time.monotonic()

    os.kill(_worker(server), signal.SIGKILL)

    assert server.end(60) == 1
    # It is tried five times, with pauses of 0, 1, 2, 4 and 8 seconds
    assert (tmp_path / "starts").read_text() == "x" * 6
    assert time.monotonic() - began > 10
    assert server.log.splitlines()[-1].startswith("model cannot be loaded: 5 starts in a row have failed; the last one")


def test_a_worker_that_hangs_is_started_again(start: Start) -> None:
    server = start(HFSM_REQUEST_TIMEOUT_SECONDS="1").wait_until_ready()
    first = _worker(server)

    assert server.invoke({"hang": 60}).json["type"] == "DeadlineExceeded"

    wait_for(lambda: server.events("worker ended"), "it is killed", server)
    server.wait_until_ready()
    assert _worker(server) != first
    assert "hung" in server.events("worker ended")[0]["message"]


def test_workers_end_with_the_front_end(start: Start) -> None:
    server = start().wait_until_ready()
    pid = _worker(server)

    server.process.kill()

    wait_for(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid), "the worker has ended", server)


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _metrics(server: FrontServer) -> str:
    return server.ask("GET", "/metrics", port=server.metrics_port).body.decode()
