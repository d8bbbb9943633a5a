"""What the serving container answers over HTTP: the server as a process, with a worker that does what it is told."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.front_server import Answer, FrontServer, read_answer, wait_for

Start = Callable[..., FrontServer]


@pytest.fixture
def start(inference_python: Path, runtime: Path, tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as running:
        yield lambda **variables: running.enter_context(FrontServer(inference_python, runtime, tmp_path, **variables))


@pytest.fixture(scope="module")
def server(inference_python: Path, runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontServer]:
    """One that is ready, for tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("server")
    with FrontServer(inference_python, runtime, folder, HFSM_MAX_REQUEST_MB="1") as started:
        yield started.wait_until_ready()


def _together(server: FrontServer, bodies: list[Any]) -> list[Answer]:
    with ThreadPoolExecutor(len(bodies)) as clients:
        return list(clients.map(server.invoke, bodies))


def test_nothing_is_answered_before_the_model_is_ready(start: Start) -> None:
    server = start(FAKE_WORKER="slow:1.5")
    status = wait_for(server.ping, "/ping answers", server)

    early = server.invoke({"inputs": "hello"})

    assert (status, early.status, early.json["type"]) == (503, 503, "NotReady")
    assert int(early.headers["retry-after"]) >= 1
    server.wait_until_ready()
    assert server.invoke({"inputs": "hello"}).status == 200


def test_the_worker_gets_body_and_types_and_its_answer_goes_out_as_it_is(server: FrontServer) -> None:
    answer = server.invoke(b"a,b\n", Content_Type="text/csv; charset=latin-1", Accept="application/jsonlines")

    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    said = answer.json
    assert (said["content_type"], said["accept"], said["bytes"]) == (
        "text/csv; charset=latin-1",
        "application/jsonlines",
        4,
    )


def test_what_no_header_says_is_null_for_the_worker(server: FrontServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    said = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (said["content_type"], said["accept"]) == (None, None)


def test_the_status_of_the_worker_is_the_answers(server: FrontServer) -> None:
    answer = server.invoke({"status": 415, "error": "UnsupportedMediaType"})

    assert answer.status == 415
    wait_for(lambda: "UnsupportedMediaType" in server.log, "the error is logged", server)


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("GET", "/", 404, None),
        ("POST", "/models/other/invoke", 404, None),
        ("GET", "/invocations", 405, "POST"),
        ("POST", "/ping", 405, "GET"),
    ],
)
def test_other_paths_and_methods_are_told_what_there_is(
    server: FrontServer, method: str, path: str, status: int, allowed: str | None
) -> None:
    answer = server.ask(method, path)

    assert (answer.status, answer.json["code"], answer.headers.get("allow")) == (status, status, allowed)


def test_batch_transform_is_told_what_fits_its_limit(server: FrontServer) -> None:
    said = server.ask("GET", "/execution-parameters").json

    assert said["BatchStrategy"] == "SINGLE_RECORD"
    # HFSM_MAX_REQUEST_MB of this server is 1
    assert said["MaxPayloadInMB"] == 1
    assert 1 <= said["MaxConcurrentTransforms"] * said["MaxPayloadInMB"] <= 100


