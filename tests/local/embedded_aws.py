"""A running embedded AWS, and its CloudFormation, as the tests of this folder use them."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

REPOSITORY = Path(__file__).resolve().parents[2]
READY_WITHIN_SECONDS = 60.0


@dataclass
class RunningLocalCloud:
    """A server that listens. log: what it wrote to stderr."""

    port: int
    state_dir: Path
    log: Path
    process: subprocess.Popen[str]
    _clients: dict[tuple[str, str], Any] = field(
        default_factory=dict
    )  # made once each: EC2's takes a third of a second

    @property
    def endpoint_url(self) -> str:
        return f"http://localhost:{self.port}"

    def client(self, service: str, account: str = "123456789012") -> Any:
        """A boto3 client of the service, in us-east-1, without retries and whatever the operator's configuration."""
        if (service, account) not in self._clients:
            self._clients[service, account] = self._session.client(
                service,
                endpoint_url=self.endpoint_url,
                aws_access_key_id=account,
                aws_secret_access_key="test",
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, read_timeout=300),
            )
        return self._clients[service, account]

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(region_name="us-east-1")

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def server_environment() -> dict[str, str]:
    """The environment of a person without AWS: no credentials, no region, no profile."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    return own | {"PYTHONPATH": str(REPOSITORY / "tools")}


def start_localcloud(state_dir: Path, *, port: int | None = None, arguments: tuple[str, ...] = ()) -> RunningLocalCloud:
    """Start a server and wait until it says that it is ready; fails the test with its log when it does not."""
    port = port or free_port()
    state_dir.mkdir(parents=True, exist_ok=True)
    log = state_dir / "server.log"
    command = [sys.executable, "-m", "localcloud", "serve", "--port", str(port), "--state-dir", str(state_dir)]
    with log.open("w") as written:
        process = subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
            env=server_environment(),
            cwd=state_dir,
        )
    assert process.stdout is not None
    ready = process.stdout.readline()
    if ready.strip() != f"localcloud ready at http://localhost:{port}":
        process.kill()
        pytest.fail(f"the server did not become ready; it said {ready!r} and logged:\n{log.read_text()}")
    return RunningLocalCloud(port, state_dir, log, process)


class Stacks:
    """CloudFormation of a server, as tests use it: every stack that one makes is deleted with it."""

    def __init__(self, running: RunningLocalCloud) -> None:
        self.api = running.client("cloudformation")
        self._made: list[str] = []

    def create(self, name: str, template: str, **arguments: Any) -> dict[str, Any]:
        """Create it and answer its description, when it is done."""
        self._made.append(name)
        self.api.create_stack(StackName=name, TemplateBody=template, **arguments)
        return self.wait(name)

    def update(self, name: str, template: str, **arguments: Any) -> dict[str, Any]:
        self.api.update_stack(StackName=name, TemplateBody=template, **arguments)
        return self.wait(name)

    def delete(self, name: str) -> dict[str, Any]:
        """Delete it and answer its last description."""
        stack_id = self.api.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        self.api.delete_stack(StackName=name)
        return self.wait(stack_id)

    def wait(self, name: str) -> dict[str, Any]:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            stack: dict[str, Any] = self.api.describe_stacks(StackName=name)["Stacks"][0]
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return stack
            time.sleep(0.1)
        raise AssertionError(f"the stack {name} is still {stack['StackStatus']}")

    def outputs(self, name: str) -> dict[str, str]:
        stack = self.api.describe_stacks(StackName=name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def reasons(self, name: str, status: str) -> dict[str, str]:
        """Status reasons by logical id, of the events with that status."""
        events = self.api.describe_stack_events(StackName=name)["StackEvents"]
        return {
            event["LogicalResourceId"]: event.get("ResourceStatusReason", "")
            for event in events
            if event["ResourceStatus"] == status
        }

    def delete_all(self) -> None:
        for name in reversed(self._made):
            self.api.delete_stack(StackName=name)
