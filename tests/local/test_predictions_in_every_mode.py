"""The serving image as it is built, with a real model, in every mode: the same answer, however it is asked for."""

import json
import os
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hf_sagemaker.serving import Serving
from tests.local.compute_projects import ROLE, archive, until
from tests.local.served_modes import Modes
from tests.local.serving_image import serving_image
from tests.local.test_asynchronous_endpoints import read, send
from tests.local.test_endpoint_models import PREDICT, TEXTS
from tests.local.test_hub_mirror import MAKE_MODEL

BODY = json.dumps({"inputs": TEXTS})
INSTANCE = {"InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's files."""
    made = tmp_path_factory.mktemp("model")
    subprocess.run([os.environ["HFSM_TRAINING_PYTHON"], "-c", MAKE_MODEL, str(made)], check=True, timeout=120)
    return made


@pytest.fixture(scope="module")
def expected(folder: Path) -> Any:
    """What the model answers when it is run directly."""
    command = [os.environ["HFSM_INFERENCE_PYTHON"], "-c", PREDICT, str(folder), json.dumps(TEXTS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def model(modes: Modes, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The SageMaker model of it; its name."""
    name = f"tiny-{uuid.uuid4().hex[:8]}"
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    modes.s3.put_object(Bucket=modes.bucket, Key=f"{name}.tar.gz", Body=archive(files))
    image = serving_image(modes.running, Serving(), tmp_path_factory.mktemp("context") / "image")
    container = {
        "Image": image,
        "ModelDataUrl": f"s3://{modes.bucket}/{name}.tar.gz",
        "Environment": {"HF_TASK": "text-classification"},
    }
    modes.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    return name


def asynchronous(modes: Modes, model: str) -> str:
    output = {"S3OutputPath": f"s3://{modes.bucket}/predictions"}
    name = modes.endpoint({"ModelName": model, **INSTANCE}, AsyncInferenceConfig={"OutputConfig": output})
    accepted = send(modes, name, BODY, content_type="application/json")
    answer = until(lambda: read(modes, accepted["OutputLocation"]), bool, seconds=60)
    modes.sagemaker.delete_endpoint(EndpointName=name)
    return answer or ""


def serverless(modes: Modes, model: str) -> str:
    name = modes.endpoint({"ModelName": model, "ServerlessConfig": {"MemorySizeInMB": 3072, "MaxConcurrency": 1}})
    answer = modes.ask(name, BODY, ContentType="application/json")
    modes.sagemaker.delete_endpoint(EndpointName=name)
    return answer


def component(modes: Modes, model: str) -> str:
    endpoint = modes.endpoint(INSTANCE, ExecutionRoleArn=ROLE)
    name = f"tiny-{uuid.uuid4().hex[:8]}"
    modes.sagemaker.create_inference_component(
        InferenceComponentName=name,
        EndpointName=endpoint,
        VariantName="AllTraffic",
        Specification={
            "ModelName": model,
            "ComputeResourceRequirements": {"NumberOfAcceleratorDevicesRequired": 1, "MinMemoryRequiredInMb": 1024},
        },
        RuntimeConfig={"CopyCount": 1},
    )
    look = lambda: modes.sagemaker.describe_inference_component(InferenceComponentName=name)  # noqa: E731
    until(look, lambda described: described["InferenceComponentStatus"] == "InService", seconds=100)
    answer = modes.ask(endpoint, BODY, ContentType="application/json", InferenceComponentName=name)
    modes.sagemaker.delete_inference_component(InferenceComponentName=name)
    return answer


@pytest.mark.parametrize("mode", [asynchronous, serverless, component])
def test_a_prediction_is_the_models_own(
    modes: Modes, model: str, expected: Any, mode: Callable[[Modes, str], str]
) -> None:
    answer = json.loads(mode(modes, model))

    assert [each["label"] for each in answer] == [each["label"] for each in expected]
    assert [each["score"] for each in answer] == pytest.approx([each["score"] for each in expected], abs=1e-4)
