"""The entry point with a stand-in for the toolkit: a program called `train` that starts a script, deaf to signals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TOOLKIT = """#!{python}
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
hear = lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL)
script = subprocess.Popen([sys.executable, {script!r}], preexec_fn=hear)
sys.exit(script.wait())
"""

# Says that it is there, and on SIGTERM takes half a second to save.
SAVING = """
import os, signal, sys, time
def save(number, frame):
    time.sleep(0.5)
    sys.stdout.write("saved\\n")
    sys.stdout.flush()
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
sys.stdout.write(f"started {os.getpid()} {os.getppid()}\\n")
sys.stdout.flush()
time.sleep(60)
"""

WITH_WORKER = """
import os, signal, sys, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, lambda *_: (print("worker was told", flush=True), os._exit(1)))
    signal.alarm(20)
    while os.getppid() != 1 and not os.path.exists({done!r}): time.sleep(0.02)
    os._exit(0)
def save(number, frame):
    time.sleep(0.3)
    print("saved", flush=True)
    open({done!r}, "w").close()
    os.wait()
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
time.sleep(0.3)
print("started", flush=True)
time.sleep(60)
"""


# A launcher that takes SIGTERM for the end, as torchrun does, with two processes of a script.
TORCHRUN = """
import os, subprocess, sys, time
if os.path.basename(sys.argv[0]) != "torchrun":
    path = os.path.join(os.path.dirname(sys.argv[0]), "torchrun")
    open(path, "w").write(open(sys.argv[0]).read())
    os.execv(sys.executable, [sys.executable, path])
scripts = [subprocess.Popen([sys.executable, "-c", {script!r}]) for _ in range(2)]
print("left alone" if [script.wait() for script in scripts] == [0, 0] else "a script failed", flush=True)
"""


@pytest.fixture
def start(runtime: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the entry point with the stand-in running a script; ends what is left of it."""
    running: list[subprocess.Popen[str]] = []

    def begin(script: str, *command: str) -> subprocess.Popen[str]:
        (tmp_path / "bin").mkdir()
        (tmp_path / "script.py").write_text(script)
        toolkit = tmp_path / "bin/train"
        toolkit.write_text(TOOLKIT.format(python=sys.executable, script=str(tmp_path / "script.py")))
        toolkit.chmod(0o755)
        process = subprocess.Popen(
            [sys.executable, str(runtime / "training/entrypoint.py"), *(command or ("train",))],
            env={**os.environ, "PATH": f"{toolkit.parent}:{os.environ['PATH']}", "SAGEMAKER_BASE_DIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def _line(process: subprocess.Popen[str], start: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(start):
            return line
    raise AssertionError(f"no line that starts with {start!r}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_script_that_the_toolkit_keeps_it_from(start, number: signal.Signals) -> None:
    # Given a script below a toolkit that forwards nothing
    script = SAVING.replace("signal.SIGTERM", f"signal.{number.name}")
    process = start(script)
    _line(process, "started")

    # When SageMaker signals the container's first process
    process.send_signal(number)
    output, _ = process.communicate(timeout=10)

    # Then the script has saved, and its exit code is the container's
    assert "saved" in output
    assert process.returncode == 0


def test_the_script_may_finish_saving_when_the_toolkit_is_already_dead(start) -> None:
    process = start(SAVING)
    _, script, toolkit = _line(process, "started").split()

    os.kill(int(toolkit), signal.SIGKILL)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=10)

    assert "saved" in output
    assert process.returncode == 128 + signal.SIGKILL
    assert not Path(f"/proc/{script}").exists()


def test_worker_processes_of_the_script_are_left_alone(start, tmp_path: Path) -> None:
    process = start(WITH_WORKER.format(done=str(tmp_path / "done")))
    _line(process, "started")

    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=10)

    assert "saved" in output
    assert "worker was told" not in output
    assert process.returncode == 0


def test_every_process_of_a_launcher_gets_the_signal_and_the_launcher_does_not(start) -> None:
    # Given torchrun with two processes, below the toolkit
    process = start(TORCHRUN.format(script=SAVING))
    for _ in range(2):
        _line(process, "started")

    # When SageMaker signals the container's first process
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=10)

    # Then both have saved in their own time, and the job ends well
    assert output.count("saved") == 2
    assert "left alone" in output
    assert process.returncode == 0


def test_a_command_without_a_toolkit_gets_the_signal_itself(start, tmp_path: Path) -> None:
    process = start(SAVING, sys.executable, str(tmp_path / "script.py"))
    _line(process, "started")

    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=10)

    assert "saved" in output


def test_a_failing_script_keeps_its_exit_code_and_says_why(start, tmp_path: Path) -> None:
    process = start("import sys\nprint('step 1')\nprint('no such column: label', file=sys.stderr)\nsys.exit(7)")

    output, _ = process.communicate(timeout=10)

    assert process.returncode == 7
    assert output.splitlines() == ["step 1", "no such column: label"]
    assert (tmp_path / "output/failure").read_text() == (
        "The script ended with exit code 7. Its last lines:\nstep 1\nno such column: label"
    )


def test_processes_that_outlive_a_finished_job_are_ended(start) -> None:
    left_over = "import subprocess, sys\nprint('left', subprocess.Popen(['sleep', '60']).pid, flush=True)"
    process = start(left_over)
    _, pid = _line(process, "left").split()

    process.communicate(timeout=10)

    assert process.returncode == 0
    assert not Path(f"/proc/{pid}").exists()


def test_a_command_that_does_not_exist_is_told(start, tmp_path: Path) -> None:
    process = start("", "no-such-command")

    output, _ = process.communicate(timeout=10)

    assert process.returncode == 127
    assert output == "entrypoint.py: cannot start 'no-such-command': No such file or directory\n"
    assert "cannot start 'no-such-command'" in (tmp_path / "output/failure").read_text()
