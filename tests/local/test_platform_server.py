"""The server process: its port, its control routes, its end."""

import json
import socket
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.local.embedded_aws import RunningLocalCloud, free_port, server_environment, start_localcloud

SERVE = [sys.executable, "-m", "localcloud", "serve"]


def call(running: RunningLocalCloud, method: str, path: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(f"{running.endpoint_url}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_status_says_where_it_is_and_what_runs(localcloud: RunningLocalCloud) -> None:
    status, body = call(localcloud, "GET", "/_localcloud/status")

    assert status == 200
    assert body["pid"] == localcloud.process.pid
    assert body["port"] == localcloud.port
    assert body["endpoint_url"] == localcloud.endpoint_url
    assert body["state_dir"] == str(localcloud.state_dir)
    assert {"started_at", "containers", "training_jobs", "endpoints"} <= body.keys()


def test_interrupting_a_job_that_is_not_there_is_404(localcloud: RunningLocalCloud) -> None:
    status, body = call(localcloud, "POST", "/_localcloud/training-jobs/no-such-job/interrupt")

    assert status == 404
    assert "no-such-job" in body["message"]


def test_an_unknown_control_route_names_the_known_ones(localcloud: RunningLocalCloud) -> None:
    status, body = call(localcloud, "GET", "/_localcloud/statuss")

    assert status == 404
    assert "/_localcloud/status" in body["message"]


def test_a_port_in_use_is_one_paragraph_and_exit_code_1(localcloud: RunningLocalCloud, tmp_path: Path) -> None:
    # When a second server is to listen on the same port
    state_dir = tmp_path / "second"
    second = subprocess.run(
        [*SERVE, "--port", str(localcloud.port), "--state-dir", str(state_dir)],
        capture_output=True,
        text=True,
        env=server_environment(),
        timeout=60,
    )

    # Then it says which port and what to do, and has written nothing
    assert second.returncode == 1
    assert str(localcloud.port) in second.stderr
    assert "--port" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1
    assert not state_dir.exists()


@pytest.mark.parametrize(
    "arguments", [["--port", "99999"], ["--spot-price-ratio", "0"], ["--minute", "61"], ["--nonsense"]]
)
def test_wrong_use_is_exit_code_2(arguments: list[str], tmp_path: Path) -> None:
    wrong = subprocess.run(
        [*SERVE, "--state-dir", str(tmp_path), *arguments],
        capture_output=True,
        text=True,
        env=server_environment(),
        timeout=60,
    )

    assert wrong.returncode == 2
    assert arguments[0] in wrong.stderr


def test_two_servers_share_nothing_and_each_ends_as_it_is_asked(localcloud: RunningLocalCloud, tmp_path: Path) -> None:
    # Given a second server on a port of its own, and a topic in the first
    second = start_localcloud(tmp_path / "second", port=free_port())
    localcloud.client("sns").create_topic(Name="only-in-the-first")

    # Then the second does not know the topic
    topics = [each["TopicArn"] for each in second.client("sns").list_topics()["Topics"]]
    assert not any("only-in-the-first" in arn for arn in topics)

    # And a shutdown request ends it with exit code 0, and not the first
    assert call(second, "POST", "/_localcloud/shutdown")[0] == 202
    assert second.process.wait(30) == 0
    assert call(localcloud, "GET", "/_localcloud/status")[0] == 200

    # And SIGTERM does the same for a third, on the port that is free again
    third = start_localcloud(tmp_path / "third", port=second.port)
    assert third.stop() == 0


def test_a_client_that_does_not_wait_for_the_answer_ends_it_too(tmp_path: Path) -> None:
    # Given a client that breaks the connection off as soon as it has asked
    server = start_localcloud(tmp_path / "server", port=free_port())
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(b"POST /_localcloud/shutdown HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        connection.recv(1)  # the answer begins; closing now resets the connection
    # Then the server ends all the same
    assert server.process.wait(15) == 0
