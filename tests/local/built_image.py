"""One image whose build is real and small, as the tests of builds and of the watching function use it."""

import json
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from hf_sagemaker.image_build import BUILD_SPECIFICATION
from tests.local.compute_projects import REGISTRY, Projects, until
from watch_images.handler import handle

BASE = "huggingface-pytorch-training"
DOCKERFILE = "ARG BASE_IMAGE\nFROM $BASE_IMAGE\nCOPY a.txt /opt/\n"
# An image's own checks are in tests/local/test_end_to_end.py: these say what the test wants to hear.
CHECKS = Path(__file__).parents[2] / "constructs/hf_sagemaker/runtime/image_checks"
SOURCE = {
    "Dockerfile": DOCKERFILE,
    "a.txt": "a",
    "image_checks/training.py": "print('tried')",
    "image_checks/bill_of_materials.py": (CHECKS / "bill_of_materials.py").read_text(),
}


PARAMETERS = ("wanted", "digest", "base_digest", "rebuild", "blocked")
AWS = {"AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class Built:
    """One project with the parameters of an image that no build has written yet."""

    running: Any
    projects: Projects
    name: str
    repository_uri: str
    tag: str
    parameter: str

    def deploy(self, tag: str) -> None:
        """Says what a deployment says whose inputs have this tag."""
        self.running.client("ssm").put_parameter(
            Name=f"{self.parameter}/wanted", Value=f"{self.repository_uri}:{tag}", Type="String", Overwrite=True
        )

    def build(self, **variables: str) -> dict[str, Any]:
        """Runs a build to its end; its record. variables: override the project's."""
        overrides = [{"name": name, "value": value} for name, value in variables.items()]
        return self.projects.build(self.name, environmentVariablesOverride=overrides)

    def digest(self) -> str:
        return self.says("digest")

    def says(self, name: str) -> str:
        """The value of a parameter of the image."""
        value: str = self.running.client("ssm").get_parameter(Name=f"{self.parameter}/{name}")["Parameter"]["Value"]
        return value

    def builds(self) -> int:
        """How many were started. It waits until none runs."""
        ids = self.projects.codebuild.list_builds_for_project(projectName=self.name)["ids"]
        for identifier in ids:
            until(
                lambda each=identifier: self.projects.record(each), lambda record: record["buildComplete"], seconds=280
            )
        return len(ids)

    def find(self, *findings: str) -> None:
        """Lets the scan of the image in use find these, all critical."""
        repository, _, digest = self.digest().partition("/")[2].partition("@")
        found = [{"name": name, "severity": "CRITICAL"} for name in findings]
        control(self.running, f"images/{quote(repository, safe='')}/{digest}/findings", {"findings": found})

    def look(self, **rules: Any) -> dict[str, Any]:
        """What the function that watches images does, once. rules: see `watch_images.logic.Watched`."""
        watched = {
            "project": self.name,
            **{name: f"{self.parameter}/{name.replace('_', '-')}" for name in PARAMETERS},
            "base": {"account": REGISTRY[:12], "repository": BASE, "tag": self.tag},
            **rules,
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in AWS.items():
                patch.setenv(name, value)
            patch.setenv("AWS_ENDPOINT_URL", self.running.endpoint_url)
            (result,) = handle({"images": [watched]}, None)
        return result

    def pushed(self) -> list[dict[str, Any]]:
        images: list[dict[str, Any]] = self.projects.ecr.describe_images(repositoryName=f"tests/{self.name}")[
            "imageDetails"
        ]
        return images

    def log(self, record: dict[str, Any]) -> str:
        return "\n".join(self.projects.log(record))

    def move_base(self) -> None:
        control(self.running, f"base-images/{BASE}/{self.tag}/republish")


def control(running: Any, path: str, body: Any = None) -> dict[str, Any]:
    data = json.dumps(body or {}).encode()
    request = urllib.request.Request(f"{running.endpoint_url}/_localcloud/{path}", method="POST", data=data)
    with urllib.request.urlopen(request, timeout=10) as answer:
        content: dict[str, Any] = json.load(answer)
        return content


def built_image(running: Any, projects: Projects) -> Built:
    """A project with its parameters, on a base of its own."""
    base_tag = uuid.uuid4().hex[:8]
    parameter = f"/tests/{base_tag}"
    for name in ("digest", "base-digest", "rebuild", "blocked"):
        running.client("ssm").put_parameter(Name=f"{parameter}/{name}", Value="none", Type="String")
    name, uri = projects.create(
        SOURCE,
        buildspec=json.dumps(BUILD_SPECIFICATION, indent=1),
        tag="inputs",
        variables={
            "BASE_IMAGE": f"{REGISTRY}/{BASE}:{base_tag}",
            "DOCKERFILE": "Dockerfile",
            "PURPOSE": "training",
            "ARTIFACTS_BUCKET": projects.bucket,
            "DIGEST_PARAMETER": f"{parameter}/digest",
            "BASE_DIGEST_PARAMETER": f"{parameter}/base-digest",
            "REBUILD_PARAMETER": f"{parameter}/rebuild",
            "WANTED_PARAMETER": f"{parameter}/wanted",
        },
    )
    image = Built(running, projects, name, uri.rpartition(":")[0], base_tag, parameter)
    image.deploy("inputs")
    return image


@dataclass
class Inbox:
    """A queue that reads a topic's messages."""

    sqs: Any
    url: str
    arn: str

    def messages(self) -> list[str]:
        """Those that came since the last look."""
        received = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])
        for each in received:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=each["ReceiptHandle"])
        return [json.loads(each["Body"])["Message"] for each in received]


def inbox_of(running: Any) -> Inbox:
    sqs = running.client("sqs")
    url = sqs.create_queue(QueueName=f"inbox-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return Inbox(sqs, url, arn)
