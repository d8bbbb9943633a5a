"""Updates of stacks with the template from before: what SSM parameters say now, which types, what is told."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.built_image import Inbox
from tests.local.compute_projects import until
from tests.local.embedded_aws import RunningLocalCloud, Stacks

AGAIN: dict[str, Any] = {
    "UsePreviousTemplate": True,
    "Parameters": [{"ParameterKey": "Version", "UsePreviousValue": True}],
}


@pytest.fixture
def stack(localcloud: RunningLocalCloud, stacks: Stacks) -> tuple[str, Callable[[str], None]]:
    """A stack of two parameters, one of them only where an SSM parameter says something; and what sets that."""
    name = f"again-{uuid.uuid4().hex[:8]}"
    source = f"/{name}/version"
    ssm = localcloud.client("ssm")

    def says(value: str) -> None:
        ssm.put_parameter(Name=source, Value=value, Type="String", Overwrite=True)

    says("none")
    template = {
        "Parameters": {"Version": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": source}},
        "Conditions": {"Exists": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Version"}, "none"]}]}},
        "Resources": {
            "Always": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Name": f"/{name}/always", "Type": "String", "Value": "1"},
            },
            "Sometimes": {
                "Type": "AWS::SSM::Parameter",
                "Condition": "Exists",
                "Properties": {"Name": f"/{name}/sometimes", "Type": "String", "Value": {"Ref": "Version"}},
            },
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Condition": "Exists",
                "Properties": {"QueueName": {"Fn::Join": ["", [f"{name}-", {"Ref": "Version"}]]}},
            },
        },
    }
    assert stacks.create(name, json.dumps(template))["StackStatus"] == "CREATE_COMPLETE"
    return name, says


def _update(stacks: Stacks, name: str, **arguments: Any) -> str:
    stacks.api.update_stack(StackName=name, **AGAIN, **arguments)
    return str(stacks.wait(name)["StackStatus"])


def _read(stacks: Stacks, name: str) -> str:
    """What the stack's parameter stood for."""
    (described,) = stacks.api.describe_stacks(StackName=name)["Stacks"]
    return str(described["Parameters"][0]["ResolvedValue"])


def _resources(stacks: Stacks, name: str) -> set[str]:
    return {each["LogicalResourceId"] for each in stacks.api.describe_stack_resources(StackName=name)["StackResources"]}


def test_an_update_without_another_template_reads_parameters_anew(stacks: Stacks, stack: Any) -> None:
    name, says = stack
    # Given a stack with nothing to do
    with pytest.raises(ClientError, match="No updates are to be performed"):
        _update(stacks, name)
    assert (_read(stacks, name), _resources(stacks, name)) == ("none", {"Always"})
    # When the parameter says something else
    says("3")
    # Then the same template is another stack
    assert _update(stacks, name) == "UPDATE_COMPLETE"
    assert (_read(stacks, name), _resources(stacks, name)) == ("3", {"Always", "Sometimes", "Queue"})


def test_an_update_that_names_types_changes_no_others(stacks: Stacks, stack: Any) -> None:
    name, says = stack
    says("3")
    # When the update may change one of two types
    assert _update(stacks, name, ResourceTypes=["AWS::SSM::Parameter"]) == "UPDATE_ROLLBACK_COMPLETE"
    # Then it is undone, and the reason names the other one
    assert "AWS::SQS::Queue is none of them" in stacks.reasons(name, "CREATE_FAILED")["Queue"]
    assert (_read(stacks, name), _resources(stacks, name)) == ("none", {"Always"})
    # And with both it goes on
    assert _update(stacks, name, ResourceTypes=["AWS::SSM::Parameter", "AWS::SQS::Queue"]) == "UPDATE_COMPLETE"


def test_every_status_is_an_event(localcloud: RunningLocalCloud, stacks: Stacks, stack: Any) -> None:
    name, says = stack
    # Given a queue that hears of the stack
    sqs, events = localcloud.client("sqs"), localcloud.client("events")
    url = sqs.create_queue(QueueName=f"{name}-told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    (described,) = stacks.api.describe_stacks(StackName=name)["Stacks"]
    pattern = {
        "source": ["aws.cloudformation"],
        "detail": {"stack-id": [described["StackId"]], "status-details": {"status": ["UPDATE_COMPLETE"]}},
    }
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "Queue", "Arn": arn}])
    # When it is updated
    says("3")
    _update(stacks, name)
    # Then it hears so
    inbox = Inbox(sqs, url, arn)
    received = until(lambda: inbox.sqs.receive_message(QueueUrl=url).get("Messages", []), len, seconds=20)
    assert json.loads(received[0]["Body"])["detail-type"] == "CloudFormation Stack Status Change"
    events.remove_targets(Rule=name, Ids=["Queue"])
    events.delete_rule(Name=name)
