"""The upper limit of the roles of an environment."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from aws_cdk import aws_iam as iam
from constructs import Construct

from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.guardrails import Statement, policy_document
from hf_sagemaker.package_sources import CodeArtifact
from hf_sagemaker.permissions.workflows import LOG_TO_MLFLOW
from hf_sagemaker.place import place_of

LONGEST_POLICY = 6144
"""Characters, without white space, that a managed policy may have."""
_WHY = (
    "A boundary grants nothing: it is the upper limit of what the roles' own policies grant, one by one. It names this "
    "environment's resources by their prefixes, because it is there before them."
)


class PermissionsBoundary(iam.ManagedPolicy):
    """A managed policy that is the boundary of the roles of an environment; those that look after its endpoints have
    another one, see hf_sagemaker.endpoints_boundary.

    A role with AdministratorAccess attached by mistake can still do no more than work with this environment's data,
    images, jobs and logs; and no jobs but those that the guardrails let pass.

    wildcards: the resources that it names by a pattern, for `acknowledge_boundary`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        path: str,
        denials: Sequence[Statement],
        image_accounts: Sequence[str],
        promoted_repositories: Sequence[tuple[str, str]] = (),
        foreign_buckets: Sequence[str] = (),
        replica_buckets: Sequence[str] = (),
        foreign_keys: Sequence[str] = (),
        secrets: Sequence[str] = (),
        code_artifact: CodeArtifact | None = None,
        hears_announcements: bool = False,
        tracks_runs: bool = False,
        stops_endpoints: bool = False,
    ) -> None:
        """Creates the policy.

        environment: the names of its stacks, and of what they make, begin with it.
        path: IAM path of its roles.
        denials: from hf_sagemaker.guardrails.
        image_accounts: accounts of the published base images.
        promoted_repositories: account and name of each repository of another environment whose images run in this one.
        foreign_buckets: names of buckets outside the environment that its roles may read. foreign_keys, secrets: ARNs.
        replica_buckets: names of those into which S3 copies.
        code_artifact: where builds read packages. Omitted: not from CodeArtifact.
        hears_announcements: its functions may put events on the account's bus. Omitted: they may not.
        tracks_runs: its functions may log runs on MLflow tracking servers of the account. Omitted: they may not.
        stops_endpoints: its platform operators may stop and start endpoints. Omitted: nobody may.

        Raises PolicyTooLongError when the policy is longer than IAM takes.
        """
        place = place_of(scope)
        statements = _allowed(
            f"arn:{place.partition}",
            f"{place.region}:{place.account}",
            environment=environment,
            path=path,
            image_accounts=image_accounts,
            promoted_repositories=promoted_repositories,
            foreign_buckets=foreign_buckets,
            replica_buckets=replica_buckets,
            foreign_keys=foreign_keys,
            secrets=secrets,
            code_artifact=code_artifact,
            hears_announcements=hears_announcements,
            tracks_runs=tracks_runs,
        )
        if stops_endpoints:
            statements.append(_stops(f"arn:{place.partition}:sagemaker:{place.region}:{place.account}", environment))
        document = policy_document(
            f"permissions boundary of {environment}",
            [*statements, *possible(denials, statements)],
            longest=LONGEST_POLICY,
            mend="Name fewer instance types, read-only buckets or keys in its settings.",
        )
        super().__init__(
            scope,
            construct_id,
            path=path,
            document=iam.PolicyDocument.from_json(document),
        )
        self.wildcards = wildcards(statements)


def wildcards(statements: Iterable[dict[str, Any]]) -> set[str]:
    """The resources that statements name by a pattern."""
    return {each for statement in statements for each in statement["Resource"] if "*" in each}


def acknowledge_boundary(policy: iam.ManagedPolicy, wild: Iterable[str]) -> None:
    """What reviews ask of a boundary and of those below it, and the answer. wild: resources that they name so."""
    acknowledge(policy, _WHY, *(f"AwsSolutions::AwsSolutions-IAM5[Resource::{each}]" for each in sorted(set(wild))))


