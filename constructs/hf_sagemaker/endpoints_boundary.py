"""The upper limit of the roles that look after endpoints: they work with endpoints, and with nobody's data."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_iam as iam
from constructs import Construct

from hf_sagemaker.guardrails import Statement, policy_document
from hf_sagemaker.permissions.deploying_actions import SCALING_SERVICE
from hf_sagemaker.permissions.endpoints import LOOK_AT_SCALING, SCALE
from hf_sagemaker.permissions.workflows import STEP_FUNCTIONS_LOG_DELIVERY, XRAY_WRITE
from hf_sagemaker.permissions_boundary import LONGEST_POLICY, possible, wildcards
from hf_sagemaker.place import place_of


class EndpointsBoundary(iam.ManagedPolicy):
    """A managed policy that is the boundary of the roles of what endpoints share, and of batch transforms.

    One boundary for all roles of an environment would be longer than IAM takes, and would let a training job scale
    endpoints, should its role be widened by mistake.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        path: str,
        denials: Sequence[Statement],
        deployers: str | None = None,
    ) -> None:
        """Creates the policy.

        environment: the names of its stacks, and of what they make, begin with it. path: IAM path of its roles.
        denials: from hf_sagemaker.guardrails.
        deployers: what the names of the roles begin with that may update the stacks of endpoints. Omitted: none may.

        Raises PolicyTooLongError when the policy is longer than IAM takes.
        """
        place = place_of(scope)
        arn, here = f"arn:{place.partition}", f"{place.region}:{place.account}"
        statements = [
            # Bucket names are the whole world's: without the account another's could begin with the same word.
            {
                **_allow(_OBJECTS, f"{arn}:s3:::{environment}-*"),
                "Condition": {"StringEquals": {"aws:ResourceAccount": place.account}},
            },
            _allow(
                _WITH_RESOURCES,
                *(f"{arn}:{each.format(place=here, environment=environment)}" for each in _RESOURCES),
                f"{arn}:iam::{place.account}:role/aws-service-role/{SCALING_SERVICE}/*",
            ),
            _allow(_WITHOUT_RESOURCES, "*"),
        ]
        if deployers:
            # Whoever updates a stack works in the role that it was deployed with.
            updates = _allow(
                ["cloudformation:UpdateStack", "ssm:GetParameters"],
                f"{arn}:cloudformation:{here}:stack/{environment}-Endpoint*",
                f"{arn}:ssm:{here}:parameter/cdk-bootstrap/*",
            )
            named = f"{arn}:iam::{place.account}:role{path}{deployers}*"
            statements.append({**updates, "Condition": {"ArnLike": {"aws:PrincipalArn": named}}})
        super().__init__(
            scope,
            construct_id,
            path=path,
            document=iam.PolicyDocument.from_json(
                policy_document(
                    f"boundary of what looks after endpoints of {environment}",
                    [*statements, *possible(denials, statements)],
                    longest=LONGEST_POLICY,
                    mend="Name fewer instance types in its settings.",
                )
            ),
        )
        self.wildcards = wildcards(statements)


_OBJECTS = ("s3:GetObject", "s3:ListBucket", "s3:PutObject")
_RESOURCES = (
    "application-autoscaling:{place}:scalable-target/*",
    "cloudformation:{place}:stack/{environment}-*",
    "cloudwatch:{place}:alarm:{environment}-*",
    "events:{place}:rule/StepFunctionsGetEvent*",
    "kms:{place}:key/*",
    "lambda:{place}:function:{environment}-*",
    "logs:{place}:log-group:*",
    "sagemaker:{place}:endpoint-config/*",
    "sagemaker:{place}:endpoint/{environment}-*",
    "sagemaker:{place}:inference-component/{environment}-*",
    "sagemaker:{place}:model-package/{environment}-*",
    "sagemaker:{place}:model/*",
    "sagemaker:{place}:transform-job/*",
    "sns:{place}:{environment}-*",
    "sqs:{place}:{environment}-*",
    "ssm:{place}:parameter/hf-sagemaker/{environment}/*",
    "states:{place}:*",
)
_WITH_RESOURCES = (
    *SCALE,
    "cloudformation:DescribeStacks",
    "cloudwatch:DeleteAlarms",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:PutMetricAlarm",
    "events:DescribeRule",
    "events:PutRule",
    "events:PutTargets",
    "iam:CreateServiceLinkedRole",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "lambda:InvokeFunction",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sagemaker:AddTags",
    "sagemaker:CreateEndpoint",
    "sagemaker:CreateTransformJob",
    "sagemaker:DeleteEndpoint",
    "sagemaker:DescribeEndpoint",
    "sagemaker:DescribeEndpointConfig",
    "sagemaker:DescribeInferenceComponent",
    "sagemaker:DescribeTransformJob",
    "sagemaker:InvokeEndpoint",
    "sagemaker:InvokeEndpointAsync",
    "sagemaker:ListModelPackages",
    "sagemaker:ListTags",
    "sagemaker:StopTransformJob",
    "sagemaker:UpdateEndpoint",
    "sagemaker:UpdateEndpointWeightsAndCapacities",
    "sns:Publish",
    "sqs:SendMessage",
    "ssm:DeleteParameters",
    "ssm:GetParameter",
    "ssm:GetParameters",
    "ssm:GetParametersByPath",
    "ssm:PutParameter",
    "states:DescribeExecution",
    "states:StartExecution",
)
_WITHOUT_RESOURCES = (
    *LOOK_AT_SCALING,
    "cloudwatch:GetMetricData",
    "cloudwatch:ListMetrics",
    *STEP_FUNCTIONS_LOG_DELIVERY,
    "sagemaker:ListEndpoints",
    *XRAY_WRITE,
)


def _allow(actions: Sequence[str], *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
