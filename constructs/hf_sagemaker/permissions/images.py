"""Container images."""

from collections.abc import Sequence

from aws_cdk import aws_logs as logs
from constructs import Construct

from hf_sagemaker.permissions.permission import Permission, allow, statement
from hf_sagemaker.place import place_of

ECR_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
ECR_PUSH = (
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImages",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
_LOG = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")


def registry_login() -> Permission:
    """Get a token for the registry; what it opens is granted separately."""
    return allow(["ecr:GetAuthorizationToken"], "*", why_wildcards="ecr:GetAuthorizationToken knows no resource type.")


def use_repositories(
    scope: Construct, *names: str, actions: Sequence[str] = ECR_PULL, account: str | None = None
) -> Permission:
    """Pull from, or with ECR_PULL + ECR_PUSH also push to, repositories given by their names.

    account: who owns them. Omitted: this account.
    """
    place = place_of(scope)
    registry = f"arn:{place.partition}:ecr:{place.region}:{account or place.account}"
    return allow(actions, *(f"{registry}:repository/{name}" for name in names))


def write_build_logs(log_group: logs.ILogGroup) -> Permission:
    """Write to a log group that exists already."""
    return Permission(
        [statement(actions=list(_LOG), resources=[log_group.log_group_arn])],
        "A log group's ARN ends in `:*` to mean its streams.",
    )


def run_builds(project_arns: Sequence[str]) -> Permission:
    """Start and stop builds of these projects."""
    return allow(["codebuild:StartBuild", "codebuild:StopBuild"], *project_arns)


def look_at_builds(project_arns: Sequence[str], repository_arns: Sequence[str]) -> Permission:
    """See the builds of these projects and the images in these repositories."""
    return Permission(
        [
            statement(
                actions=["codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject"], resources=list(project_arns)
            ),
            statement(actions=["ecr:DescribeImages", "ecr:DescribeImageScanFindings"], resources=list(repository_arns)),
        ]
    )
