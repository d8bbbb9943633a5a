"""Image builds whose packages come from an index of the team's own, which asks for a password."""

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hf_sagemaker.image_build import BUILD_SPECIFICATION
from hf_sagemaker.package_sources import CodeArtifact, PackageSources
from localcloud.package_tokens import token_of
from tests.local.compute_projects import REGISTRY, Projects
from tests.local.package_index import PackageIndex
from tests.local.wheels import write_wheel

PASSWORD, ESCAPED = "correct/horse:battery@staple%41", "correct%2Fhorse%3Abattery%40staple%2541"
INSTALL = "ARG PIP_CONFIG_FILE=/run/secrets/pip.conf\nRUN --mount=type=secret,id=pip.conf pip install privatekit=={}\n"
BEGIN = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"
SOURCE = {
    "image_checks/training.py": "print('tried')",
    "image_checks/bill_of_materials.py": "print('{}')",
}


@dataclass
class Outcome:
    """What a build has left. said: its log and its description."""

    status: str
    log: str
    said: str
    pushed: list[dict[str, Any]]


class Builds:
    """Builds as they are deployed, whose second Dockerfile, the team's own, installs `privatekit`."""

    def __init__(self, running: Any) -> None:
        self._ssm = running.client("ssm")
        self._projects = Projects(running)

    def run(self, sources: PackageSources, version: str = "1.0") -> Outcome:
        unique = uuid.uuid4().hex[:8]
        parameters = {name: f"/tests/{unique}/{name.lower()}" for name in ("DIGEST", "BASE_DIGEST", "REBUILD")}
        for parameter in parameters.values():
            self._ssm.put_parameter(Name=parameter, Value="none", Type="String")
        files = {
            **SOURCE,
            "Dockerfile": f"{BEGIN}COPY unique.txt /opt/\n",
            "unique.txt": unique,  # so that no layer of it is there already
            "own/Dockerfile": BEGIN + INSTALL.format(version),
        }
        variables = {
            "BASE_IMAGE": f"{REGISTRY}/huggingface-pytorch-training:{unique}",
            "DOCKERFILE": "Dockerfile",
            "OWN_DOCKERFILE": "own/Dockerfile",
            "PURPOSE": "training",
            "ARTIFACTS_BUCKET": self._projects.bucket,
            **{f"{name}_PARAMETER": parameter for name, parameter in parameters.items()},
            "WANTED_PARAMETER": f"/tests/{unique}/wanted",
            **sources.variables,
        }
        specification = json.dumps(BUILD_SPECIFICATION, indent=1)
        name, image = self._projects.create(files, buildspec=specification, tag="inputs", variables=variables)
        self._ssm.put_parameter(Name=f"/tests/{unique}/wanted", Value=image, Type="String")
        record = self._projects.build(name)
        log = "\n".join(self._projects.log(record))
        images = self._projects.ecr.batch_get_image(repositoryName=f"tests/{name}", imageIds=self._ids(name))["images"]
        return Outcome(record["buildStatus"], log, log + json.dumps(record, default=str), images)

    def _ids(self, name: str) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self._projects.ecr.list_images(repositoryName=f"tests/{name}")["imageIds"]
        return found or [{"imageTag": "none"}]


@pytest.fixture(scope="module")
def builds(localcloud: Any) -> Iterator[Builds]:
    yield Builds(localcloud)
    for layer in _layers():
        shutil.rmtree(layer)


def _layers() -> list[Path]:
    """Those in which the private package is installed."""
    found = Path(os.environ["HFSM_IMAGE_STORE"]).glob("layers/*/venv/lib/*/site-packages/privatekit-1.0.dist-info")
    return [path.parents[4] for path in found]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndex]:
    write_wheel(tmp_path, "1.0", "private", name="privatekit")
    served = PackageIndex(tmp_path, f"builder:{PASSWORD}")
    yield served
    served.stop()


def _secret(running: Any, content: str) -> str:
    made = running.client("secretsmanager").create_secret(Name=f"index-{uuid.uuid4().hex}", SecretString=content)
    return str(made["ARN"])


def test_packages_come_from_the_index_and_its_password_stays_nowhere(
    builds: Builds, index: PackageIndex, localcloud: Any
) -> None:
    # Given an index whose credentials are in a secret
    secret = _secret(localcloud, json.dumps({"username": "builder", "password": PASSWORD}))
    # When an image is built
    done = builds.run(PackageSources(index=index.url, secret_arn=secret))
    # Then its package came from there
    assert done.status == "SUCCEEDED", done.log
    assert "/files/privatekit-1.0-py3-none-any.whl" in index.asked
    # And the password is in no log, no variable and no image
    for said in (done.said, json.dumps(done.pushed, default=str)):
        assert PASSWORD not in said
        assert ESCAPED not in said
    # And in no layer
    (layer,) = _layers()
    assert not list(layer.glob("**/pip.conf"))


def test_a_token_of_codeartifact_is_asked_for_by_the_build(builds: Builds, index: PackageIndex) -> None:
    # Given an index that takes CodeArtifact's tokens, and has another version than the one that is wanted
    index.credentials = f"aws:{token_of('packages', '123456789012')}"
    # When an image is built with that repository of CodeArtifact, which lies on loopback here
    artifact = CodeArtifact(domain="packages", repository="pypi", owner="123456789012", region="us-east-1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CodeArtifact, "index", index.url)
        done = builds.run(PackageSources(code_artifact=artifact), version="2.0")
    # Then the build got in with a token, which nothing tells, and no other place was asked
    assert index.asked == ["/simple/privatekit/"]
    assert "(from versions: 1.0)" in done.log
    assert token_of("packages", "123456789012") not in done.said


def test_a_secret_that_holds_something_else_is_named_and_not_shown(
    builds: Builds, index: PackageIndex, localcloud: Any
) -> None:
    done = builds.run(PackageSources(index=index.url, secret_arn=_secret(localcloud, "builder:hunter2")))
    assert done.status == "FAILED"
    assert "The secret of the package index must hold" in done.log
    assert "hunter2" not in done.said
    assert done.pushed == []
