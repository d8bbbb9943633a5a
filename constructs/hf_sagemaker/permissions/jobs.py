"""What SageMaker does in a role: network interfaces, logs, metrics; and what people and workflows ask of SageMaker."""

from collections.abc import Sequence
from typing import Any

from constructs import Construct

from hf_sagemaker.job_kinds import tuning_prefix
from hf_sagemaker.permissions.permission import Permission, allow, statement
from hf_sagemaker.place import place_of

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
_LOG = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
_READ_LOGS = ("logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents")


def write_service_logs(scope: Construct, log_groups: str) -> Permission:
    """Create and write the log groups that SageMaker names itself, given by name or name pattern."""
    arn = _log_groups(scope, log_groups)
    return Permission(
        [
            statement(actions=["logs:CreateLogGroup"], resources=[arn]),
            statement(actions=list(_LOG), resources=[f"{arn}:log-stream:*"]),
        ],
        "SageMaker chooses the names of log streams, and makes a log group per endpoint, below this fixed name.",
    )


def read_service_logs(scope: Construct, *log_groups: str) -> Permission:
    """Read log groups, given by name or name pattern."""
    arns = [_log_groups(scope, group) for group in log_groups]
    return allow(
        _READ_LOGS,
        *arns,
        *(f"{arn}:log-stream:*" for arn in arns),
        why_wildcards="Log streams are named by the service that writes them.",
    )


def _log_groups(scope: Construct, name: str) -> str:
    place = place_of(scope)
    return place.arn("logs", f"log-group:{name}")


def put_metrics(*namespaces: str) -> Permission:
    """Put CloudWatch metrics of these namespaces only."""
    return allow(
        ["cloudwatch:PutMetricData"],
        "*",
        conditions={
            "StringEquals": {"cloudwatch:namespace": namespaces[0] if len(namespaces) == 1 else list(namespaces)}
        },
        why_wildcards="cloudwatch:PutMetricData knows no resource type; the condition limits it to these namespaces.",
    )


def attach_to_vpc(scope: Construct) -> Permission:
    """Place the network interfaces with which SageMaker and CodeBuild join a VPC."""
    place = place_of(scope)
    kinds = ("network-interface", "security-group", "subnet")
    return Permission(
        [
            statement(actions=list(EC2_DESCRIBE), resources=["*"]),
            statement(
                actions=list(EC2_INTERFACES),
                resources=[place.arn("ec2", f"{kind}/*") for kind in kinds],
            ),
        ],
        "ec2:Describe* knows no resource types. Interfaces get generated ids, and SageMaker checks the role before it "
        "knows subnets; the other actions are limited to this account and region.",
    )


def sagemaker_arn(scope: Construct, resource: str) -> str:
    """ARN of a SageMaker resource of this account and region, for example `training-job/dev-*`."""
    place = place_of(scope)
    return place.arn("sagemaker", f"{resource}")


def train_in_place(
    scope: Construct, subnet_ids: Sequence[str], security_group_ids: Sequence[str], instance_types: Sequence[str]
) -> Permission:
    """Start training jobs by oneself, as a notebook does: in these subnets, isolated, on these instance types only.

    They mount no file system: where these security groups reach one, only training requests are held to its folders.
    """
    conditions: dict[str, Any] = {
        # "For all values" is true of none at all: the Null conditions ask for some.
        "ForAllValues:StringEquals": {
            "sagemaker:VpcSubnets": list(subnet_ids),
            "sagemaker:VpcSecurityGroupIds": list(security_group_ids),
            "sagemaker:InstanceTypes": list(instance_types),
        },
        "Null": {
            "sagemaker:VpcSubnets": "false",
            "sagemaker:VpcSecurityGroupIds": "false",
            "sagemaker:FileSystemId": "true",
        },
        "Bool": {"sagemaker:NetworkIsolation": "true", "sagemaker:InterContainerTrafficEncryption": "true"},
    }
    jobs = sagemaker_arn(scope, "training-job/*")
    return Permission(
        [
            statement(actions=["sagemaker:CreateTrainingJob"], resources=[jobs], conditions=conditions),
            statement(
                actions=["sagemaker:AddTags", "sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"],
                resources=[jobs],
                # The jobs of workflows carry this tag; those are for operators to stop.
                conditions={"Null": {"aws:ResourceTag/hf-sagemaker:job-type": "true"}},
            ),
        ],
        "The SageMaker SDK names the training jobs of a notebook; conditions hold them to this network.",
    )


def look_at_jobs(scope: Construct, environment: str) -> Permission:
    """See stacks, training jobs, models and endpoints of an environment, and list what has no names yet."""
    place = place_of(scope)
    describe = {
        "training-job": "sagemaker:DescribeTrainingJob",
        "processing-job": "sagemaker:DescribeProcessingJob",
        "endpoint": "sagemaker:DescribeEndpoint",
        "model-package-group": "sagemaker:DescribeModelPackageGroup",
        "model-package": "sagemaker:DescribeModelPackage",
    }
    return Permission(
        [
            *(
                statement(actions=[action], resources=[sagemaker_arn(scope, f"{kind}/{environment}-*")])
                for kind, action in describe.items()
            ),
            statement(
                actions=[
                    "sagemaker:DescribeHyperParameterTuningJob",
                    "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
                ],
                resources=[sagemaker_arn(scope, f"hyper-parameter-tuning-job/{tuning_prefix(environment)}-*")],
            ),
            statement(
                actions=["sagemaker:ListModelPackages"],
                resources=[sagemaker_arn(scope, f"model-package/{environment}-*")],
            ),
            # CloudFormation names endpoint configurations.
            statement(
                actions=["sagemaker:DescribeEndpointConfig"], resources=[sagemaker_arn(scope, "endpoint-config/*")]
            ),
            # Asked for without a name, CloudFormation wants the right to see every stack.
            statement(
                actions=["cloudformation:DescribeStacks"],
                resources=[place.arn("cloudformation", "stack/*")],
            ),
            statement(
                actions=[
                    "cloudwatch:GetMetricData",
                    "cloudwatch:ListMetrics",
                    "sagemaker:ListEndpoints",
                    "sagemaker:ListModelPackageGroups",
                    "sagemaker:ListTrainingJobs",
                ],
                resources=["*"],
            ),
        ],
        "Names begin with the environment's; lists and metrics know no resource types and show no data.",
    )


def call_endpoints(scope: Construct, environment: str) -> Permission:
    """Invoke the endpoints of an environment."""
    return allow(
        ["sagemaker:InvokeEndpoint"],
        sagemaker_arn(scope, f"endpoint/{environment}-*"),
        why_wildcards="The endpoints of this environment, whose names begin with its own.",
    )
