"""What the tests of builds, jobs and endpoints share: CodeBuild projects with tiny images, and waiting."""

import io
import tarfile
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

REGISTRY = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
ROLE = "arn:aws:iam::123456789012:role/tests-of-compute"
BUILDSPEC = """
version: 0.2
phases:
  pre_build:
    commands:
      - aws ecr get-login-password | docker login --username AWS --password-stdin "$BASE_REGISTRY"
      - aws ecr get-login-password | docker login --username AWS --password-stdin "${REPOSITORY_URI%%/*}"
  build:
    commands:
      - docker build --build-arg BASE_IMAGE="$BASE_IMAGE" --tag "$REPOSITORY_URI:$IMAGE_TAG" .
  post_build:
    commands:
      - docker push "$REPOSITORY_URI:$IMAGE_TAG"
"""


class Projects:
    """CodeBuild projects and ECR repositories of a running embedded AWS."""

    def __init__(self, running: Any) -> None:
        self.codebuild = running.client("codebuild")
        self.s3 = running.client("s3")
        self.ecr = running.client("ecr")
        self.logs = running.client("logs")
        self.bucket = f"tests-of-builds-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket)

    def create(
        self,
        files: dict[str, str],
        *,
        kind: str = "training",
        buildspec: str = BUILDSPEC,
        tag: str = "1",
        variables: dict[str, str] | None = None,
    ) -> tuple[str, str]:
        """(name of the project, name of the image that it builds). kind: of the Deep Learning Container below.

        variables: of the project, beside those that every test has, or instead of them.
        """
        name = f"tests-{uuid.uuid4().hex[:8]}"
        self.put_source(name, files)
        repository = self.ecr.create_repository(repositoryName=f"tests/{name}", imageTagMutability="IMMUTABLE")
        uri = repository["repository"]["repositoryUri"]
        variables = {
            "BASE_REGISTRY": REGISTRY,
            "BASE_IMAGE": f"{REGISTRY}/huggingface-pytorch-{kind}:1.0",
            "REPOSITORY_URI": uri,
            "IMAGE_TAG": tag,
        } | (variables or {})
        self.codebuild.create_project(
            name=name,
            source={"type": "S3", "location": f"{self.bucket}/{name}.zip", "buildspec": buildspec},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_SMALL",
                "privilegedMode": True,
                "environmentVariables": [{"name": key, "value": value} for key, value in variables.items()],
            },
            serviceRole=ROLE,
        )
        return name, f"{uri}:{tag}"

    def put_source(self, name: str, files: dict[str, str]) -> None:
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
        self.s3.put_object(Bucket=self.bucket, Key=f"{name}.zip", Body=body.getvalue())

    def build(self, name: str, **overrides: Any) -> dict[str, Any]:
        """Runs a build to its end; its record."""
        started = self.codebuild.start_build(projectName=name, **overrides)["build"]
        return until(lambda: self.record(started["id"]), lambda record: record["buildComplete"], seconds=280)

    def record(self, identifier: str) -> dict[str, Any]:
        record: dict[str, Any] = self.codebuild.batch_get_builds(ids=[identifier])["builds"][0]
        return record

    def image(self, files: dict[str, str], kind: str) -> str:
        """Builds an image; its name."""
        name, image = self.create(files, kind=kind)
        record = self.build(name)
        assert record["buildStatus"] == "SUCCEEDED", "\n".join(self.log(record))
        return image

    def log(self, record: dict[str, Any]) -> list[str]:
        return log_lines(self.logs, record["logs"]["groupName"], record["logs"]["streamName"])


def log_lines(logs: Any, group: str, prefix: str) -> list[str]:
    """All lines of the group's streams whose names begin so, oldest stream first."""
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)["logStreams"]
    lines: list[str] = []
    for stream in sorted(streams, key=lambda stream: stream["logStreamName"]):
        name = stream["logStreamName"]
        events = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)["events"]
        lines += [event["message"] for event in events]
    return lines


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """A model.tar.gz."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return body.getvalue()


def until(look: Callable[[], T], reached: Callable[[T], object], *, seconds: float = 120) -> T:
    """Looks until what is seen is what was waited for; returns it."""
    deadline = time.monotonic() + seconds
    while not reached(seen := look()):
        assert time.monotonic() < deadline, f"not reached within {seconds} s: {seen}"
        time.sleep(0.1)
    return seen


def descendants(server: psutil.Process) -> list[psutil.Process]:
    """What runs under an embedded AWS, without the processes that have a program loaded and wait for calls of it."""
    loaded = {"aws_cli.py", "docker_cli.py", "function_process.py"}
    return [
        each
        for each in server.children(recursive=True)
        if not (each.ppid() == server.pid and loaded & {Path(word).name for word in each.cmdline()})
    ]
