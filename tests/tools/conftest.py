"""What the tests of the operator's command share: an AWS to talk to, and the command itself."""

import json
import signal
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer

import hfsm.__main__ as command
from hfsm.cloud import Cloud

PACKAGE_ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/dev-text-classification/1"
OUTCOME = {
    "training": {},
    "evaluation": {"metric": "eval_accuracy", "value": 0.81, "minimum": 0.6, "passed": True},
    "model_package_arn": PACKAGE_ARN,
}
SUCCEEDS = {"Train": {"Type": "Pass", "Result": OUTCOME, "End": True}}


@dataclass(frozen=True)
class Result:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def hfsm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Result]]:
    """Runs `hfsm` with arguments, as a user would, and returns exit code and output."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["hfsm", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            command.main()
        said = capsys.readouterr()
        return Result(int(ended.value.code or 0), said.out, said.err)

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """moto, whose state machines really run; what the embedded AWS adds to it is tested in tests/local."""
    before = default_user_config["stepfunctions"]
    default_user_config["stepfunctions"] = {**before, "execute_state_machine": True}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield f"http://localhost:{server.get_host_and_port()[1]}"
    server.stop()
    default_user_config["stepfunctions"] = before


@pytest.fixture(scope="session")
def clients(moto_server: str) -> Cloud:
    """Clients that the tests themselves use: making one costs more than most calls."""
    return Cloud(endpoint_url=moto_server, local=True, region="us-east-1")


@pytest.fixture
def aws(moto_server: str, clients: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An empty AWS, to which `hfsm` talks by the usual variables."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(Cloud, "poll_seconds", 0.1)
    yield clients
    urllib.request.urlopen(urllib.request.Request(f"{moto_server}/moto-api/reset", method="POST")).close()


@pytest.fixture
def put_parameters(aws: Cloud) -> Callable[[dict[str, str]], None]:
    """Writes SSM parameters of environment dev."""

    def put(values: dict[str, str]) -> None:
        for name, value in values.items():
            aws.client("ssm").put_parameter(Name=f"/hf-sagemaker/dev/{name}", Value=value, Type="String")

    return put


@pytest.fixture
def deploy(aws: Cloud, put_parameters: Callable[[dict[str, str]], None]) -> Callable[..., Cloud]:
    """Makes what the stacks of environment dev leave for operators, with a state machine of the given states."""

    def make(states: dict[str, Any] = SUCCEEDS) -> Cloud:
        for bucket in ("dev-data", "dev-models"):
            aws.client("s3").create_bucket(Bucket=bucket)
        machine = aws.client("stepfunctions").create_state_machine(
            name="dev-training",
            roleArn="arn:aws:iam::123456789012:role/dev",
            definition=json.dumps({"StartAt": next(iter(states)), "States": states}),
        )["stateMachineArn"]
        aws.client("sagemaker").create_model_package_group(
            ModelPackageGroupName="dev-text-classification", ModelPackageGroupDescription="Of the tests"
        )
        put_parameters(
            {
                "data/data-bucket": "dev-data",
                "data/models-bucket": "dev-models",
                "training/text-classification/state-machine-arn": machine,
                "training/text-classification/model-package-group": "dev-text-classification",
            },
        )
        return aws

    return make


@pytest.fixture
def serve(aws: Cloud, moto_server: str, put_parameters: Callable[[dict[str, str]], None]) -> Callable[[Any], Cloud]:
    """Makes endpoint `sentiment`, called dev-sentiment in SageMaker, which gives the given answer."""

    def make(answer: Any) -> Cloud:
        sagemaker = aws.client("sagemaker")
        role = "arn:aws:iam::123456789012:role/dev"
        sagemaker.create_model(ModelName="model", ExecutionRoleArn=role, PrimaryContainer={"Image": "image"})
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": "model",
            "InstanceType": "ml.g4dn.xlarge",
            "InitialInstanceCount": 1,
        }
        sagemaker.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="dev-sentiment", EndpointConfigName="config")
        put_parameters({"inference/sentiment/endpoint-name": "dev-sentiment"})
        results = {"results": [{"Body": json.dumps(answer), "ContentType": "application/json"}]}
        urllib.request.urlopen(
            urllib.request.Request(
                f"{moto_server}/moto-api/static/sagemaker/endpoint-results",
                data=json.dumps({"account_id": "123456789012", "region": "us-east-1", **results}).encode(),
                headers={"Content-Type": "application/json"},
                method="POST",
            )
        ).close()
        return aws

    return make


@pytest.fixture
def image_project(aws: Cloud, put_parameters: Any) -> Cloud:
    """An environment with one image, `training`, whose project was never started."""
    repository = aws.client("ecr").create_repository(repositoryName="hf-sagemaker/dev/training")["repository"]
    aws.client("codebuild").create_project(
        name="dev-training-image",
        source={"type": "S3", "location": "bucket/key"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole="arn:aws:iam::123456789012:role/service-role/build",
    )
    put_parameters({"images/training/project": "dev-training-image"})
    put_parameters({"images/training/uri": repository["repositoryUri"] + ":abc", "images/training/digest": "none"})
    put_parameters({"images/training/base": "huggingface-pytorch-training:2.8.0-transformers4.56.2"})
    return aws


@pytest.fixture
def request_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a training request with good data beside it; arguments replace its fields."""
    (tmp_path / "data").mkdir()
    rows = [{"text": f"sentence {number}", "label": number % 2} for number in range(8)]
    (tmp_path / "data" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def write(**fields: Any) -> Path:
        body = {"schema_version": "1", "name": "sentiment", "channels": {"train": "data"}} | fields
        path = tmp_path / "request.json"
        path.write_text(json.dumps(body, indent=2))
        return path

    return write