def _allowed(
    arn: str,
    place: str,
    *,
    environment: str,
    path: str,
    image_accounts: Sequence[str],
    promoted_repositories: Sequence[tuple[str, str]],
    foreign_buckets: Sequence[str],
    replica_buckets: Sequence[str],
    foreign_keys: Sequence[str],
    secrets: Sequence[str],
    code_artifact: CodeArtifact | None,
    hears_announcements: bool,
    tracks_runs: bool,
) -> list[dict[str, Any]]:
    region, account = place.split(":")
    # Domain and repository in one: IAM counts letters, and takes no wildcard for a part of the kind of resource.
    packages = [f"{code_artifact.domain_arn.partition(':domain/')[0]}:*"] if code_artifact else []
    asked_for = [
        *(["secretsmanager:GetSecretValue"] if secrets else []),
        *(["codeartifact:GetAuthorizationToken", "codeartifact:ReadFromRepository"] if packages else []),
        *(["events:PutEvents"] if hears_announcements else []),
        *(LOG_TO_MLFLOW if tracks_runs else []),
    ]
    foreign, replicas = (
        [f"{arn}:s3:::{name}{end}" for name in names for end in ("", "/*")]
        for names in (foreign_buckets, replica_buckets)
    )
    return [
        # Bucket names are the whole world's: without the account another's could begin with the same word.
        {
            **_allow(_OBJECTS, f"{arn}:s3:::{environment}-*", f"{arn}:s3:::cdk-*-assets-{account}-{region}*"),
            "Condition": {"StringEquals": {"aws:ResourceAccount": account}},
        },
        *([_allow(_READ, *foreign)] if foreign else []),
        *([_allow([*_OBJECTS, *_COPIES], *replicas)] if replicas else []),
        # One statement for all services, since an action matches its own service's resources only: IAM counts letters.
        _allow(
            [*_WITH_RESOURCES, *asked_for, *(["ssm:GetParameterHistory"] if promoted_repositories else [])],
            *(f"{arn}:{resource.format(place=place, environment=environment)}" for resource in _RESOURCES),
            *(f"{arn}:iam::{account}:role{path}{name}" for name in (f"{environment}-*", "sagemaker_execution_role")),
            *(f"{arn}:ecr:{region}:{owner}:repository/huggingface-*" for owner in image_accounts),
            *(f"{arn}:ecr:{region}:{owner}:repository/{name}" for owner, name in promoted_repositories),
            *([f"{arn}:events:{place}:event-bus/default"] if hears_announcements else []),
            # Those of this account and region are among `key/*` above.
            *(key for key in foreign_keys if not key.startswith(f"{arn}:kms:{place}:key/")),
            *secrets,
            *packages,
        ),
        _allow([*_WITHOUT_RESOURCES, *(["sts:GetServiceBearerToken"] if packages else [])], "*"),
    ]


def possible(denials: Sequence[Statement], allowed: Sequence[dict[str, Any]]) -> list[Statement]:
    """The denials in fewer letters, which IAM counts.

    What the boundary does not allow need not be denied; and all that starts jobs is one pattern, where all that is
    allowed is meant.
    """
    actions = {action for statement in allowed for action in statement["Action"]}
    starting = {action for action in actions if fnmatchcase(action, _STARTS_JOBS)}
    shortened = []
    for denial in denials:
        named = [action for action in denial["Action"] if action in actions]
        if starting and starting <= set(named):
            named = [*(action for action in named if action not in starting), _STARTS_JOBS]
        if named:
            shortened.append({**denial, "Action": named})
    return shortened


