"""Container images."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_logs as logs
from constructs import Construct

from hf_sagemaker.package_sources import PackageSources
from hf_sagemaker.permissions.jobs import EC2_DESCRIBE
from hf_sagemaker.permissions.permission import Permission, allow, statement
from hf_sagemaker.permissions.storage import read_secret
from hf_sagemaker.place import place_of
from hf_sagemaker.placement import Placement

ECR_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
ECR_LOOK = ("ecr:DescribeImageScanFindings", "ecr:DescribeImages")
ECR_PUSH = (
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImages",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
# What a caller of StartBuild could put in the place of the project's own, and so act as the project's role. With
# codebuild:environment itself the caller could set no variable either.
_OVERRIDES = (
    "codebuild:artifacts",
    "codebuild:cache",
    "codebuild:encryptionKey",
    "codebuild:environment.certificate",
    "codebuild:environment.fleet.fleetArn",
    "codebuild:environment.image",
    "codebuild:environment.privilegedMode",
    "codebuild:environment.registryCredential",
    "codebuild:logsConfig",
    "codebuild:secondaryArtifacts",
    "codebuild:secondarySources",
    "codebuild:serviceRole",
    "codebuild:source",
    "codebuild:source.buildspec",
    "codebuild:source.location",
)
_VARIABLES = "codebuild:environment.environmentVariables.name"
_LOG = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")


def registry_login() -> Permission:
    """Get a token for the registry; what it opens is granted separately."""
    return allow(["ecr:GetAuthorizationToken"], "*", why_wildcards="ecr:GetAuthorizationToken knows no resource type.")


def use_repositories(
    scope: Construct, *names: str, actions: Sequence[str] = ECR_PULL, account: str | None = None
) -> Permission:
    """Pull from, or with ECR_PULL + ECR_PUSH also push to, repositories given by their names.

    names: none of them: nothing is allowed.
    account: who owns them. Omitted: this account.
    """
    if not names:
        return Permission([])
    place = place_of(scope)
    registry = f"arn:{place.partition}:ecr:{place.region}:{account or place.account}"
    return allow(actions, *(f"{registry}:repository/{name}" for name in names))


def read_packages(packages: PackageSources) -> list[Permission]:
    """Read a repository of CodeArtifact, or the credentials of a package index; nothing where neither is named."""
    artifact = packages.code_artifact
    found = []
    if artifact:
        found = [
            allow(["codeartifact:GetAuthorizationToken"], artifact.domain_arn),
            allow(["codeartifact:ReadFromRepository"], artifact.repository_arn),
            allow(
                ["sts:GetServiceBearerToken"],
                "*",
                conditions={"StringEquals": {"sts:AWSServiceName": "codeartifact.amazonaws.com"}},
                why_wildcards="sts:GetServiceBearerToken knows no resource before the token is there; the condition "
                "limits it to CodeArtifact, whose repository is named.",
            ),
        ]
    if packages.secret_arn:
        found.append(read_secret(packages.secret_arn))
    return found


def build_in_vpc(scope: Construct, placement: Placement) -> Permission:
    """Place CodeBuild's network interfaces in these subnets, behind these security groups only."""
    place = place_of(scope)
    interfaces = place.arn("ec2", "network-interface/*")
    subnets = [place.arn("ec2", f"subnet/{subnet}") for subnet in placement.subnet_ids]
    groups = [place.arn("ec2", f"security-group/{group}") for group in placement.security_group_ids]
    return Permission(
        [
            statement(actions=list(EC2_DESCRIBE), resources=["*"]),
            statement(actions=["ec2:CreateNetworkInterface"], resources=[interfaces, *subnets, *groups]),
            statement(actions=["ec2:DeleteNetworkInterface"], resources=[interfaces]),
            statement(
                actions=["ec2:CreateNetworkInterfacePermission"],
                resources=[interfaces],
                conditions={
                    "StringEquals": {"ec2:AuthorizedService": "codebuild.amazonaws.com"},
                    "ArnEquals": {"ec2:Subnet": subnets},
                },
            ),
        ],
        "ec2:Describe* knows no resource types, and interfaces get generated ids; subnets and groups are named.",
    )


def write_build_logs(log_group: logs.ILogGroup) -> Permission:
    """Write to a log group that exists already."""
    return Permission(
        [statement(actions=list(_LOG), resources=[log_group.log_group_arn])],
        "A log group's ARN ends in `:*` to mean its streams.",
    )


def run_builds(project_arns: Sequence[str], variables: Sequence[str] = ()) -> Permission:
    """Start builds of these projects as they are, and stop them.

    variables: names of the environment variables that may be set at the start. Omitted: none.
    """
    as_they_are: dict[str, Any] = {"Null": dict.fromkeys(_OVERRIDES, "true")}
    if variables:
        # "For all values" is true of none at all, which is what starts the project without any.
        as_they_are["ForAllValues:StringEquals"] = {_VARIABLES: list(variables)}
    else:
        as_they_are["Null"][_VARIABLES] = "true"
    return Permission(
        [
            statement(actions=["codebuild:StartBuild"], resources=list(project_arns), conditions=as_they_are),
            statement(actions=["codebuild:StopBuild"], resources=list(project_arns)),
        ]
    )


def look_at_builds(project_arns: Sequence[str], repository_arns: Sequence[str] = ()) -> Permission:
    """See the builds of these projects and the images in these repositories."""
    builds = statement(
        actions=["codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject"], resources=list(project_arns)
    )
    if not repository_arns:
        return Permission([builds])
    return Permission([builds, *look_at_images(repository_arns).statements])


def look_at_images(repository_arns: Sequence[str]) -> Permission:
    """See the images in these repositories, and what scans found."""
    return allow(["ecr:DescribeImages", "ecr:DescribeImageScanFindings"], *repository_arns)
