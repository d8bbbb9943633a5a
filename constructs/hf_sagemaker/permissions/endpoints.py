"""What functions of an environment do with its endpoints: scale them, and ask them something."""

from collections.abc import Sequence

from constructs import Construct

from hf_sagemaker.permissions.deploying_actions import SCALING_SERVICE
from hf_sagemaker.permissions.permission import Permission, allow, statement
from hf_sagemaker.place import place_of

SCALE = (
    "application-autoscaling:DeleteScalingPolicy",
    "application-autoscaling:DeleteScheduledAction",
    "application-autoscaling:DeregisterScalableTarget",
    "application-autoscaling:PutScalingPolicy",
    "application-autoscaling:PutScheduledAction",
    "application-autoscaling:RegisterScalableTarget",
)
LOOK_AT_SCALING = (
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScalingPolicies",
    "application-autoscaling:DescribeScheduledActions",
)
_PREFIXES = "This environment's, by the prefix of their names."


def look_at_endpoints(scope: Construct, environment: str) -> Permission:
    """Describe the environment's endpoints, components and endpoint configurations, which CloudFormation names."""
    place = place_of(scope)
    return Permission(
        [
            statement(
                actions=["sagemaker:DescribeEndpoint", "sagemaker:DescribeInferenceComponent"],
                resources=[
                    place.arn("sagemaker", f"{kind}/{environment}-*") for kind in ("endpoint", "inference-component")
                ],
            ),
            statement(
                actions=["sagemaker:DescribeEndpointConfig"], resources=[place.arn("sagemaker", "endpoint-config/*")]
            ),
        ],
        f"{_PREFIXES} Endpoint configurations have none that is fixed: CloudFormation names them.",
    )


def scale_endpoints(scope: Construct, environment: str) -> Permission:
    """Register the environment's variants and components with Application Auto Scaling, which makes the changes.

    Its ARNs hold numbers of its own: which endpoint a target is cannot be said there. What can be is the service. The
    counts themselves are set with the caller's right to set them, which is the environment's alone.
    """
    place = place_of(scope)
    of_sagemaker = {"StringEquals": {"application-autoscaling:service-namespace": "sagemaker"}}
    role = f"role/aws-service-role/{SCALING_SERVICE}/*"
    return Permission(
        [
            statement(
                actions=SCALE,
                resources=[place.arn("application-autoscaling", "scalable-target/*")],
                conditions=of_sagemaker,
            ),
            statement(actions=LOOK_AT_SCALING, resources=["*"]),
            statement(
                actions=["sagemaker:UpdateEndpointWeightsAndCapacities"],
                resources=[place.arn("sagemaker", f"endpoint/{environment}-*")],
            ),
            statement(
                actions=["cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm"],
                resources=[place.arn("cloudwatch", f"alarm:{environment}-*")],
            ),
            statement(
                actions=["iam:CreateServiceLinkedRole"],
                resources=[f"arn:{place.partition}:iam::{place.account}:{role}"],
                conditions={"StringEquals": {"iam:AWSServiceName": SCALING_SERVICE}},
            ),
        ],
        f"{_PREFIXES} Application Auto Scaling numbers its targets, and its questions know no resource type; AWS names "
        "the role with which it scales endpoints.",
    )


def look_at_stacks(scope: Construct, stack_names: str) -> Permission:
    """Describe stacks, given by a pattern of their names."""
    return allow(
        ["cloudformation:DescribeStacks"],
        place_of(scope).arn("cloudformation", f"stack/{stack_names}/*"),
        why_wildcards="CloudFormation ends a stack's ARN in an id of its own.",
    )


def ask_endpoints(scope: Construct, environment: str, actions: Sequence[str]) -> Permission:
    """Ask any of the environment's endpoints, and look at it. actions: `sagemaker:InvokeEndpoint`, or its asynchronous
    form too."""
    place = place_of(scope)
    endpoints, components = (
        place.arn("sagemaker", f"{kind}/{environment}-*") for kind in ("endpoint", "inference-component")
    )
    return Permission(
        [
            statement(actions=[*actions, "sagemaker:DescribeEndpoint"], resources=[endpoints]),
            statement(actions=["sagemaker:InvokeEndpoint"], resources=[components]),
        ],
        _PREFIXES,
    )