def _stops(arn: str, environment: str) -> dict[str, Any]:
    """Of endpoints of their own configuration, by people who operate them; nobody else makes or deletes one."""
    allowed = _allow(
        ["sagemaker:CreateEndpoint", "sagemaker:DeleteEndpoint"],
        f"{arn}:endpoint/{environment}-*",
        f"{arn}:endpoint-config/*",
    )
    # A boundary is a role's: what comes before the name is its account and path. IAM counts letters.
    operators = f"*/{environment}-Data-PeoplePlatformOperator*"
    return {**allowed, "Condition": {"StringLike": {"aws:PrincipalArn": operators}}}


_OBJECTS = (
    "s3:AbortMultipartUpload",
    "s3:GetBucketAcl",
    "s3:GetBucketLocation",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionForReplication",
    "s3:GetObjectVersionTagging",
    "s3:GetReplicationConfiguration",
    "s3:ListBucket",
    "s3:PutObject",
)
_READ = ("s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket")
_STARTS_JOBS = "sagemaker:Create*Job"
_COPIES = ("s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags")
_RESOURCES = (
    "cloudformation:{place}:*",
    "codebuild:{place}:*",
    "ec2:{place}:*",  # network interfaces, security groups and subnets: the actions know no other resources
    "ecr:{place}:repository/hf-sagemaker/{environment}/*",
    "events:{place}:rule/StepFunctionsGetEvent*",
    "kms:{place}:key/*",
    "lambda:{place}:function:{environment}-*",
    "logs:{place}:log-group:*",
    "sagemaker:{place}:*",
    "sns:{place}:{environment}-*",
    "sqs:{place}:{environment}-*",
    "ssm:{place}:parameter/hf-sagemaker/{environment}*",
    "states:{place}:*",
)
_WITH_RESOURCES = (
    "cloudformation:DescribeStacks",
    "codebuild:BatchGetBuilds",
    "codebuild:ListBuildsForProject",
    "codebuild:StartBuild",
    "codebuild:StopBuild",
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImageScanFindings",
    "ecr:DescribeImages",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
    "events:DescribeRule",
    "events:PutRule",
    "events:PutTargets",
    "iam:GetRole",
    "iam:PassRole",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "lambda:InvokeFunction",
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogStreams",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
    "logs:PutLogEvents",
    "sagemaker:AddTags",
    "sagemaker:CreateHyperParameterTuningJob",
    "sagemaker:CreateModelPackage",
    "sagemaker:CreateProcessingJob",
    "sagemaker:CreateTrainingJob",
    "sagemaker:DescribeEndpoint",
    "sagemaker:DescribeEndpointConfig",
    "sagemaker:DescribeHyperParameterTuningJob",
    "sagemaker:DescribeModelPackage",
    "sagemaker:DescribeModelPackageGroup",
    "sagemaker:DescribeProcessingJob",
    "sagemaker:DescribeTrainingJob",
    "sagemaker:InvokeEndpoint",
    "sagemaker:InvokeEndpointAsync",
    "sagemaker:ListModelPackages",
    "sagemaker:ListTags",
    "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
    "sagemaker:StopHyperParameterTuningJob",
    "sagemaker:StopProcessingJob",
    "sagemaker:StopTrainingJob",
    "sagemaker:UpdateModelPackage",
    "sns:Publish",
    "sqs:SendMessage",
    "ssm:GetParameter",
    "ssm:GetParameters",
    "ssm:GetParametersByPath",
    "ssm:PutParameter",
    "states:DescribeExecution",
    "states:DescribeStateMachine",
    "states:GetExecutionHistory",
    "states:ListExecutions",
    "states:RedriveExecution",
    "states:StartExecution",
    "states:StopExecution",
)
_WITHOUT_RESOURCES = (
    "cloudwatch:GetMetricData",
    "cloudwatch:ListMetrics",
    "cloudwatch:PutMetricData",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ecr:GetAuthorizationToken",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "sagemaker:ListEndpoints",
    "sagemaker:ListModelPackageGroups",
    "sagemaker:ListTrainingJobs",
    "states:SendTaskFailure",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)


def _allow(actions: Sequence[str], *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
