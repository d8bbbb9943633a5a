"""Endpoints serve with the real model server, and fail with words that help."""

import json
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from localcloud.sagemaker.serving_container import NotServingError, ServingContainer, Stop
from tests.local.compute_projects import ROLE, Projects, archive, descendants, log_lines, until
from tests.local.quick_endpoints import under_load

# Looks at the model before it serves, then hands over to multi-model-server, whose handler is the model's own code.
SERVE = """
import os, pathlib, sys
from sagemaker_inference import model_server
model = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "model/word.txt")
if not model.is_file():
    sys.exit("the model could not be loaded: word.txt is missing")
model_server.start_model_server()
"""
HANDLER = """
import pathlib
def model_fn(model_dir):
    return pathlib.Path(model_dir, "word.txt").read_text()
def input_fn(data, content_type):
    if content_type != "text/plain":
        raise ValueError(f"only text/plain is understood, not {content_type}")
    return data.decode() if isinstance(data, (bytes, bytearray)) else data
def predict_fn(data, model):
    return f"{model} {data}"
def output_fn(prediction, accept):
    return prediction.encode()
"""
DOCKERFILE = """
ARG BASE_IMAGE
FROM $BASE_IMAGE
COPY serve.py /opt/serve.py
ENTRYPOINT ["python", "/opt/serve.py"]
"""


@dataclass
class Endpoints:
    """Registers models and makes endpoints on the running embedded AWS; ends them afterwards."""

    running: Any
    image: str
    bucket: str

    def __post_init__(self) -> None:
        self.sagemaker = self.running.client("sagemaker")
        self.runtime = self.running.client("sagemaker-runtime")
        self.s3 = self.running.client("s3")
        self.group = f"group-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_model_package_group(ModelPackageGroupName=self.group)

    def package(self, files: dict[str, str], *, status: str = "Approved") -> str:
        """Registers what the files are packed into; the package's ARN."""
        key = f"{uuid.uuid4().hex}/model.tar.gz"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=archive(files))
        container = {"Image": self.image, "ModelDataUrl": f"s3://{self.bucket}/{key}"}
        answer = self.sagemaker.create_model_package(
            ModelPackageGroupName=self.group,
            ModelApprovalStatus=status,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/plain"],
                "SupportedResponseMIMETypes": ["text/plain"],
            },
        )
        return str(answer["ModelPackageArn"])

    def config(self, files: dict[str, str], *, count: int = 1) -> str:
        """A configuration with one variant of that model; its name."""
        name = f"config-{uuid.uuid4().hex[:8]}"
        container = {"ModelPackageName": self.package(files)}
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "InstanceType": "ml.g4dn.xlarge",
            "InitialInstanceCount": count,
        }
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        return name

    def create(self, config: str) -> tuple[str, dict[str, Any]]:
        """Makes one and waits; its name and description."""
        name = f"endpoint-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return name, self.settled(name)

    def settled(self, name: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            described: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
            return described

        changing = ("Creating", "Updating", "RollingBack")
        return until(look, lambda endpoint: endpoint["EndpointStatus"] not in changing, seconds=200)

    def ask(self, name: str, text: str, content_type: str = "text/plain") -> str:
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=text, ContentType=content_type)
        return str(answer["Body"].read().decode())

    def delete(self, name: str) -> None:
        self.sagemaker.delete_endpoint(EndpointName=name)
        names = lambda: [each["EndpointName"] for each in self.sagemaker.list_endpoints()["Endpoints"]]  # noqa: E731
        until(names, lambda left: name not in left, seconds=60)


def model(word: str) -> dict[str, str]:
    return {"word.txt": word, "code/inference.py": HANDLER}


@pytest.fixture(scope="module")
def endpoints(localcloud: Any) -> Endpoints:
    projects = Projects(localcloud)
    image = projects.image({"Dockerfile": DOCKERFILE, "serve.py": SERVE}, "inference")
    return Endpoints(localcloud, image, projects.bucket)


@pytest.fixture(scope="module")
def serving(endpoints: Endpoints) -> str:
    """An endpoint in service; its name. Tests leave it with a model that says `hello`."""
    name, described = endpoints.create(endpoints.config(model("hello")))
    assert described["EndpointStatus"] == "InService", described
    return name


def test_it_answers_with_the_model(endpoints: Endpoints, serving: str) -> None:
    assert endpoints.ask(serving, "world") == "hello world"


def test_an_error_of_the_container_is_a_model_error(endpoints: Endpoints, serving: str) -> None:
    # Given a request that the model's own code refuses
    with pytest.raises(ClientError) as error:
        endpoints.ask(serving, "{}", "application/json")

    # Then the caller gets its words and its status
    response: dict[str, Any] = {**error.value.response}
    assert response["Error"]["Code"] == "ModelError"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] >= 400
    assert response["OriginalMessage"]


