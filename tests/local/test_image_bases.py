"""Images on bases that are no Deep Learning Container for scripts: built, tried and pushed, and never run in vain."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hf_sagemaker import dlc_catalog
from hf_sagemaker.base_image import OwnImage
from hf_sagemaker.image_build import BUILD_SPECIFICATION
from hf_sagemaker.image_extension import ImageExtension
from tests.local.compute_projects import ROLE, Projects, until
from tests.local.wheels import write_wheel

VLLM = dlc_catalog.resolve_server("vllm", version="0.29.0", region="us-east-1")


@dataclass
class Built:
    """What a build left: its record and log, and the image that the environment uses from then on."""

    status: str
    log: str
    uri: str
    bill: dict[str, Any]


Build = Callable[[ImageExtension], Built]


@pytest.fixture(scope="module")
def build(localcloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds an extension as its project does; pip finds the wheel `greeting` and nothing else."""
    projects = Projects(localcloud)
    wheels = tmp_path_factory.mktemp("wheels")
    write_wheel(wheels, "2.0", "over the server")
    ssm = localcloud.client("ssm")

    def run(extension: ImageExtension) -> Built:
        parameter = f"/tests/{uuid.uuid4().hex[:8]}"
        for name in ("digest", "base-digest", "rebuild"):
            ssm.put_parameter(Name=f"{parameter}/{name}", Value="none", Type="String")
        context = tmp_path_factory.mktemp("context")
        extension.write_context(context)
        name, image = projects.create(
            {str(file.relative_to(context)): file.read_text() for file in context.rglob("*") if file.is_file()},
            buildspec=json.dumps(BUILD_SPECIFICATION, indent=1),
            tag="inputs",
            variables={
                "BASE_IMAGE": extension.base.uri,
                "BASE_REGISTRY": extension.base.registry,
                "DOCKERFILE": extension.dockerfile_path,
                "PURPOSE": extension.purpose,
                "SERVER": extension.server,
                "ARTIFACTS_BUCKET": projects.bucket,
                "DIGEST_PARAMETER": f"{parameter}/digest",
                "BASE_DIGEST_PARAMETER": f"{parameter}/base-digest",
                "REBUILD_PARAMETER": f"{parameter}/rebuild",
                "WANTED_PARAMETER": f"{parameter}/wanted",
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(wheels),
            },
        )
        ssm.put_parameter(Name=f"{parameter}/wanted", Value=image, Type="String")
        record = projects.build(name)
        uri = ssm.get_parameter(Name=f"{parameter}/digest")["Parameter"]["Value"]
        key = f"bills-of-materials/tests/{name}/{uri.rpartition('@')[2].replace(':', '-')}.json"
        bill = (
            json.load(projects.s3.get_object(Bucket=projects.bucket, Key=key)["Body"])
            if uri != "none"
            else {"components": []}
        )
        return Built(record["buildStatus"], "\n".join(projects.log(record)), uri, bill)

    return run


@pytest.fixture(scope="module")
def vllm(build: Build) -> Built:
    return build(ImageExtension(purpose="inference", base=VLLM, requirements=("greeting==2.0",)))


def test_requirements_are_installed_over_a_model_server(vllm: Built) -> None:
    # Given a vLLM image with one requirement more, then it was built, tried and pushed
    assert vllm.status == "SUCCEEDED", vllm.log
    assert "vllm is there" in vllm.log
    assert "transformers 5.15.0 loads" in vllm.log
    # And its bill of materials has both
    names = {component["name"]: component["version"] for component in vllm.bill["components"]}
    assert (names["greeting"], names["vllm"]) == ("2.0", "0.29.0")


def test_an_endpoint_on_a_server_that_cannot_run_here_says_so(localcloud: Any, vllm: Built) -> None:
    sagemaker = localcloud.client("sagemaker")
    name = f"tests-{uuid.uuid4().hex[:8]}"
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": vllm.uri})
    variant = {"VariantName": "All", "ModelName": name, "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    described = until(
        lambda: sagemaker.describe_endpoint(EndpointName=name), lambda found: found["EndpointStatus"] != "Creating"
    )
    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"].startswith("The embedded AWS cannot run huggingface-vllm:0.29.0-")
    assert "\n" not in described["FailureReason"]


def test_an_image_of_ones_own_is_a_base_by_its_digest(build: Build, vllm: Built) -> None:
    # Given an image that somebody has pushed, and that starts with what it brings itself
    own = OwnImage(uri=vllm.uri, product="inference", runtime=False)
    # When an image is built on it
    built = build(ImageExtension(purpose="inference", base=own))
    # Then it is there, with all that its base has
    assert built.status == "SUCCEEDED", built.log
    assert "greeting" in {component["name"] for component in built.bill["components"]}