def test_a_body_that_is_announced_as_too_large_is_refused_before_it_is_sent(server: FrontServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        head = client.recv(65536)

    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in head
    assert json.loads(head.partition(b"\r\n\r\n")[2])["field"] == "body"


def test_a_client_that_sends_too_much_without_waiting_can_read_the_refusal(server: FrontServer) -> None:
    answer = server.invoke(b" " * 20_000_000)

    assert (answer.status, answer.json["type"]) == (413, "PayloadTooLarge")
    assert server.invoke({}).status == 200


def test_a_body_of_unknown_length_is_counted_while_it_comes(server: FrontServer) -> None:
    connection = server.connect()
    connection.request("POST", "/invocations", (b" " * 50_000 for _ in range(40)), encode_chunked=True)
    answer = read_answer(connection)

    assert (answer.status, answer.json["type"]) == (413, "PayloadTooLarge")


def test_a_body_in_pieces_arrives_whole(server: FrontServer) -> None:
    connection = server.connect()
    connection.request("POST", "/invocations", iter([b"{", b" " * 300_000, b"}"]), encode_chunked=True)

    assert read_answer(connection).json["bytes"] == 300_002


def test_large_bodies_and_large_answers_at_once_do_not_block_each_other(start: Start) -> None:
    # Both ends of a worker's socket have more to write than it holds
    server = start().wait_until_ready()
    body = b'{"large": 3000000}' + b" " * 3_000_000

    answers = _together(server, [body] * 8)

    assert [(answer.status, len(answer.body)) for answer in answers] == [(200, 3_000_000)] * 8


def test_what_is_not_http_gets_400_and_the_next_request_its_answer(server: FrontServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"\x16\x03\x01 this is TLS\r\n\r\n")
        refusal = client.recv(65536)

    assert refusal.startswith(b"HTTP/1.1 400 ")
    assert server.invoke({}).status == 200


def test_a_connection_is_kept_after_answers_and_refusals(server: FrontServer) -> None:
    connection = server.connect()
    statuses = []
    for method, path in (("POST", "/invocations"), ("GET", "/nowhere"), ("POST", "/invocations"), ("GET", "/ping")):
        connection.request(method, path, b"{}" if method == "POST" else None)
        statuses.append(read_answer(connection).status)
        used = connection.sock

    assert statuses == [200, 404, 200, 200]
    assert used is not None  # http.client forgets a socket that was closed on it


def test_over_the_limit_is_refused_at_once_and_the_others_are_answered(start: Start) -> None:
    server = start(HFSM_MAX_QUEUE="3").wait_until_ready()
    with ThreadPoolExecutor(3) as clients:
        accepted = [clients.submit(server.invoke, {"sleep": 2}) for _ in range(3)]
        wait_for(lambda: _gauge(server, "hfsm_requests_in_flight") == 3, "three requests wait", server)
        began = time.monotonic()
        refused = server.invoke({"inputs": "one too many"})
        took = time.monotonic() - began

    assert took < 1
    assert (refused.status, refused.json["type"]) == (503, "Overloaded")
    assert int(refused.headers["retry-after"]) >= 1
    assert [answer.result().status for answer in accepted] == [200, 200, 200]
    assert server.invoke({}).status == 200
    assert _gauge(server, "hfsm_overloaded_total") == 1


def test_the_bytes_that_wait_are_bounded_too(start: Start) -> None:
    # Four bodies of the largest size are held
    server = start(HFSM_MAX_REQUEST_MB="1").wait_until_ready()
    large = b'{"sleep": 4}' + b" " * 900_000
    with ThreadPoolExecutor(4) as clients:
        accepted = [clients.submit(server.invoke, large) for _ in range(4)]
        wait_for(lambda: _gauge(server, "hfsm_requests_in_flight") == 4, "four requests wait", server)
        refused, small = server.invoke(large), server.invoke({})

    assert (refused.status, refused.json["type"], small.status) == (503, "Overloaded", 200)
    assert [answer.result().status for answer in accepted] == [200] * 4
    assert _gauge(server, "hfsm_request_bytes_held") == 0


def test_a_flood_of_clients_gets_answers_or_refusals_and_then_it_is_as_before(start: Start) -> None:
    server = start(HFSM_MAX_QUEUE="8").wait_until_ready()

    answers = _together(server, [{"sleep": 0.2}] * 100)

    statuses = {answer.status for answer in answers}
    assert statuses == {200, 503}
    assert all(answer.json["type"] == "Overloaded" for answer in answers if answer.status == 503)
    assert _gauge(server, "hfsm_requests_in_flight") == 0
    assert [answer.status for answer in _together(server, [{}] * 8)] == [200] * 8


def test_without_an_answer_in_time_a_request_is_given_up(start: Start) -> None:
    server = start(HFSM_REQUEST_TIMEOUT_SECONDS="1").wait_until_ready()
    began = time.monotonic()

    late, quick = _together(server, [{"sleep": 2}, {}])

    assert 1 <= time.monotonic() - began < 1.9
    assert (late.status, late.json["type"], quick.status) == (503, "DeadlineExceeded", 200)
    # The worker is still busy with it: it counts until its answer has come
    assert _gauge(server, "hfsm_requests_in_flight") == 1
    wait_for(lambda: _gauge(server, "hfsm_requests_in_flight") == 0, "the late answer has come", server)
    assert server.invoke({}).status == 200


def test_a_body_that_does_not_arrive_is_given_up(start: Start) -> None:
    server = start(HFSM_REQUEST_TIMEOUT_SECONDS="1").wait_until_ready()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        head = client.recv(65536)

    assert head.startswith(b"HTTP/1.1 408 ")
    assert _gauge(server, "hfsm_requests_in_flight") == 0


def test_clients_that_go_away_leave_nothing_behind(server: FrontServer) -> None:
    for body in (b"", b'{"sleep": 0.3}'):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n" + body)
            time.sleep(0.1)

    wait_for(lambda: _gauge(server, "hfsm_requests_in_flight") == 0, "nothing is in flight", server)
    assert server.invoke({}).status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_waits_for_requests_in_flight(start: Start, number: int) -> None:
    server = start().wait_until_ready()
    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(server.invoke, {"sleep": 1.5})
        wait_for(lambda: _gauge(server, "hfsm_requests_in_flight") == 1, "a request waits", server)
        os.kill(server.process.pid, number)
        wait_for(lambda: server.ping() != 200, "/ping is 200 no more", server)
        answer = waiting.result()

    assert answer.status == 200
    assert server.end() == 0
    assert server.records[-1]["event"] == "stopped"
    assert 200 in [record["status"] for record in server.requests()]


def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    server = start().wait_until_ready()
    threading.Thread(target=_ignore_errors, args=(server.invoke, {"sleep": 20}), daemon=True).start()
    wait_for(lambda: _gauge(server, "hfsm_requests_in_flight") == 1, "a request waits", server)
    server.process.terminate()
    wait_for(lambda: server.events("stopping"), "it has heard the first", server)

    server.process.terminate()

    assert server.end(5) == 1


def _ignore_errors(call: Callable[..., Any], *arguments: Any) -> None:
    try:
        call(*arguments)
    except OSError:
        return


def _gauge(server: FrontServer, name: str) -> float:
    text = server.ask("GET", "/metrics", port=server.metrics_port).body.decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))
