"""`hfsm local`: one embedded AWS in the background, that can be found again and that ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from hfsm import local
from hfsm.processes import free_port, leftovers


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an embedded AWS of the test's own, which is ended with it."""
    monkeypatch.setenv("HFSM_LOCAL_DIR", str(tmp_path / "state"))
    yield tmp_path / "state"
    local.down(tmp_path / "state")


def test_it_starts_once_and_ends(hfsm: Any, state_dir: Path) -> None:
    # Given none that runs
    assert hfsm("local", "status").code == 1
    port = free_port()
    # When it is started
    first = hfsm("local", "up", "--port", port)
    # Then it answers, and says how to use it
    assert first.code == 0, first.err
    assert f"listens at http://localhost:{port}" in first.out
    assert f"aws --endpoint-url http://localhost:{port}" in first.out
    # When it is started again, even with another port
    second = hfsm("local", "up", "--port", free_port())
    # Then it is the same one, and its time is told
    assert second.code == 0
    daemon = local.running(state_dir)
    assert daemon is not None
    assert f"already runs at http://localhost:{port} (process {daemon.pid}, since {daemon.started_at}" in second.out
    assert "hfsm local down" in second.out
    # And other commands find it
    assert f"Runs at http://localhost:{port}" in hfsm("local", "status").out
    assert "not deployed here" in hfsm("status", "--local").out
    # When it is stopped
    stopped = hfsm("local", "down")
    # Then it is gone, with all that it started
    assert stopped.code == 0
    assert f"Stopped the embedded AWS at http://localhost:{port}" in stopped.out
    assert leftovers(state_dir) == []
    assert hfsm("local", "down").out == "No embedded AWS is running.\n"


def test_it_outlives_the_terminal_that_started_it(state_dir: Path) -> None:
    # Given a shell of its own that starts it and is hung up
    environment = {**os.environ, "PYTHONPATH": str(local.PROJECT_ROOT / "tools")}
    command = [sys.executable, "-m", "hfsm", "local", "up", "--port", str(free_port())]
    shell = subprocess.run(command, env=environment, capture_output=True, text=True, start_new_session=True)
    assert shell.returncode == 0, shell.stderr
    # Then it still answers
    daemon = local.running(state_dir)
    assert daemon is not None
    # And when it is killed without warning, its record is stale
    os.kill(daemon.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(daemon.pid)] if psutil.pid_exists(daemon.pid) else [], timeout=5)
    assert local.recorded(state_dir) is None
    assert not local.pid_file(state_dir).exists()


def test_a_port_in_use_is_one_paragraph_and_nothing_is_left(hfsm: Any, state_dir: Path) -> None:
    # Given a port at which another program listens
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        # When the embedded AWS is to listen there
        result = hfsm("local", "up", "--port", port)
    # Then the port, its owner and the way out are named
    assert result.code == 1
    assert f"Port {port}" in result.err
    assert f"process {os.getpid()}" in result.err
    assert "--port" in result.err
    assert result.err.count("\n") == 1
    # And nothing was started
    assert leftovers(state_dir) == []
    assert not local.pid_file(state_dir).exists()


def test_a_record_of_another_program_is_stale(hfsm: Any, state_dir: Path) -> None:
    # Given a record whose process number another program has got since
    state_dir.mkdir()
    record = {"pid": os.getpid(), "port": 4566, "started_at": "2026-01-01T00:00:00Z"}
    local.pid_file(state_dir).write_text(json.dumps(record))
    # When it is stopped, then that program lives on and the record is gone
    assert hfsm("local", "down").out == "No embedded AWS is running.\n"
    assert not local.pid_file(state_dir).exists()


def test_a_broken_record_is_stale(hfsm: Any, state_dir: Path) -> None:
    state_dir.mkdir()
    local.pid_file(state_dir).write_text("{")
    assert hfsm("local", "status").code == 1


def test_one_that_ends_at_once_is_told_with_its_log(hfsm: Any, state_dir: Path, monkeypatch: Any) -> None:
    # Given an embedded AWS that refuses its arguments
    with pytest.raises(local.OperatorError, match="exit code 2") as failed:
        local.up(free_port(), state_dir, options=("--spot-price-ratio", "7"))
    # Then its own words are in the error, and nothing is left
    assert "7 is not a ratio" in failed.value.message
    assert not local.pid_file(state_dir).exists()
    assert leftovers(state_dir) == []


def test_without_one_the_other_commands_say_how_to_start_it(hfsm: Any, state_dir: Path) -> None:
    result = hfsm("status", "--local")
    assert result.code == 1
    assert "hfsm local up" in result.err
