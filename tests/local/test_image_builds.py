"""Image builds as they are deployed: the same build specification, with small Dockerfiles, on the embedded AWS."""

import json
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from hf_sagemaker.image_build import BUILD_SPECIFICATION
from tests.local.compute_projects import REGISTRY, Projects

BASE = "huggingface-pytorch-training"
DOCKERFILE = "ARG BASE_IMAGE\nFROM $BASE_IMAGE\nCOPY a.txt /opt/\n"


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
        value: str = self.running.client("ssm").get_parameter(Name=f"{self.parameter}/digest")["Parameter"]["Value"]
        return value

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
    for name in ("digest", "base-digest"):
        localcloud.client("ssm").put_parameter(Name=f"{parameter}/{name}", Value="none", Type="String")
    name, _ = projects.create(
        {"Dockerfile": DOCKERFILE, "a.txt": "a"},
        buildspec=json.dumps(BUILD_SPECIFICATION, indent=1),
        variables={
            "BASE_IMAGE": f"{REGISTRY}/{BASE}:{base_tag}",
            "IMAGE_TAG": "inputs",
            "DOCKERFILE": "Dockerfile",
            "DIGEST_PARAMETER": f"{parameter}/digest",
            "BASE_DIGEST_PARAMETER": f"{parameter}/base-digest",
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
    image.projects.put_source(image.name, {"Dockerfile": DOCKERFILE, "a.txt": "b"})
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
    image.projects.put_source(image.name, {"Dockerfile": DOCKERFILE + "RUN make\n", "a.txt": "b"})
    assert image.build(IMAGE_TAG="broken")["buildStatus"] == "FAILED"
    assert image.digest() == before


def test_a_base_that_is_gone_is_named(image: Built) -> None:
    record = image.build(BASE_IMAGE=f"{REGISTRY}/no-such-image:1")
    assert record["buildStatus"] == "FAILED"
    assert f"The base {REGISTRY}/no-such-image:1 is not there any more" in image.log(record)
    assert image.digest() == "none"
