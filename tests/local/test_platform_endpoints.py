"""Endpoints that CloudFormation waits for."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.cloudformation.resource import Deployed, Request, ResourceError
from localcloud.cloudformation.resources import sagemaker
from tests.local.embedded_aws import RunningLocalCloud, Stacks

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def test_an_endpoint_that_fails_fails_its_stack_with_its_reason(localcloud: RunningLocalCloud, stacks: Stacks) -> None:
    # Given a stack with an endpoint of an image that is in no repository
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
        "InstanceType": "ml.g4dn.xlarge",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1,
    }
    container = {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/no-such-image:1"}
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
        "Model": {
            "Type": "AWS::SageMaker::Model",
            "Properties": {"ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "PrimaryContainer": container},
        },
        "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ProductionVariants": [variant]}},
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {
                "EndpointName": "platform-failing",
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
                "RetainAllVariantProperties": True,
            },
        },
    }

    # When it is deployed
    stack = stacks.create("failing-endpoint", json.dumps({"Resources": resources}))

    # Then the endpoint's reason is the resource's, and everything is rolled back
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = stacks.reasons("failing-endpoint", "CREATE_FAILED")["Endpoint"]
    assert "platform-failing is Failed" in reason
    assert "no-such-image" in reason
    with pytest.raises(ClientError):
        localcloud.client("sagemaker").describe_endpoint(EndpointName="platform-failing")


class Client:
    """SageMaker's endpoint calls; an update makes the endpoint go through the descriptions in turn."""

    def __init__(self, before: dict[str, Any], *afterwards: dict[str, Any]) -> None:
        self.now, self.afterwards = before, list(afterwards)
        self.updates: list[dict[str, Any]] = []

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803 the API's name
        if self.updates and self.afterwards:
            self.now = self.afterwards.pop(0)
        return self.now

    def update_endpoint(self, **request: Any) -> None:
        self.updates.append(request)


def description(status: str, configuration: str, reason: str | None = None) -> dict[str, Any]:
    return {"EndpointStatus": status, "EndpointConfigName": configuration, "FailureReason": reason}


@pytest.fixture
def update(monkeypatch: pytest.MonkeyPatch) -> Callable[[Client], Deployed]:
    """An update of an endpoint's configuration from `old` to `new`."""
    monkeypatch.setattr(sagemaker, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(Request, "arguments", lambda self, service, operation, **own: self.properties | own)

    def run(client: Client) -> Deployed:
        request = Request(
            api=lambda service: client,  # type: ignore[arg-type]
            stack_id="id",
            stack_name="stack",
            logical_id="Endpoint",
            properties={"EndpointConfigName": "new", "RetainAllVariantProperties": True},
            stack_tags={},
            exists=lambda deployed: None,
        )
        deployed = Deployed("arn", {"EndpointName": "sentiment"})
        return sagemaker.Endpoint().update(request, deployed, {"EndpointConfigName": "old"})

    return run


def test_an_update_waits_until_the_new_configuration_is_in_service(update: Callable[[Client], Deployed]) -> None:
    client = Client(description("InService", "old"), description("Updating", "old"), description("InService", "new"))

    assert update(client).attributes["EndpointName"] == "sentiment"
    assert [each["EndpointConfigName"] for each in client.updates] == ["new"]
    assert client.updates[0]["RetainAllVariantProperties"] is True
    assert client.now["EndpointConfigName"] == "new"


def test_an_update_that_fails_while_the_old_one_serves_is_a_failure(update: Callable[[Client], Deployed]) -> None:
    client = Client(
        description("InService", "old"),
        description("Updating", "old"),
        description("InService", "old", "the model could not be loaded"),
    )

    with pytest.raises(ResourceError, match="the model could not be loaded"):
        update(client)


def test_an_endpoint_that_has_its_configuration_is_left_alone(update: Callable[[Client], Deployed]) -> None:
    client = Client(description("InService", "new"))

    update(client)

    assert client.updates == []
