"""The first process of the serving container, in a PID namespace of its own: what it keeps and what it gives away."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="needs root and unshare: only root can give root away, and only as the first process of its PID namespace",
)

# What stands in for serve.py: says who it is, and tries what it must not do.
SERVER = """
import json, os, pathlib, sys, tempfile
model = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "model")
def tried(action):
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return "done"
print(json.dumps({
    "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(), "pid": os.getpid(), "arguments": sys.argv[1:],
    "reads": tried(lambda: (model / "deep/weights").read_bytes()),
    "changes model": tried(lambda: (model / "config.json").write_text("changed")),
    "changes code": tried(lambda: pathlib.Path(__file__).write_text("changed")),
    "becomes root": tried(lambda: os.setuid(0)),
    "scratch": tried(lambda: pathlib.Path(tempfile.mkdtemp(), "x").write_text("x")),
    "folders": [os.environ.get("HOME"), tempfile.gettempdir(), os.getcwd()],
    "no new privileges": [line.split()[1] for line in open("/proc/self/status") if line.startswith("NoNewPrivs")],
}))
"""
Start = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def python() -> str:
    """An interpreter that every user may run."""
    for name in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        folders = Path(name).resolve().parents
        if Path(name).exists() and all(folder.stat().st_mode & 0o001 for folder in folders):
            return name
    pytest.skip("every Python of this machine is root's alone")


@pytest.fixture
def container() -> Iterator[Path]:
    """A folder with the code and a model that root alone can read; pytest's own is closed to other users."""
    with tempfile.TemporaryDirectory(prefix="container-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "code").mkdir()
        (folder / "code/serve.py").write_text(SERVER)
        weights = folder / "ml/model/deep/weights"
        weights.parent.mkdir(parents=True)
        weights.write_text("weights")
        (folder / "ml/model/config.json").write_text("{}")
        weights.chmod(0o600)
        weights.parent.chmod(0o700)
        yield folder


@pytest.fixture
def start(runtime: Path, container: Path, python: str) -> Start:
    def run(*arguments: str, first: bool = True) -> dict[str, Any]:
        entry = shutil.copy(runtime / "inference/unprivileged.py", container / "code")
        command = [python, str(entry), str(container / "code/serve.py"), *arguments]
        done = subprocess.run(
            [*(("unshare", "--pid", "--fork") if first else ()), *command],
            env={"SAGEMAKER_BASE_DIR": str(container / "ml"), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        )
        *said, answer = done.stdout.splitlines()
        return {**json.loads(answer), "said": said}

    return run


def test_the_server_is_no_root_and_can_change_nothing_but_its_scratch_folder(start: Start, container: Path) -> None:
    server = start("serve")

    assert (server["uid"], server["gid"], server["groups"]) == (10001, 10001, [])
    assert server["pid"] == 1
    assert server["reads"] == "done"
    assert {server[what] for what in ("changes model", "changes code", "becomes root")} == {"PermissionError"}
    assert server["scratch"] == "done"
    assert len(set(server["folders"])) == 1
    assert server["no new privileges"] == ["1"]
    assert stat.S_IMODE((container / "ml/model/deep/weights").stat().st_mode) == 0o604


def test_the_toolkits_server_stays_root(start: Start, container: Path) -> None:
    (container / "code/image_settings.json").write_text('{"server": "toolkit"}')

    assert start("serve")["uid"] == 0


def test_another_command_is_run_as_it_is(start: Start) -> None:
    server = start("python", "/image_checks/inference.py")

    assert server["uid"] == 0
    assert server["arguments"] == ["python", "/image_checks/inference.py"]


def test_outside_a_container_nobody_becomes_another(start: Start) -> None:
    assert start("serve", first=False)["uid"] == 0


def test_a_model_that_only_root_can_read_is_served_and_the_log_says_so(start: Start, container: Path) -> None:
    # Given a mount that cannot be changed, as an uncompressed model may be
    model = container / "ml/model"
    if subprocess.run(["mount", "--bind", model, model], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", model], check=True, capture_output=True)
        # When it is served
        server = start("serve")
    finally:
        subprocess.run(["umount", model], check=True)
    # Then by root, which says why
    assert server["uid"] == 0
    assert server["said"] == [f"the server stays root, since without it {model}/deep could not be used"]
