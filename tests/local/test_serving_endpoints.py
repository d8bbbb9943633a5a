"""Endpoints on the serving image as it is built: what they answer, and what people read of models that do not load."""

import io
import json
import os
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hf_sagemaker.serving import Serving, ServingServer
from tests.local.compute_projects import ROLE, log_lines, until
from tests.local.serving_image import serving_image
from tests.local.test_hub_mirror import MAKE_MODEL

TEXTS = ["the film was good", "the film was not bad"]
Files = dict[str, bytes]


def _without(model: Files, *beginnings: str) -> Files:
    return {name: content for name, content in model.items() if not name.startswith(beginnings)}


def _configured(model: Files, **values: Any) -> Files:
    return model | {"config.json": json.dumps(json.loads(model["config.json"]) | values).encode()}


# Name of the endpoint → what becomes of the model, the container's variables, and what people read of it.
BROKEN: dict[str, tuple[Callable[[Files], Files], dict[str, str], str]] = {
    "cut-off": (
        lambda model: model | {"model.safetensors": model["model.safetensors"][:-100]},
        {},
        "model cannot be loaded: model.safetensors is cut off or damaged (",
    ),
    "wrong-task": (
        lambda model: model,
        {"HF_TASK": "image-classification"},
        "model cannot be loaded: this model's architecture is DistilBertForSequenceClassification, which serves",
    ),
    "no-tokenizer": (
        lambda model: _without(model, "tokenizer", "special_tokens", "vocab", "words"),
        {},
        "model cannot be loaded: the tokenizer is missing: the task text-classification needs one",
    ),
    "pickle": (
        lambda model: _without(model, "model.safetensors") | {"pytorch_model.bin": b"a pickle"},
        {},
        "model cannot be loaded: the weights are a pickle (pytorch_model.bin), which can run any code",
    ),
    "own-code": (
        lambda model: _configured(model, auto_map={"AutoConfig": "mine.Mine"}, model_type="mine"),
        {},
        "model cannot be loaded: the model brings Python code of its own (auto_map in config.json: mine.Mine)",
    ),
    "asks-for-code": (
        lambda model: model,
        {"HF_TRUST_REMOTE_CODE": "true"},
        "HF_TRUST_REMOTE_CODE is set, but this image runs no code of models",
    ),
}


@dataclass
class Endpoints:
    """Makes models and endpoints of the running embedded AWS."""

    running: Any
    bucket: str

    def __post_init__(self) -> None:
        self.sagemaker = self.running.client("sagemaker")
        self.runtime = self.running.client("sagemaker-runtime")

    def create(self, name: str, image: str, model: Files, variables: Mapping[str, str]) -> None:
        """Does not wait for it."""
        self.running.client("s3").put_object(Bucket=self.bucket, Key=f"{name}.tar.gz", Body=_packed(model))
        container = {
            "Image": image,
            "ModelDataUrl": f"s3://{self.bucket}/{name}.tar.gz",
            "Environment": {"HF_TASK": "text-classification", **variables},
        }
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.g4dn.xlarge"}
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
        )
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def settled(self, name: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            described: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
            return described

        return until(look, lambda endpoint: endpoint["EndpointStatus"] != "Creating", seconds=250)

    def ask(self, name: str, body: str, content_type: str = "application/json") -> Any:
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=content_type)
        return json.load(answer["Body"])

    def refused(self, name: str, body: str, content_type: str = "application/json") -> tuple[int, dict[str, Any]]:
        """What the container has answered: its status and its JSON."""
        with pytest.raises(ClientError) as error:
            self.ask(name, body, content_type)
        response: dict[str, Any] = {**error.value.response}
        assert response["Error"]["Code"] == "ModelError"
        return response["OriginalStatusCode"], json.loads(response["OriginalMessage"])


def _packed(files: Files) -> bytes:
    """As a training job packs them: weights of safetensors, that only their writer can read."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return body.getvalue()


@pytest.fixture(scope="module")
def endpoints(localcloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """All endpoints of this module, which start at the same time."""
    folder = tmp_path_factory.mktemp("model")
    subprocess.run([os.environ["HFSM_TRAINING_PYTHON"], "-c", MAKE_MODEL, str(folder)], check=True, timeout=120)
    model = {path.name: path.read_bytes() for path in folder.iterdir()}
    bucket = f"serving-{uuid.uuid4().hex[:8]}"
    localcloud.client("s3").create_bucket(Bucket=bucket)
    made = Endpoints(localcloud, bucket)
    contexts = tmp_path_factory.mktemp("contexts")
    servers: tuple[ServingServer, ...] = ("batching", "toolkit")
    images = {server: serving_image(localcloud, Serving(server=server), contexts / server) for server in servers}
    for name, (change, variables, _) in BROKEN.items():
        made.create(name, images["batching"], change(model), variables)
    for server, image in images.items():
        made.create(server, image, model, {})
    yield made
    for name in (*BROKEN, *images):
        made.sagemaker.delete_endpoint(EndpointName=name)


@pytest.mark.parametrize("name", BROKEN)
def test_a_model_that_cannot_be_served_fails_its_endpoint_with_the_reason(endpoints: Endpoints, name: str) -> None:
    described = endpoints.settled(name)

    reason = BROKEN[name][2]
    assert described["EndpointStatus"] == "Failed"
    assert "ended with exit code 1" in described["FailureReason"]
    last_line = described["FailureReason"].splitlines()[-1]
    assert last_line.startswith(reason), last_line
    lines = log_lines(endpoints.running.client("logs"), f"/aws/sagemaker/Endpoints/{name}", "AllTraffic/")
    assert lines[-1].startswith(reason)


def test_both_servers_answer_the_same(endpoints: Endpoints) -> None:
    for server in ("batching", "toolkit"):
        assert endpoints.settled(server)["EndpointStatus"] == "InService"

    ours, stock = (endpoints.ask(server, json.dumps({"inputs": TEXTS})) for server in ("batching", "toolkit"))

    assert [answer["label"] for answer in ours] == [answer["label"] for answer in stock]
    assert [answer["score"] for answer in ours] == pytest.approx([answer["score"] for answer in stock], abs=1e-4)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "field"),
    [
        ("{broken", "application/json", 400, "body"),
        ('{"inputs": 3.5}', "application/json", 400, "inputs"),
        ("x", "application/x-unknown", 415, "Content-Type"),
    ],
)
def test_a_clients_fault_is_the_clients(
    endpoints: Endpoints, body: str, content_type: str, status: int, field: str
) -> None:
    endpoints.settled("batching")

    answered, error = endpoints.refused("batching", body, content_type)

    assert (answered, error["code"], error["field"]) == (status, status, field)
    assert error["message"]
    assert endpoints.ask("batching", json.dumps({"inputs": TEXTS[0]}))


def test_its_log_has_a_line_for_each_request_and_nothing_of_what_was_asked(endpoints: Endpoints) -> None:
    endpoints.settled("batching")
    secret = f"marker{uuid.uuid4().hex}"
    endpoints.ask("batching", json.dumps({"inputs": secret}))

    def lines() -> list[str]:
        return log_lines(endpoints.running.client("logs"), "/aws/sagemaker/Endpoints/batching", "AllTraffic/")

    until(lines, lambda found: any('"status":200' in line for line in found), seconds=10)
    assert not [line for line in lines() if secret in line]
