"""Programs that are loaded once, shown by the `aws` of builds: a call is otherwise like any other."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from localcloud import codebuild
from localcloud.fork_server import ForkServer

PROGRAM = Path(codebuild.__file__).with_name("aws_cli.py")
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_EC2_METADATA_DISABLED": "true",
}
GENERATE = ["ssm", "get-parameter", "--generate-cli-skeleton", "input"]


@pytest.fixture(scope="module")
def cli() -> Iterator[ForkServer]:
    cli = ForkServer(PROGRAM)
    yield cli
    cli.stop()


@pytest.fixture
def aws(cli: ForkServer, tmp_path: Path) -> Path:
    cli.write_command(tmp_path / "aws")
    return tmp_path / "aws"


def test_a_call_writes_to_its_own_files_and_has_its_own_exit_code(aws: Path) -> None:
    # Given a call that succeeds and one that fails
    right = subprocess.run([aws, *GENERATE], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    wrong = subprocess.run([aws, "ssm", "nonsense"], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    # Then each says so, to whoever made it
    assert (right.returncode, right.stderr) == (0, "")
    assert '"Name"' in right.stdout
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("usage:")


def test_a_call_has_the_folder_and_the_environment_of_its_caller(aws: Path, tmp_path: Path) -> None:
    # Given a file that a call names by its relative path, and an endpoint where nothing listens
    (tmp_path / "input.json").write_text('{"Name": "/a/parameter"}')
    environment = ENVIRONMENT | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    command = [aws, "ssm", "get-parameter", "--cli-input-json", "file://input.json"]
    # When it is made
    said = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    # Then it asks that endpoint
    assert said.returncode == 255
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:9/"' in said.stderr


def test_a_call_that_is_killed_leaves_no_process(cli: ForkServer, aws: Path) -> None:
    # Given a call that waits: its endpoint is an address that never answers
    environment = ENVIRONMENT | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "100"}
    assert cli.process_id
    server = psutil.Process(cli.process_id)
    call = subprocess.Popen([aws, "ssm", "get-parameter", "--name", "a"], env=environment, stderr=subprocess.DEVNULL)
    _until(lambda: bool(server.children()))
    # When its caller is killed
    call.kill()
    call.wait()
    # Then nothing of it goes on
    _until(lambda: not [child for child in server.children() if child.status() != psutil.STATUS_ZOMBIE])


def test_what_is_stopped_starts_again(tmp_path: Path) -> None:
    cli = ForkServer(PROGRAM)
    for _ in range(2):
        cli.write_command(tmp_path / "aws")
        said = subprocess.run(
            [tmp_path / "aws", "--version"], env=ENVIRONMENT, capture_output=True, text=True, check=True
        )
        assert said.stdout.startswith("aws-cli/")
        cli.stop()


def _until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
