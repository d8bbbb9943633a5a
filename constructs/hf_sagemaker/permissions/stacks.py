"""Stacks that something inside the account updates."""

from collections.abc import Sequence

from constructs import Construct

from hf_sagemaker.permissions.permission import Permission, statement
from hf_sagemaker.place import place_of

ENDPOINT_TYPES = (
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::SageMaker::DataQualityJobDefinition",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::InferenceComponent",
    "AWS::SageMaker::Model",
    "AWS::SageMaker::ModelQualityJobDefinition",
    "AWS::SageMaker::MonitoringSchedule",
    "Custom::EndpointPresence",
    "Custom::EndpointScaling",
    "Custom::EndpointScalingPause",
    "Custom::SmokeRequest",
)
"""Of which an endpoint consists, and what is around each of its updates."""


def update_stack(scope: Construct, stack_name: str, resource_types: Sequence[str]) -> Permission:
    """Update one stack, or those whose names `stack_name` describes with `*`. It then works in the role that it was
    deployed with: only resources of these types, by no other role, by no template from elsewhere and without another
    stack policy.

    A template can still come with the call: no condition refuses that. CloudFormation fails an update that would change
    a resource of a type that the call does not name, and the call can name no others.
    """
    stack_arn = place_of(scope).arn("cloudformation", f"stack/{stack_name}/*")
    return Permission(
        [
            statement(actions=["cloudformation:DescribeStacks"], resources=[stack_arn]),
            statement(
                actions=["cloudformation:UpdateStack"],
                resources=[stack_arn],
                conditions={
                    # "For all values" is true of none at all: the last of the Null conditions asks for some.
                    "ForAllValues:StringEquals": {"cloudformation:ResourceTypes": list(resource_types)},
                    "Null": {
                        "cloudformation:RoleArn": "true",
                        "cloudformation:StackPolicyUrl": "true",
                        "cloudformation:TemplateUrl": "true",
                        "cloudformation:ResourceTypes": "false",
                    },
                },
            ),
        ],
        "The stacks of endpoints, whose names begin alike; CloudFormation ends a stack's ARN in an id of its own.",
    )
