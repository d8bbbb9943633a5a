"""Endpoints that are stopped behind CloudFormation's back: started, updated, rolled back and deleted all the same."""

import io
import json
import time
import uuid
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from keep_endpoints import endpoints as keeping
from keep_endpoints.lifetime import State
from tests.local.compute_projects import ROLE, until
from tests.local.embedded_aws import REPOSITORY, Stacks
from tests.local.quick_endpoints import VARIANT, QuickEndpoints, quick_endpoints
from tests.local.resource_case import ROLE_ARN, role


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickEndpoints]:
    with quick_endpoints(tmp_path_factory.mktemp("localcloud")) as made:
        yield made


class KeptStack:
    """A stack with an endpoint as `hf_sagemaker.endpoint_keeper` declares it: the function in front, the parameter
    behind."""

    def __init__(self, endpoints: QuickEndpoints) -> None:
        self.endpoints = endpoints
        self.name = f"kept-{uuid.uuid4().hex[:8]}"
        self.stacks = Stacks(endpoints.running)
        self.lifetimes = keeping.Lifetimes(endpoints.running.client("ssm"), self.name)
        self.clients = {name: endpoints.running.client(name) for name in ("sagemaker", "cloudformation")}
        endpoints.s3.create_bucket(Bucket=self.name)
        endpoints.s3.put_object(Bucket=self.name, Key="code.zip", Body=_code())

    def template(self, word: str) -> str:
        config = {"Fn::GetAtt": ["Config", "EndpointConfigName"]}
        variant = {
            "VariantName": VARIANT,
            "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
            "InstanceType": "ml.g4dn.xlarge",
            "InitialInstanceCount": 1,
            "InitialVariantWeight": 1,
        }
        container = {"Image": self.endpoints.image, "Environment": {"WORD": word}}
        names = {"Environment": self.name, "Name": "kept", "EndpointName": self.name, "EndpointConfigName": config}
        declared = {"endpoint": self.name, "stack": self.name, "variants": [VARIANT]}
        resources = {
            "Role": role(),
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "python3.13",
                    "Handler": "keep_endpoints.presence.handle",
                    "Role": ROLE_ARN,
                    "Timeout": 120,
                    "Code": {"S3Bucket": self.name, "S3Key": "code.zip"},
                },
            },
            "Presence": {
                "Type": "Custom::EndpointPresence",
                "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}, **names},
            },
            "Model": {
                "Type": "AWS::SageMaker::Model",
                "Properties": {"ExecutionRoleArn": ROLE, "PrimaryContainer": container},
            },
            "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ProductionVariants": [variant]}},
            "Endpoint": {
                "Type": "AWS::SageMaker::Endpoint",
                "DependsOn": "Presence",
                "Properties": {"EndpointName": self.name, "EndpointConfigName": config},
            },
            "Lifetime": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {
                    "Name": f"/hf-sagemaker/{self.name}/lifetimes/kept",
                    "Type": "String",
                    "Value": json.dumps(declared),
                },
            },
        }
        return json.dumps({"Resources": resources})

    def create(self, word: str) -> None:
        created = self.stacks.create(self.name, self.template(word))
        assert created["StackStatus"] == "CREATE_COMPLETE", self.stacks.reasons(self.name, "CREATE_FAILED")

    def update(self, word: str) -> str:
        return str(self.stacks.update(self.name, self.template(word))["StackStatus"])

    def stop(self) -> None:
        """As the hourly look and `hfsm endpoints stop` do it, and until it is gone."""
        declaration = self.lifetimes.declarations()["kept"]
        keeping.stop(self.clients, self.lifetimes, declaration, State(), "the test says so", datetime.now(UTC))
        until(lambda: self.status, lambda status: status == keeping.GONE, seconds=30)

    def start(self) -> None:
        declaration, state = self.lifetimes.declarations()["kept"], self.lifetimes.states()["kept"]
        assert keeping.start(
            self.clients["sagemaker"], self.lifetimes, declaration, state, wait=lambda: time.sleep(0.2)
        )
        assert self.endpoints.settled(self.name)["EndpointStatus"] == "InService"

    @property
    def status(self) -> str:
        return str(keeping.describe(self.clients["sagemaker"], self.name)["EndpointStatus"])


def _code() -> bytes:
    """The functions' own packages, as an asset has them."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for package in ("keep_endpoints", "custom_resource"):
            for file in (REPOSITORY / "lambda" / package).glob("*.py"):
                archive.write(file, f"{package}/{file.name}")
    return packed.getvalue()


@pytest.fixture
def kept(endpoints: QuickEndpoints) -> Iterator[KeptStack]:
    """One in service, whose endpoint says `one`."""
    made = KeptStack(endpoints)
    made.create("one")
    yield made
    made.stacks.delete_all()


def test_a_stopped_endpoint_answers_nothing_and_is_started_with_its_name(
    endpoints: QuickEndpoints, kept: KeptStack
) -> None:
    kept.stop()
    with pytest.raises(ClientError):
        endpoints.ask(kept.name)
    kept.start()
    assert endpoints.ask(kept.name) == "one"
    # And the stack goes on with it as if nothing had been
    assert kept.update("two") == "UPDATE_COMPLETE"
    assert endpoints.ask(kept.name) == "two"


def test_a_stopped_endpoint_is_updated_in_one_deployment(endpoints: QuickEndpoints, kept: KeptStack) -> None:
    # Given an endpoint that was stopped
    kept.stop()
    # When its stack is updated with another model, then it is there again, with that model
    assert kept.update("two") == "UPDATE_COMPLETE", kept.stacks.reasons(kept.name, "UPDATE_FAILED")
    assert endpoints.ask(kept.name) == "two"
    # And a stop and a start make what it serves now
    kept.stop()
    kept.start()
    assert endpoints.ask(kept.name) == "two"


def test_a_bad_update_of_a_stopped_endpoint_brings_back_what_it_was(endpoints: QuickEndpoints, kept: KeptStack) -> None:
    kept.stop()
    assert kept.update("unhealthy") == "UPDATE_ROLLBACK_COMPLETE"
    assert endpoints.ask(kept.name) == "one"


def test_an_endpoint_that_somebody_has_deleted_is_mended_by_the_next_update(
    endpoints: QuickEndpoints, kept: KeptStack
) -> None:
    kept.clients["sagemaker"].delete_endpoint(EndpointName=kept.name)
    until(lambda: kept.status, lambda status: status == keeping.GONE, seconds=30)
    assert kept.update("two") == "UPDATE_COMPLETE"
    assert endpoints.ask(kept.name) == "two"


def test_a_stack_whose_endpoint_is_stopped_is_deleted_and_forgotten(kept: KeptStack) -> None:
    kept.stop()
    assert "kept" in kept.lifetimes.states()
    assert kept.stacks.delete(kept.name)["StackStatus"] == "DELETE_COMPLETE"
    assert kept.lifetimes.states() == {}
