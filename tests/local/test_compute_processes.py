"""No process outlives what started it."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from localcloud.images import container_init
from localcloud.images.process_tree import ProcessTree

# A grandchild in a session of its own, whose parent is gone: what a process group does not reach.
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("daemon", os.getpid(), flush=True)
        time.sleep(600)
    os._exit(0)
time.sleep(float(sys.argv[1]))
"""


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def start(tmp_path: Path, *command: str) -> tuple[ProcessTree, list[str]]:
    lines: list[str] = []
    tree = ProcessTree(command, cwd=tmp_path, environment={"PATH": "/usr/bin:/bin"}, on_line=lines.append)
    return tree, lines


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt its grandchildren")
@pytest.mark.parametrize("ending", ["killed", "by itself"])
def test_a_daemon_goes_with_its_container(tmp_path: Path, ending: str) -> None:
    # Given a program that left a daemon behind
    tree, lines = start(tmp_path, sys.executable, "-c", DAEMON, "600" if ending == "killed" else "1")
    until(lambda: bool(lines))
    daemon = int(lines[0].split()[1])
    assert psutil.pid_exists(daemon)

    # When the program is killed, or ends
    if ending == "killed":
        tree.kill()
    assert tree.wait(30) is not None

    # Then the daemon is gone, too
    assert gone(daemon)


def test_sigterm_reaches_the_first_process_which_may_end_as_it_likes(tmp_path: Path) -> None:
    # Given a program that answers SIGTERM
    script = "trap 'echo leaving; exit 7' TERM; echo ready; while :; do sleep 0.1; done"
    tree, lines = start(tmp_path, "bash", "-c", script)
    until(lambda: bool(lines))

    # When it is told to end
    tree.terminate()

    # Then it ends in its own way
    assert tree.wait(20) == 7
    assert lines == ["ready", "leaving"]


def test_an_unknown_program_ends_with_127_and_says_so(tmp_path: Path) -> None:
    tree, lines = start(tmp_path, "no-such-program")
    assert tree.wait(20) == 127
    assert lines == ["exec: 'no-such-program': No such file or directory"]


def test_a_signal_that_ended_it_is_its_exit_code(tmp_path: Path) -> None:
    tree, _ = start(tmp_path, "bash", "-c", "kill -KILL $$")
    assert tree.wait(20) == 137


def test_everything_ends_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    # Given a process that holds a program's input open, as the server does for its containers
    holder = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-I", {str(Path(container_init.__file__))!r}, "sleep", "600"], stdin=subprocess.PIPE)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", holder])
    until(lambda: any(p.name() == "sleep" for p in psutil.Process(parent.pid).children(recursive=True)))
    family = psutil.Process(parent.pid).children(recursive=True)

    # When it is killed without a chance to clean up
    parent.kill()
    parent.wait()

    # Then nothing that it started is left
    until(lambda: all(gone(process.pid) for process in family))
