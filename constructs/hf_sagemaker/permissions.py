"""Every IAM action that this library grants, by duty.

No action holds a wildcard. `Resource: *` stands only where the service knows no resource type for the action.
Source: the Service Authorization Reference.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hf_sagemaker.compliance import acknowledge

ECR_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
ECR_PUSH = (
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImages",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
LOGS_WRITE = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
EC2_DESCRIBE = (
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
EC2_INTERFACES = (
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
)
STEP_FUNCTIONS_LOG_DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)
XRAY_WRITE = (
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)


@dataclass(frozen=True)
class Permission:
    """Statements that belong together.

    why_wildcards: what justifies the `*` in their resources, for a security review. Omitted: there is none, and
    a wildcard that slips in is a finding.
    """

    statements: Sequence[iam.PolicyStatement]
    why_wildcards: str | None = None


def service_principal(scope: Construct, service: str) -> iam.IPrincipal:
    """The service, acting for this account only (against the confused deputy)."""
    return iam.ServicePrincipal(service, conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}})


def allow(actions: Sequence[str], *resources: str) -> Permission:
    """These actions on exactly these resources."""
    return Permission([iam.PolicyStatement(actions=list(actions), resources=list(resources))])


def read_objects(bucket: s3.IBucket) -> Permission:
    """List the bucket and read its objects."""
    return _objects(bucket, "", ["s3:GetObject"])


def write_objects(bucket: s3.IBucket, prefix: str = "") -> Permission:
    """List the bucket, read and put objects below the prefix; never delete: old versions outlive a mistake."""
    return _objects(bucket, prefix, ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"])


def _objects(bucket: s3.IBucket, prefix: str, actions: Sequence[str]) -> Permission:
    return Permission(
        [
            iam.PolicyStatement(actions=["s3:GetBucketLocation", "s3:ListBucket"], resources=[bucket.bucket_arn]),
            iam.PolicyStatement(actions=list(actions), resources=[bucket.arn_for_objects(f"{prefix}*")]),
        ],
        "The objects of one bucket of this environment, or of one prefix in it: their names are not known before.",
    )


def use_key(key: kms.IKey) -> Permission:
    """Encrypt and decrypt with the key, and let AWS services hold grants on it for volumes."""
    return Permission(
        [
            iam.PolicyStatement(
                actions=["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"], resources=[key.key_arn]
            ),
            iam.PolicyStatement(
                actions=["kms:CreateGrant"],
                resources=[key.key_arn],
                conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
            ),
        ]
    )


def registry_login() -> Permission:
    """Get a token for the registry; what it opens is granted separately."""
    return Permission(
        [iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"])],
        "ecr:GetAuthorizationToken knows no resource type.",
    )


def use_repositories(
    scope: Construct, name: str, actions: Sequence[str] = ECR_PULL, account: str | None = None
) -> Permission:
    """Pull from, or with ECR_PULL + ECR_PUSH also push to, repositories given by a name or a name pattern.

    account: who owns them. Omitted: this account.
    """
    stack = Stack.of(scope)
    arn = f"arn:{stack.partition}:ecr:{stack.region}:{account or stack.account}:repository/{name}"
    return Permission(
        [iam.PolicyStatement(actions=list(actions), resources=[arn])],
        "The repositories of this environment only; a later stack creates them under this prefix.",
    )


def write_service_logs(scope: Construct, log_groups: str) -> Permission:
    """Create and write the log groups that SageMaker names itself, given by name or name pattern."""
    stack = Stack.of(scope)
    arn = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:{log_groups}"
    return Permission(
        [
            iam.PolicyStatement(actions=["logs:CreateLogGroup"], resources=[arn]),
            iam.PolicyStatement(actions=list(LOGS_WRITE), resources=[f"{arn}:log-stream:*"]),
        ],
        "SageMaker chooses the names of log streams, and makes a log group per endpoint, below this fixed name.",
    )


def put_metrics(namespace: str) -> Permission:
    """Put CloudWatch metrics of this namespace only."""
    condition = {"StringEquals": {"cloudwatch:namespace": namespace}}
    return Permission(
        [iam.PolicyStatement(actions=["cloudwatch:PutMetricData"], resources=["*"], conditions=condition)],
        "cloudwatch:PutMetricData knows no resource type; the condition limits it to one namespace.",
    )


def attach_to_vpc(scope: Construct) -> Permission:
    """Place the network interfaces with which SageMaker joins a VPC."""
    stack = Stack.of(scope)
    kinds = ("network-interface", "security-group", "subnet")
    return Permission(
        [
            iam.PolicyStatement(actions=list(EC2_DESCRIBE), resources=["*"]),
            iam.PolicyStatement(
                actions=list(EC2_INTERFACES),
                resources=[f"arn:{stack.partition}:ec2:{stack.region}:{stack.account}:{kind}/*" for kind in kinds],
            ),
        ],
        "ec2:Describe* knows no resource types. Interfaces get generated ids, and SageMaker checks the role before it "
        "knows subnets; the other actions are limited to this account and region.",
    )


def pass_role(role: iam.IRole, service: str) -> Permission:
    """Hand exactly this role to exactly this service."""
    return Permission(
        [
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[role.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": service}},
            )
        ]
    )


def run_training_jobs(scope: Construct, name_pattern: str) -> Permission:
    """What Step Functions needs for `createTrainingJob.sync`, for training jobs of that name pattern.

    Source: Step Functions developer guide, "IAM policies for SageMaker": the managed rule tells it when a job ended.
    """
    stack = Stack.of(scope)
    place = f"{stack.region}:{stack.account}"
    return Permission(
        [
            iam.PolicyStatement(
                actions=[
                    "sagemaker:AddTags",
                    "sagemaker:CreateTrainingJob",
                    "sagemaker:DescribeTrainingJob",
                    "sagemaker:ListTags",
                    "sagemaker:StopTrainingJob",
                ],
                resources=[f"arn:{stack.partition}:sagemaker:{place}:training-job/{name_pattern}"],
            ),
            iam.PolicyStatement(
                actions=["events:DescribeRule", "events:PutRule", "events:PutTargets"],
                resources=[
                    f"arn:{stack.partition}:events:{place}:rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule"
                ],
            ),
        ],
        "A training job's name holds its execution's hash; all begin with the environment's name.",
    )


def register_models(scope: Construct, group: str) -> Permission:
    """Create versions in one model package group."""
    stack = Stack.of(scope)
    arn = f"arn:{stack.partition}:sagemaker:{stack.region}:{stack.account}"
    return Permission(
        [
            iam.PolicyStatement(
                actions=["sagemaker:CreateModelPackage"],
                resources=[f"{arn}:model-package-group/{group}", f"{arn}:model-package/{group}/*"],
            )
        ],
        "Versions of one model package group: SageMaker numbers them.",
    )


def step_functions_telemetry() -> Permission:
    """Log delivery and tracing of a state machine."""
    return Permission(
        [iam.PolicyStatement(actions=[*STEP_FUNCTIONS_LOG_DELIVERY, *XRAY_WRITE], resources=["*"])],
        "Log delivery and X-Ray know no resource types.",
    )


def write_build_logs(log_group: logs.ILogGroup) -> Permission:
    """Write to a log group that exists already."""
    return Permission(
        [iam.PolicyStatement(actions=list(LOGS_WRITE), resources=[log_group.log_group_arn])],
        "A log group's ARN ends in `:*` to mean its streams.",
    )


def function_telemetry(log_group: logs.ILogGroup) -> Permission:
    """Logs and traces of a Lambda function."""
    return Permission(
        [
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]
            ),
            iam.PolicyStatement(actions=["xray:PutTelemetryRecords", "xray:PutTraceSegments"], resources=["*"]),
        ],
        "X-Ray's write actions know no resource types; a log group's ARN ends in `:*` to mean its streams.",
    )


class DutyPolicy(iam.ManagedPolicy):
    """The permissions of one duty, attached to its role; each wildcard acknowledged with its permission's reason."""

    def __init__(
        self, scope: Construct, construct_id: str, *, role: iam.IRole, permissions: Sequence[Permission]
    ) -> None:
        """Creates the policy. It belongs to `scope`'s stack, so that a role of an earlier stack can be extended."""
        super().__init__(
            scope,
            construct_id,
            roles=[role],
            statements=[statement for permission in permissions for statement in permission.statements],
        )
        reasons: dict[str, list[str]] = {}
        for permission in permissions:
            for statement in permission.statements if permission.why_wildcards else ():
                for resource in statement.resources:
                    shown = _as_cdk_nag_shows(Stack.of(self).resolve(resource))
                    if "*" in shown and permission.why_wildcards not in reasons.setdefault(shown, []):
                        reasons[shown].append(str(permission.why_wildcards))
        for resource, why in reasons.items():
            acknowledge(self, " ".join(why), f"AwsSolutions::AwsSolutions-IAM5[Resource::{resource}]")


def _as_cdk_nag_shows(resource: object) -> str:
    """An ARN with its references in angle brackets, as cdk-nag's rule ids spell it."""
    if isinstance(resource, str):
        return resource
    if isinstance(resource, dict):
        ((function, argument),) = resource.items()
        if function == "Fn::Join":
            return "".join(_as_cdk_nag_shows(part) for part in argument[1])
        if function == "Fn::GetAtt":
            return f"<{'.'.join(argument)}>"
        if function == "Ref":
            return f"<{argument}>"
    return json.dumps(resource, separators=(",", ":"))
