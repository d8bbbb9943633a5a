"""The serving container's log: a line for each request, in order, without what clients sent, and whoever reads it."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.runtime.front_server import FrontServer, wait_for

FIELDS = {
    *("time", "id", "status", "total_ms", "queue_ms", "batch", "model_ms", "tokens", "bytes_in", "bytes_out", "error")
}
ANSWER = {"queue_ms": 1.25, "batch": 4, "model_ms": 3.5, "tokens": 12}


@pytest.fixture(scope="module")
def request_log(module: Callable[[str], ModuleType]) -> ModuleType:
    return module("inference/request_log.py")


@pytest.fixture(scope="module")
def server(inference_python: Path, runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontServer]:
    with FrontServer(inference_python, runtime, tmp_path_factory.mktemp("server")) as started:
        yield started.wait_until_ready()


def _lines(request_log: ModuleType, tmp_path: Path, write: Callable[[Any], None]) -> list[dict[str, Any]]:
    file = tmp_path / "log"
    with file.open("wb") as opened:
        log = request_log.RequestLog(opened.fileno())
        write(log)
        log.close()
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_an_answered_request_is_one_line_with_its_numbers(server: FrontServer) -> None:
    before = len(server.requests())
    answer = server.invoke({"inputs": "Is anybody there?"}, X_Amzn_SageMaker_Inference_Id="my-inference-7")

    line = wait_for(lambda: server.requests()[before:], "it is logged", server)[0]
    assert set(line) == FIELDS
    assert (line["id"], line["status"], line["error"]) == ("my-inference-7", 200, None)
    assert (line["queue_ms"], line["batch"], line["model_ms"], line["tokens"]) == (1.5, 1, 2.25, 7)
    assert (line["bytes_in"], line["bytes_out"]) == (31, len(answer.body))
    assert line["total_ms"] > 0


def test_a_refused_request_is_one_line_with_its_reason(server: FrontServer) -> None:
    before = len(server.requests())
    server.invoke(b" " * 30_000_000)

    line = wait_for(lambda: server.requests()[before:], "it is logged", server)[0]
    assert set(line) == FIELDS
    assert (line["status"], line["error"], line["model_ms"]) == (413, "PayloadTooLarge", None)


def test_nothing_of_what_a_client_sends_is_in_the_log(server: FrontServer) -> None:
    secrets = {"X_Amzn_SageMaker_Custom_Attributes": "SECRET-attributes", "Authorization": "SECRET-token"}
    before = len(server.requests())
    server.invoke({"inputs": "SECRET-input"}, X_Amzn_SageMaker_Inference_Id='SECRET "quoted" id', **secrets)
    server.invoke(b"SECRET-broken-json {", **secrets)
    server.ask("POST", "/invocations?SECRET=query", {"inputs": "SECRET-input"})

    wait_for(lambda: len(server.requests()) >= before + 3, "all three are logged", server)
    assert "SECRET" not in server.log


def test_pings_are_not_logged(server: FrontServer) -> None:
    before = len(server.requests())
    for _ in range(5):
        assert server.ping() == 200
    server.invoke({})

    wait_for(lambda: len(server.requests()) > before, "the request is logged", server)
    assert len(server.requests()) == before + 1


def test_requests_without_a_name_have_one_of_the_servers_own(server: FrontServer) -> None:
    before = len(server.requests())
    server.invoke({})
    server.invoke({})

    wait_for(lambda: len(server.requests()) >= before + 2, "both are logged", server)
    assert len({record["id"] for record in server.requests()[before:]}) == 2


@pytest.mark.parametrize("name", ["", 'a"b', "a b", "ünï", "x" * 129, "a\nb", "a\n"])
def test_what_is_no_harmless_name_is_no_name(request_log: ModuleType, name: str) -> None:
    assert request_log.harmless_id(name) is None


def test_lines_come_in_the_order_of_what_happened(request_log: ModuleType, tmp_path: Path) -> None:
    def write(log: Any) -> None:
        for number in range(1000):
            log.request(str(number), 200, 1.0, ANSWER, 1, 2, None)
            if number % 100 == 0:
                log.event("tick", number=number)
                time.sleep(0.02)

    lines = _lines(request_log, tmp_path, write)

    assert [line["id"] for line in lines if "id" in line] == [str(number) for number in range(1000)]
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)


def test_types_of_errors_cannot_break_a_line(request_log: ModuleType, tmp_path: Path) -> None:
    lines = _lines(request_log, tmp_path, lambda log: log.request("x", 500, 1.0, {}, 1, 2, 'Weird"\nError'))

    assert [line["error"] for line in lines] == ['Weird"\nError']


def test_a_reader_that_stands_still_holds_nobody_up_and_lines_are_dropped_and_counted(
    request_log: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "_MOST_LINES", 100)
    reader, writer = os.pipe()
    log = request_log.RequestLog(writer)
    log.line("x" * 1_000_000)  # more than a pipe holds: the thread that writes waits from here on
    time.sleep(0.5)
    began = time.monotonic()
    for number in range(1000):
        log.request(str(number), 200, 1.0, ANSWER, 1, 2, None)
    took = time.monotonic() - began

    received: list[bytes] = []
    with os.fdopen(reader, "rb") as file:
        reading = threading.Thread(target=lambda: received.extend(file))
        reading.start()
        log.close()
        os.close(writer)
        reading.join()

    assert took < 0.5
    lines = [json.loads(line) for line in received[1:]]
    assert [line["id"] for line in lines if "id" in line] == [str(number) for number in range(100)]
    assert lines[-1] == {"time": lines[-1]["time"], "event": "log lines dropped", "count": 900}


def test_a_reader_that_is_gone_is_no_error(request_log: ModuleType) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = request_log.RequestLog(writer)

    log.event("nobody hears this")
    log.close()
    os.close(writer)

    assert not log._thread.is_alive()