def test_invocations_are_counted_in_cloudwatch(endpoints: Endpoints, serving: str) -> None:
    # Given some requests
    for _ in range(3):
        endpoints.ask(serving, "world")
    cloudwatch = endpoints.running.client("cloudwatch")
    now = datetime.now(UTC)

    def total(metric: str) -> float:
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[{"Name": "EndpointName", "Value": serving}, {"Name": "VariantName", "Value": "AllTraffic"}],
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=10),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))

    # Then they appear within seconds, with the time that they took in microseconds
    until(lambda: total("Invocations"), lambda number: number >= 3, seconds=10)
    assert total("ModelLatency") > 3 * 100


def test_an_update_that_cannot_serve_leaves_the_old_model_in_service(endpoints: Endpoints, serving: str) -> None:
    # Given an endpoint in service, and a configuration whose model cannot be loaded
    before = endpoints.sagemaker.describe_endpoint(EndpointName=serving)["EndpointConfigName"]
    broken = endpoints.config({"other.txt": "hello"})

    # When it is updated
    endpoints.sagemaker.update_endpoint(EndpointName=serving, EndpointConfigName=broken)
    described = endpoints.settled(serving)

    # Then it is in service with what it had, and says why
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == before
    assert "the model could not be loaded: word.txt is missing" in described["FailureReason"]
    assert endpoints.ask(serving, "again") == "hello again"


def test_more_containers_serve_when_they_are_asked_for(endpoints: Endpoints, serving: str) -> None:
    # Given an endpoint with one container
    def scale(number: int) -> dict[str, Any]:
        endpoints.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=serving,
            DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": number}],
        )
        described: dict[str, Any] = endpoints.settled(serving)["ProductionVariants"][0]
        return described

    # When there shall be two, and one again
    two = scale(2)
    answers = {endpoints.ask(serving, "both") for _ in range(4)}
    one = scale(1)

    # Then there are
    assert (two["CurrentInstanceCount"], two["DesiredInstanceCount"]) == (2, 2)
    assert answers == {"hello both"}
    assert one["CurrentInstanceCount"] == 1


def test_an_update_replaces_the_model_and_loses_no_request(endpoints: Endpoints, serving: str) -> None:
    # Given an endpoint with one model, under load
    config = endpoints.config(model("hi"))

    # When it gets another one
    with under_load(lambda: endpoints.ask(serving, "world")) as load:
        endpoints.sagemaker.update_endpoint(
            EndpointName=serving, EndpointConfigName=config, RetainAllVariantProperties=True
        )
        described = endpoints.settled(serving)

    # Then that one answers, and nobody has seen an error
    assert described["EndpointConfigName"] == config
    assert endpoints.ask(serving, "world") == "hi world"
    assert load.errors == []
    assert load.counted["hello world"] > 0


