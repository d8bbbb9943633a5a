"""Image builds as they are deployed: the same build specification, with small Dockerfiles, on the embedded AWS."""

import json
import urllib.request
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aws_cdk import App, CfnOutput, Environment, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from hf_sagemaker.build_failures import BuildFailures
from hf_sagemaker.image_build import BUILD_SPECIFICATION
from tests.local.compute_projects import REGISTRY, Projects, until
from tests.local.embedded_aws import Stacks
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


PARAMETERS = ("digest", "base_digest", "rebuild", "blocked")
AWS = {"AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class Built:
    """One project with the parameters of an image that no build has written yet."""

    running: Any
    projects: Projects
    name: str
    tag: str
    parameter: str

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
            until(lambda each=identifier: self.projects.record(each), lambda record: record["buildComplete"])
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


@pytest.fixture(scope="module")
def projects(localcloud: Any) -> Projects:
    return Projects(localcloud)


@pytest.fixture
def image(localcloud: Any, projects: Projects) -> Built:
    base_tag = uuid.uuid4().hex[:8]
    parameter = f"/tests/{base_tag}"
    for name in ("digest", "base-digest", "rebuild", "blocked"):
        localcloud.client("ssm").put_parameter(Name=f"{parameter}/{name}", Value="none", Type="String")
    name, _ = projects.create(
        SOURCE,
        buildspec=json.dumps(BUILD_SPECIFICATION, indent=1),
        variables={
            "BASE_IMAGE": f"{REGISTRY}/{BASE}:{base_tag}",
            "IMAGE_TAG": "inputs",
            "DOCKERFILE": "Dockerfile",
            "PURPOSE": "training",
            "ARTIFACTS_BUCKET": projects.bucket,
            "DIGEST_PARAMETER": f"{parameter}/digest",
            "BASE_DIGEST_PARAMETER": f"{parameter}/base-digest",
            "REBUILD_PARAMETER": f"{parameter}/rebuild",
        },
    )
    return Built(localcloud, projects, name, base_tag, parameter)


def test_a_build_writes_down_the_digest_that_it_pushed(image: Built) -> None:
    record = image.build()
    assert record["buildStatus"] == "SUCCEEDED", image.log(record)
    (pushed,) = image.pushed()
    assert image.digest().endswith(f"/tests/{image.name}@{pushed['imageDigest']}")
    assert pushed["imageTags"][0].startswith("inputs-")


def test_the_same_inputs_are_not_built_again(image: Built) -> None:
    # Given an image that is built, and a parameter that somebody lost
    image.build()
    built = image.digest()
    image.running.client("ssm").put_parameter(Name=f"{image.parameter}/digest", Value="none", Overwrite=True)
    # When it is built once more
    record = image.build()
    # Then nothing is built, and the parameter is as before
    assert "is there already: nothing to build" in image.log(record)
    assert "docker build" not in [line for line in image.log(record).splitlines() if line.startswith("#")]
    assert len(image.pushed()) == 1
    assert image.digest() == built


def test_changed_inputs_give_another_digest_and_keep_the_old_image(image: Built) -> None:
    image.build()
    before = image.digest()
    image.projects.put_source(image.name, SOURCE | {"a.txt": "b"})
    assert image.build(IMAGE_TAG="others")["buildStatus"] == "SUCCEEDED"
    assert image.digest() != before
    assert len(image.pushed()) == 2


def test_a_moved_base_gives_another_image_of_the_same_inputs(image: Built) -> None:
    # Given an image on a base
    image.build()
    before = image.digest()
    # When the base's tag moves, and the image is built again
    image.move_base()
    record = image.build()
    # Then it is another image, under a tag of its own
    assert record["buildStatus"] == "SUCCEEDED", image.log(record)
    assert image.digest() != before
    tags = {tag for pushed in image.pushed() for tag in pushed["imageTags"]}
    assert len(tags) == 2


def test_a_failed_build_leaves_the_digest_in_place(image: Built) -> None:
    image.build()
    before = image.digest()
    image.projects.put_source(image.name, SOURCE | {"Dockerfile": DOCKERFILE + "RUN make\n"})
    assert image.build(IMAGE_TAG="broken")["buildStatus"] == "FAILED"
    assert image.digest() == before


def test_a_base_that_is_gone_is_named(image: Built) -> None:
    record = image.build(BASE_IMAGE=f"{REGISTRY}/no-such-image:1")
    assert record["buildStatus"] == "FAILED"
    assert f"The base {REGISTRY}/no-such-image:1 is not there any more" in image.log(record)
    assert image.digest() == "none"


def test_an_image_that_fails_its_check_is_not_pushed(image: Built) -> None:
    # Given an image in use, and another whose check fails
    image.build()
    before = image.digest()
    failing = "import sys\nsys.exit('the entry point does not load')"
    image.projects.put_source(image.name, SOURCE | {"a.txt": "b", "image_checks/training.py": failing})
    # When it is built
    record = image.build(IMAGE_TAG="failing")
    # Then the build fails and says why, nothing is pushed, and the image in use stays
    assert record["buildStatus"] == "FAILED"
    assert "the entry point does not load" in image.log(record)
    assert len(image.pushed()) == 1
    assert image.digest() == before


def test_packages_that_do_not_fit_together_are_not_pushed(image: Built) -> None:
    # Given a package that needs another, which is not there
    lacking = "RUN pip install --no-deps cfn-lint==1.40.0\n"
    image.projects.put_source(image.name, SOURCE | {"Dockerfile": DOCKERFILE + lacking})
    # When it is built, then what is missing is named; what the base lacks itself is not held against it
    record = image.build()
    assert record["buildStatus"] == "FAILED"
    assert "cfn-lint 1.40.0 requires" in image.log(record)
    assert "do not fit together" in image.log(record)
    assert image.pushed() == []


def test_the_bill_of_materials_of_an_image_lies_under_its_digest(image: Built) -> None:
    record = image.build()
    assert record["buildStatus"] == "SUCCEEDED", image.log(record)
    digest = image.digest().partition("@sha256:")[2]
    key = f"bills-of-materials/tests/{image.name}/sha256-{digest}.json"
    bill = json.load(image.projects.s3.get_object(Bucket=image.projects.bucket, Key=key)["Body"])
    assert bill["bomFormat"] == "CycloneDX"
    assert "torch" in [component["name"] for component in bill["components"]]


def test_a_build_that_did_not_succeed_is_told_to_the_topic(image: Built, stacks: Stacks) -> None:
    # Given the rule as it is deployed, on this project, and somebody who listens
    template = failures_template(image.name)
    stacks.create(f"failures-{image.name}", template)
    topic, inbox = stacks.outputs(f"failures-{image.name}")["Topic"], inbox_of(image.running)
    image.running.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=inbox.arn)
    # When one build succeeds and another fails
    image.build()
    image.projects.put_source(image.name, SOURCE | {"Dockerfile": DOCKERFILE + "RUN make\n"})
    image.build(IMAGE_TAG="broken")
    # Then the failure is told, with the log where it is explained, and nothing else is
    (message,) = until(inbox.messages, bool)
    assert f"The build of project {image.name} ended as FAILED" in message
    assert "goes on with the one from before" in message
    assert inbox.messages() == []


