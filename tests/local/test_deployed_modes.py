"""An environment with an endpoint of every mode, deployed by the real CLI to the embedded AWS: each answers."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.local.compute_projects import archive, until
from tests.local.embedded_aws import start_localcloud
from tests.local.test_end_to_end import ROOT, Environment
from tests.local.test_endpoint_models import PREDICT, TEXTS
from tests.local.test_hub_mirror import MAKE_MODEL

ARCHIVE = "trained/by-hand/model.tar.gz"
MODEL = {"s3": ARCHIVE, "task": "text-classification"}
BASE = {"purpose": "inference", "transformers": "4.51.3", "pytorch": "2.6.0", "processor": "cpu"}
IMAGES = ["inference", "processors", "stock"]
BODY = json.dumps({"inputs": TEXTS})
ENDPOINTS: list[dict[str, Any]] = [
    {"name": "plain", "model": MODEL},
    {
        "name": "weighted",
        "variants": [{"name": "present", "model": MODEL, "weight": 9}, {"name": "next", "model": MODEL}],
    },
    {"name": "shadowed", "model": MODEL, "shadow": {"model": MODEL}},
    {"name": "queued", "mode": "asynchronous", "min_instances": 0, "model": MODEL},
    {
        "name": "idle",
        "mode": "serverless",
        "image": "processors",
        "model": MODEL,
        "serverless": {"outside_network": True},
    },
    {
        "name": "shared",
        "mode": "components",
        "instance_type": "ml.g5.12xlarge",
        "components": [
            {"name": "small", "model": MODEL, "accelerators": 1, "memory_mb": 2048},
            {"name": "large", "model": MODEL, "accelerators": 1, "memory_mb": 2048},
        ],
    },
    {
        "name": "many",
        "mode": "multi-model",
        "image": "stock",
        "instance_type": "ml.m5.xlarge",
        "multi_model": {"s3": "many/", "task": "text-classification"},
        "example": {"body": BODY, "target_model": "tiny.tar.gz"},
    },
]


@dataclass
class Modes:
    """The environment, and the folder of the model that all of its endpoints serve."""

    environment: Environment
    folder: Path

    @property
    def out(self) -> str:
        return str(self.environment.folder / "cdk.out")

    def cdk(self, *arguments: str) -> None:
        done = self.environment.cdk(*arguments)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def synthesise(self, endpoints: list[dict[str, Any]]) -> None:
        settings = self.environment.folder / "environments"
        settings.mkdir(exist_ok=True)
        content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
        content["images"] += [
            {"name": "processors", "base": BASE},
            {"name": "stock", "base": BASE, "serving": {"server": "toolkit"}},
        ]
        content["inference"] = {"endpoints": endpoints}
        (settings / "dev.yaml").write_text(yaml.safe_dump(content))
        shutil.rmtree(self.out, ignore_errors=True)
        self.cdk("synth", "--quiet", "--output", self.out, "-c", f"environments={settings}")

    def put_models(self) -> None:
        client = self.environment.running.client
        found = client("ssm").get_parameter(Name="/hf-sagemaker/dev/data/models-bucket")["Parameter"]["Value"]
        packed = archive({path.name: path.read_bytes() for path in self.folder.iterdir()})
        for key in (ARCHIVE, "many/tiny.tar.gz"):
            client("s3").put_object(Bucket=found, Key=key, Body=packed)

    def ask(self, name: str, **said: str) -> Any:
        answer = self.environment.running.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=f"dev-{name}", ContentType="application/json", Body=BODY, **said
        )
        return json.load(answer["Body"])


@pytest.fixture(scope="module")
def modes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Modes]:
    """Deployed: first all without an endpoint; then, with images and models, the endpoints."""
    folder, made = tmp_path_factory.mktemp("deployed-modes"), tmp_path_factory.mktemp("model")
    subprocess.run([os.environ["HFSM_TRAINING_PYTHON"], "-c", MAKE_MODEL, str(made)], check=True, timeout=120)
    options = ("--image-store", os.environ["HFSM_IMAGE_STORE"], "--minute", "2")
    running = start_localcloud(folder / "cloud", arguments=options)
    deployed = Modes(Environment(running, folder), made)
    deployed.cdk("bootstrap", "--app", "", "aws://123456789012/us-east-1")
    deploy = (
        "deploy",
        "--app",
        deployed.out,
        "--require-approval",
        "never",
        "--method",
        "direct",
        "--concurrency",
        "4",
    )
    deployed.synthesise([])
    deployed.cdk(*deploy, "dev/*")
    for image in IMAGES:
        built = deployed.environment.hfsm("build", image, "--env", "dev")
        assert built.returncode == 0, built.stdout + built.stderr
    deployed.put_models()
    deployed.synthesise(ENDPOINTS)
    deployed.cdk(*deploy, "dev/*")
    yield deployed
    running.stop()


@pytest.fixture(scope="module")
def expected(modes: Modes) -> Any:
    """What the model answers when it is run directly."""
    command = [os.environ["HFSM_INFERENCE_PYTHON"], "-c", PREDICT, str(modes.folder), json.dumps(TEXTS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout.splitlines()[-1])


def _same(answers: Any, expected: Any) -> bool:
    return [each["label"] for each in answers] == [each["label"] for each in expected] and all(
        abs(one["score"] - other["score"]) < 1e-4 for one, other in zip(answers, expected, strict=True)
    )


def queued(modes: Modes) -> Any:
    client = modes.environment.running.client
    place = client("ssm").get_parameter(Name="/hf-sagemaker/dev/inference/queued/input")["Parameter"]["Value"]
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    client("s3").put_object(Bucket=bucket, Key=f"{prefix}one.json", Body=BODY)
    accepted = client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName="dev-queued", ContentType="application/json", InputLocation=f"{place}one.json"
    )
    key = accepted["OutputLocation"].removeprefix(f"s3://{bucket}/")

    def answer() -> str:
        found = client("s3").list_objects_v2(Bucket=bucket, Prefix=key).get("Contents")
        return str(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()) if found else ""

    return json.loads(until(answer, bool, seconds=60))


ASKED: dict[str, Callable[[Modes], Any]] = {
    "plain": lambda modes: modes.ask("plain"),
    "weighted, present": lambda modes: modes.ask("weighted", TargetVariant="present"),
    "weighted, next": lambda modes: modes.ask("weighted", TargetVariant="next"),
    "shadowed": lambda modes: modes.ask("shadowed"),
    "queued": queued,
    "idle": lambda modes: modes.ask("idle"),
    "shared, small": lambda modes: modes.ask("shared", InferenceComponentName="dev-shared-small"),
    "shared, large": lambda modes: modes.ask("shared", InferenceComponentName="dev-shared-large"),
    "many": lambda modes: modes.ask("many", TargetModel="tiny.tar.gz"),
}


@pytest.mark.parametrize("asked", ASKED)
def test_an_endpoint_of_every_mode_answers_as_the_model_does(modes: Modes, expected: Any, asked: str) -> None:
    assert _same(ASKED[asked](modes), expected)


def test_what_scales_is_registered_as_declared(modes: Modes) -> None:
    pages = modes.environment.running.client("application-autoscaling").get_paginator("describe_scalable_targets")
    found = {
        each["ResourceId"]: (each["MinCapacity"], each["MaxCapacity"])
        for page in pages.paginate(ServiceNamespace="sagemaker")
        for each in page["ScalableTargets"]
    }
    assert found == {
        "endpoint/dev-plain/variant/AllTraffic": (1, 2),
        "endpoint/dev-weighted/variant/present": (1, 2),
        "endpoint/dev-weighted/variant/next": (1, 2),
        "endpoint/dev-shadowed/variant/AllTraffic": (1, 2),
        "endpoint/dev-queued/variant/AllTraffic": (0, 2),
        "endpoint/dev-many/variant/AllTraffic": (1, 2),
        "inference-component/dev-shared-small": (1, 2),
        "inference-component/dev-shared-large": (1, 2),
    }


def test_their_stacks_go_and_leave_nothing_registered(modes: Modes) -> None:
    modes.cdk("destroy", "--app", modes.out, "--force", "dev/Endpoint*")
    client = modes.environment.running.client
    assert client("sagemaker").list_endpoints()["Endpoints"] == []
    assert (
        client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        == []
    )