def test_a_model_that_cannot_be_loaded_fails_the_endpoint_and_says_so(endpoints: Endpoints) -> None:
    # Given a model without what the container needs
    name, described = endpoints.create(endpoints.config({"other.txt": "hello"}))

    # Then the endpoint has failed, with AWS's words and the container's own
    assert described["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert "the model could not be loaded: word.txt is missing" in described["FailureReason"]

    # And its log has them, and nobody can call it
    lines = log_lines(endpoints.running.client("logs"), f"/aws/sagemaker/Endpoints/{name}", "AllTraffic/")
    assert "the model could not be loaded: word.txt is missing" in lines
    with pytest.raises(ClientError, match="is Failed, not InService") as error:
        endpoints.ask(name, "world")
    assert error.value.response["Error"]["Code"] == "ValidationError"
    endpoints.delete(name)


def test_model_data_that_is_no_archive_fails_the_endpoint(endpoints: Endpoints) -> None:
    # Given model data that is no archive
    config = endpoints.config(model("hello"))
    package = endpoints.sagemaker.describe_model(ModelName=config)["PrimaryContainer"]["ModelPackageName"]
    described = endpoints.sagemaker.describe_model_package(ModelPackageName=package)
    url = described["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    endpoints.s3.put_object(Bucket=endpoints.bucket, Key=url.partition(f"{endpoints.bucket}/")[2], Body=b"no archive")

    # When an endpoint is made of it
    name, endpoint = endpoints.create(config)

    # Then it fails, and names the data
    assert endpoint["EndpointStatus"] == "Failed"
    assert f'Failed to extract model data archive from URL "{url}"' in endpoint["FailureReason"]
    endpoints.delete(name)


def test_a_package_must_be_approved_before_a_model_is_made_of_it(endpoints: Endpoints) -> None:
    # Given a package that waits for approval
    package = endpoints.package(model("hello"), status="PendingManualApproval")
    request = {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"ModelPackageName": package}}
    with pytest.raises(ClientError, match="its approval status is PendingManualApproval, not Approved"):
        endpoints.sagemaker.create_model(ModelName="too-early", **request)

    # When it is approved
    endpoints.sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")

    # Then it can be used, and is listed as approved
    name = f"approved-{uuid.uuid4().hex[:8]}"
    endpoints.sagemaker.create_model(ModelName=name, **request)
    listed = endpoints.sagemaker.list_model_packages(
        ModelPackageGroupName=endpoints.group, ModelApprovalStatus="Approved"
    )["ModelPackageSummaryList"]
    assert package in [summary["ModelPackageArn"] for summary in listed]


@pytest.mark.parametrize(
    ("kind", "compression", "key", "words"),
    [
        ("S3Prefix", "Gzip", "model/", "CompressionType must be None"),
        ("S3Prefix", "None", "model", "must end in /"),
        ("S3Object", "Gzip", "model/", "must not end in /"),
    ],
)
def test_model_data_that_contradicts_itself_is_refused(
    localcloud: Any, kind: str, compression: str, key: str, words: str
) -> None:
    place = {"S3Uri": f"s3://bucket/{key}", "S3DataType": kind, "CompressionType": compression}
    container = {
        "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/x:1",
        "ModelDataSource": {"S3DataSource": place},
    }
    with pytest.raises(ClientError, match=words):
        localcloud.client("sagemaker").create_model(
            ModelName="contradiction", ExecutionRoleArn=ROLE, PrimaryContainer=container
        )


def test_an_approval_leaves_the_rest_of_a_package_alone(endpoints: Endpoints) -> None:
    # Given a package with metadata
    package = endpoints.package(model("hello"), status="PendingManualApproval")
    change = endpoints.sagemaker.update_model_package
    change(ModelPackageArn=package, CustomerMetadataProperties={"accuracy": "0.8"})

    # When only its status, and then only its metadata changes
    change(ModelPackageArn=package, ModelApprovalStatus="Approved", ApprovalDescription="good enough")
    change(ModelPackageArn=package, CustomerMetadataProperties={"seen": "yes"})

    # Then all of it is there
    described = endpoints.sagemaker.describe_model_package(ModelPackageName=package)
    assert described["ModelApprovalStatus"] == "Approved"
    assert described["ApprovalDescription"] == "good enough"
    assert described["CustomerMetadataProperties"] == {"accuracy": "0.8", "seen": "yes"}


def test_versions_are_not_given_twice(endpoints: Endpoints) -> None:
    # Given three versions, the second of which is deleted
    group, endpoints.group = endpoints.group, f"group-{uuid.uuid4().hex[:8]}"
    endpoints.sagemaker.create_model_package_group(ModelPackageGroupName=endpoints.group)
    packages = [endpoints.package(model(str(number))) for number in range(3)]
    endpoints.sagemaker.delete_model_package(ModelPackageName=packages[1])

    # When another one is registered
    fourth = endpoints.package(model("fourth"))
    endpoints.group = group

    # Then it is the fourth
    assert [arn.rpartition("/")[2] for arn in [*packages, fourth]] == ["1", "2", "3", "4"]


def test_an_endpoint_that_does_not_exist_is_a_validation_error(endpoints: Endpoints) -> None:
    with pytest.raises(ClientError, match="Endpoint nobody of account 123456789012 not found") as error:
        endpoints.ask("nobody", "world")
    assert error.value.response["Error"]["Code"] == "ValidationError"


def test_deleting_leaves_no_process(endpoints: Endpoints, serving: str) -> None:
    # Given an endpoint in service
    server = psutil.Process(endpoints.running.process.pid)
    assert any("com.amazonaws.ml.mms.ModelServer" in each.cmdline() for each in server.children(recursive=True))

    # When it is deleted
    endpoints.delete(serving)

    # Then nothing runs any more
    until(lambda: descendants(server), lambda found: not found, seconds=20)


def test_waiting_ends_when_the_endpoint_is_deleted() -> None:
    # Given a container that never becomes healthy, of an endpoint that was deleted
    class NeverReady:
        exit_code = None

        def wait(self, timeout: float) -> None:
            return None

    waiting = ServingContainer(NeverReady(), "AllTraffic", log=None)  # type: ignore[arg-type]

    deleted = threading.Event()
    deleted.set()

    # Then nobody waits for it
    with pytest.raises(NotServingError, match="being deleted"):
        waiting.wait_until_healthy(deadline=float("inf"), stop=Stop(deleted))


def test_configurations_are_kept_as_they_were_given(endpoints: Endpoints) -> None:
    # Given a configuration with members that matter to scaling
    name = endpoints.config(model("hello"), count=2)

    # When it is described
    described = endpoints.sagemaker.describe_endpoint_config(EndpointConfigName=name)

    # Then they are there, and the name cannot be used again
    assert json.loads(json.dumps(described["ProductionVariants"]))[0]["InitialInstanceCount"] == 2
    with pytest.raises(ClientError, match="Cannot create already existing endpoint configuration"):
        endpoints.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=described["ProductionVariants"]
        )