def test_a_moved_base_starts_one_build_and_no_second_one(image: Built) -> None:
    # Given an image that nothing has changed since
    image.build()
    before = image.digest()
    image.look()
    assert image.builds() == 1
    # When its base moves, and the function looks, and looks again
    image.move_base()
    assert "its base is" in image.look()["reasons"][0]
    image.builds()
    image.look()
    # Then it was built once more, on the new base
    assert image.builds() == 2
    assert image.digest() != before
    assert image.says("blocked") == "none"


def test_who_does_not_want_new_bases_gets_none(image: Built) -> None:
    image.build()
    image.move_base()
    image.look(on_new_base=False)
    assert image.builds() == 1


def test_nothing_is_built_that_nobody_has_built_before(image: Built) -> None:
    image.look()
    assert image.builds() == 0


def test_a_critical_finding_blocks_and_starts_one_build(image: Built) -> None:
    # Given an image in which a scan finds something critical
    image.build()
    image.find("CVE-2026-1")
    # When the function looks twice
    image.look()
    image.builds()
    image.find("CVE-2026-1")
    image.look()
    # Then the image is blocked, and was built again once, under a tag of its own
    assert image.says("blocked") == "CVE-2026-1"
    assert image.builds() == 2
    assert image.says("rebuild") == f"{datetime.now(UTC):%Y%m%d}"
    # And it is free again when the finding is gone
    image.find()
    image.look()
    assert image.says("blocked") == "none"


def test_an_accepted_finding_blocks_again_when_its_day_is_over(image: Built) -> None:
    image.build()
    image.find("CVE-2026-2")
    today = datetime.now(UTC).date()

    def accepted(until_day: Any) -> dict[str, str]:
        return {"name": "CVE-2026-2", "until": until_day.isoformat(), "reason": "not reachable from our code"}

    image.look(accepted=[accepted(today)])
    assert (image.says("blocked"), image.builds()) == ("none", 1)
    image.look(accepted=[accepted(today - timedelta(days=1))])
    assert (image.says("blocked"), image.builds()) == ("CVE-2026-2", 2)


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


def failures_template(project: str) -> str:
    """What `BuildFailures` makes for one project."""
    app = App(builtin_cloud_formation_validation=False)
    stack = Stack(app, "Stack", env=Environment(account="123456789012", region="us-east-1"))
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:123456789012:key/operations")
    projects = [codebuild.Project.from_project_name(stack, "Project", project)]
    failures = BuildFailures(stack, "Failures", projects=projects, key=key)
    CfnOutput(stack, "Topic", value=failures.topic.topic_arn)
    template = Template.from_stack(stack).to_json()
    for part in ("Parameters", "Rules"):  # of the CDK's bootstrap
        template.pop(part, None)
    return json.dumps(template)
