"""Endpoints of stacks: what CloudFormation asks SageMaker for, and what it makes of what SageMaker does by itself."""

import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.compute_projects import ROLE, until
from tests.local.embedded_aws import Stacks
from tests.local.quick_endpoints import VARIANT, QuickEndpoints, blue_green, percent, quick_endpoints


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickEndpoints]:
    with quick_endpoints(tmp_path_factory.mktemp("localcloud")) as made:
        yield made


class EndpointStack:
    """A stack with one endpoint, and a parameter after it that says which word it is for."""

    def __init__(self, endpoints: QuickEndpoints) -> None:
        self.endpoints = endpoints
        self.name = self.endpoint = f"stack-{uuid.uuid4().hex[:8]}"
        self.stacks = Stacks(endpoints.running)

    def template(self, word: str, **properties: Any) -> str:
        container = {"Image": self.endpoints.image, "Environment": {"WORD": word}}
        variant = {
            "VariantName": VARIANT,
            "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
            "InstanceType": "ml.g4dn.xlarge",
            "InitialInstanceCount": 1,
            "InitialVariantWeight": 1,
        }
        endpoint = {
            "EndpointName": self.endpoint,
            "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
            "RetainAllVariantProperties": True,
            **properties,
        }
        resources = {
            "Model": {
                "Type": "AWS::SageMaker::Model",
                "Properties": {"ExecutionRoleArn": ROLE, "PrimaryContainer": container},
            },
            "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ProductionVariants": [variant]}},
            "Endpoint": {"Type": "AWS::SageMaker::Endpoint", "Properties": endpoint},
            "After": {
                "Type": "AWS::SSM::Parameter",
                "DependsOn": "Endpoint",
                "Properties": {"Name": f"/{self.name}/word", "Type": "String", "Value": word},
            },
        }
        return json.dumps({"Resources": resources})

    def create(self, word: str) -> str:
        return str(self.stacks.create(self.name, self.template(word))["StackStatus"])

    def update(self, word: str, **properties: Any) -> str:
        return str(self.stacks.update(self.name, self.template(word, **properties))["StackStatus"])

    @property
    def status(self) -> str:
        return str(self.stacks.api.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"])


@pytest.fixture
def stack(endpoints: QuickEndpoints) -> Iterator[EndpointStack]:
    """One in service, whose endpoint says `one`."""
    made = EndpointStack(endpoints)
    assert made.create("one") == "CREATE_COMPLETE"
    yield made
    made.stacks.delete_all()


def test_an_update_is_deployed_as_the_template_says(endpoints: QuickEndpoints, stack: EndpointStack) -> None:
    # When the template has another model and a deployment configuration
    canary = blue_green("CANARY", wait=60, CanarySize=percent(50))
    status = stack.update("two", DeploymentConfig=canary)

    # Then the endpoint was updated in that way
    assert status == "UPDATE_COMPLETE"
    assert endpoints.ask(stack.endpoint) == "two"
    assert endpoints.described(stack.endpoint)["LastDeploymentConfig"] == canary


def test_another_way_to_update_alone_updates_nothing(endpoints: QuickEndpoints, stack: EndpointStack) -> None:
    # Given an endpoint
    before = endpoints.described(stack.endpoint)["LastModifiedTime"]

    # When only the way in which it is to be updated changes
    status = stack.update("one", DeploymentConfig=blue_green("ALL_AT_ONCE", wait=0, keep=600))

    # Then it is left alone
    assert status == "UPDATE_COMPLETE"
    assert endpoints.described(stack.endpoint)["LastModifiedTime"] == before


def test_a_rollback_of_sagemakers_fails_the_stack_with_its_reason(
    endpoints: QuickEndpoints, stack: EndpointStack
) -> None:
    # Given an alarm that goes off while an update bakes
    alarm = endpoints.alarm("ALARM")

    # When the stack is updated
    status = stack.update("two", DeploymentConfig=blue_green("ALL_AT_ONCE", wait=0, alarms=(alarm,)))

    # Then it fails, although the endpoint is in service
    assert status == "UPDATE_ROLLBACK_COMPLETE"
    assert alarm in stack.stacks.reasons(stack.name, "UPDATE_FAILED")["Endpoint"]
    assert endpoints.described(stack.endpoint)["EndpointStatus"] == "InService"
    assert endpoints.ask(stack.endpoint) == "one"


def test_a_cancelled_update_ends_at_its_next_resource_and_is_rolled_back(
    endpoints: QuickEndpoints, stack: EndpointStack
) -> None:
    # Given an update of a stack whose endpoint bakes
    slow = blue_green("ALL_AT_ONCE", wait=0, keep=60)
    updating = threading.Thread(target=stack.update, args=("two",), kwargs={"DeploymentConfig": slow})
    updating.start()
    endpoints.baking(stack.endpoint)

    # When it is cancelled meanwhile
    stack.stacks.api.cancel_update_stack(StackName=stack.name)
    updating.join()

    # Then the endpoint was still updated, nothing after it was, and everything is as it was before
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "Endpoint" in stack.stacks.reasons(stack.name, "UPDATE_COMPLETE")
    assert "After" not in stack.stacks.reasons(stack.name, "UPDATE_IN_PROGRESS")
    assert endpoints.ask(stack.endpoint) == "one"


def test_a_stack_that_is_not_updated_has_no_update_to_cancel(stack: EndpointStack) -> None:
    with pytest.raises(ClientError, match="cannot be called from current stack status"):
        stack.stacks.api.cancel_update_stack(StackName=stack.name)


def test_an_endpoint_that_was_deleted_by_hand_fails_an_update_and_not_a_deletion(
    endpoints: QuickEndpoints, stack: EndpointStack
) -> None:
    # Given a stack whose endpoint somebody has deleted
    endpoints.sagemaker.delete_endpoint(EndpointName=stack.endpoint)
    names = lambda: [each["EndpointName"] for each in endpoints.sagemaker.list_endpoints()["Endpoints"]]  # noqa: E731
    until(names, lambda left: stack.endpoint not in left, seconds=30)

    # When the stack is updated
    status = stack.update("two")

    # Then it fails and says so; its rollback has nothing to go back to either
    assert status.startswith("UPDATE_ROLLBACK")
    assert "Could not find endpoint" in stack.stacks.reasons(stack.name, "UPDATE_FAILED")["Endpoint"]

    # And it can be deleted
    assert stack.stacks.delete(stack.name)["StackStatus"] == "DELETE_COMPLETE"
