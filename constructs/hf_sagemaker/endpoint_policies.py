"""What may go through a VPC endpoint: whose principals, to whose resources, to do what.

Whoever runs code in the network may bring credentials of an account of their own; these policies are why they cannot
carry data there. Through the network AWS services are used, not administered: what is not listed here has to come from
elsewhere, whatever the caller's role allows. These are limits, not grants; grants are in permissions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hf_sagemaker.build_traffic import BuildTraffic
from hf_sagemaker.permissions.images import ECR_PULL, ECR_PUSH
from hf_sagemaker.place import place_of

_PULL_IMAGES = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:DescribeImages",
    "ecr:DescribeRepositories",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
    "ecr:ListImages",
)
_JOBS = ("HyperParameterTuningJob", "ProcessingJob", "TrainingJob", "TransformJob")

ACTIONS: Mapping[str, Sequence[str]] = {
    "CloudWatch": (
        "cloudwatch:DescribeAlarms",
        "cloudwatch:GetMetricData",
        "cloudwatch:GetMetricStatistics",
        "cloudwatch:ListMetrics",
        "cloudwatch:PutMetricData",
    ),
    "EcrApi": _PULL_IMAGES,
    "EcrDocker": _PULL_IMAGES,
    "Kms": (
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    ),
    "Logs": (
        "logs:CreateLogStream",
        "logs:DescribeLogGroups",
        "logs:DescribeLogStreams",
        "logs:FilterLogEvents",
        "logs:GetLogEvents",
        "logs:PutLogEvents",
    ),
    "S3": (
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetBucketLocation",
        "s3:GetObject",
        "s3:GetObjectAttributes",
        "s3:GetObjectTagging",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "s3:ListBucketMultipartUploads",
        "s3:ListBucketVersions",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
        "s3:PutObjectTagging",
    ),
    "SageMakerApi": (
        *(f"sagemaker:{verb}{job}" for job in _JOBS for verb in ("Create", "Describe", "Stop")),
        *(f"sagemaker:List{job}s" for job in _JOBS),
        "sagemaker:AddTags",
        "sagemaker:BatchDescribeModelPackage",
        "sagemaker:CreateModelPackage",
        "sagemaker:DescribeEndpoint",
        "sagemaker:DescribeEndpointConfig",
        "sagemaker:DescribeModel",
        "sagemaker:DescribeModelPackage",
        "sagemaker:DescribeModelPackageGroup",
        "sagemaker:ListEndpoints",
        "sagemaker:ListModelPackageGroups",
        "sagemaker:ListModelPackages",
        "sagemaker:ListTags",
        "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
        "sagemaker:Search",
    ),
    "SageMakerRuntime": (
        "sagemaker:InvokeEndpoint",
        "sagemaker:InvokeEndpointAsync",
        "sagemaker:InvokeEndpointWithResponseStream",
    ),
    "StepFunctions": (
        "states:DescribeExecution",
        "states:DescribeStateMachine",
        "states:GetExecutionHistory",
        "states:ListExecutions",
        "states:SendTaskFailure",
        "states:SendTaskHeartbeat",
        "states:SendTaskSuccess",
        "states:StartExecution",
        "states:StopExecution",
    ),
    "Sts": ("sts:AssumeRole", "sts:GetCallerIdentity"),
}
"""By the construct id of the endpoint."""
_everybody = cache(lambda: iam.StarPrincipal())  # one of each policy's would be a call into another process

BUILD_ACTIONS: Mapping[str, Sequence[str]] = {
    "SecretsManager": ("secretsmanager:GetSecretValue",),
    "Ssm": ("ssm:GetParameter", "ssm:PutParameter"),
}
"""The same, of endpoints that are there for builds only."""


@dataclass(frozen=True, kw_only=True)
class Perimeter:
    """Whose principals and resources the endpoints admit.

    organization_id: an AWS organisation. Omitted: this account only.
    readable_buckets: buckets outside of it that jobs may read all the same. Omitted: none.
    builds: what builds of images do through the network. Omitted: none run in it.
    """

    organization_id: str | None = None
    readable_buckets: Sequence[s3.IBucket] = ()
    builds: BuildTraffic | None = None


def interface_policy(scope: Construct, endpoint: str, perimeter: Perimeter) -> Sequence[iam.PolicyStatement]:
    """The statements for an interface endpoint, given by its construct id.

    Raises KeyError for an endpoint whose actions nobody has decided.
    """
    builds = perimeter.builds
    if builds and builds.packages.code_artifact and endpoint in _CODE_ARTIFACT:
        return [_read_packages(scope, builds, perimeter)]
    if builds and endpoint in BUILD_ACTIONS:
        return _within(scope, BUILD_ACTIONS[endpoint], perimeter)
    statements = _within(scope, ACTIONS[endpoint], perimeter)
    if builds and endpoint in _REGISTRY:
        return [*statements, *_build_images(scope, builds, perimeter)]
    return statements


def s3_policy(scope: Construct, perimeter: Perimeter) -> iam.PolicyDocument:
    """The policy of the S3 gateway endpoint."""
    place = place_of(scope)
    layers = f"arn:{place.partition}:s3:::prod-{place.region}-starport-layer-bucket/*"
    # CodeBuild asks whose the bucket of a build's source is.
    actions = [*ACTIONS["S3"], *(["s3:GetBucketAcl"] if perimeter.builds else [])]
    statements = [
        *_within(scope, actions, perimeter),
        # ECR keeps image layers in a bucket of its own and hands out signed addresses into it.
        iam.PolicyStatement(
            sid="ReadImageLayers", principals=[_everybody()], actions=["s3:GetObject"], resources=[layers]
        ),
    ]
    if perimeter.readable_buckets:
        statements.append(
            iam.PolicyStatement(
                sid="ReadBucketsOutside",
                principals=[_everybody()],
                actions=["s3:GetBucketLocation", "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"],
                resources=[
                    arn
                    for bucket in perimeter.readable_buckets
                    for arn in (bucket.bucket_arn, bucket.arn_for_objects("*"))
                ],
                conditions={"StringEquals": _principals(scope, perimeter)},
            )
        )
    return iam.PolicyDocument(statements=statements)


_REGISTRY = ("EcrApi", "EcrDocker")
_CODE_ARTIFACT = ("CodeArtifactApi", "CodeArtifactRepositories")


def _build_images(scope: Construct, builds: BuildTraffic, perimeter: Perimeter) -> Sequence[iam.PolicyStatement]:
    """Pull the published bases, push to this environment's repositories; a role that may, has to come with it."""
    place = place_of(scope)
    ours = _principals(scope, perimeter)
    registry = f"arn:{place.partition}:ecr:{place.region}"
    return [
        iam.PolicyStatement(
            sid="PullBaseImages",
            principals=[iam.StarPrincipal()],
            actions=list(ECR_PULL),
            resources=[f"{registry}:{account}:repository/{name}" for account, name in sorted(set(builds.bases))],
            conditions={"StringEquals": ours},
        ),
        iam.PolicyStatement(
            sid="PushImages",
            principals=[iam.StarPrincipal()],
            actions=list(ECR_PUSH),
            resources=[f"{registry}:{place.account}:repository/{builds.pushed}"],
            conditions={"StringEquals": {**ours, "aws:ResourceAccount": place.account}},
        ),
    ]


def _read_packages(scope: Construct, builds: BuildTraffic, perimeter: Perimeter) -> iam.PolicyStatement:
    artifact = builds.packages.code_artifact
    assert artifact is not None
    return iam.PolicyStatement(
        sid="ReadPackages",
        principals=[iam.StarPrincipal()],
        actions=["codeartifact:GetAuthorizationToken", "codeartifact:ReadFromRepository"],
        resources=[artifact.domain_arn, artifact.repository_arn],
        conditions={"StringEquals": _principals(scope, perimeter)},
    )


def _within(scope: Construct, actions: Sequence[str], perimeter: Perimeter) -> Sequence[iam.PolicyStatement]:
    def statement(sid: str, conditions: Mapping[str, Mapping[str, str]]) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid=sid,
            principals=[_everybody()],
            actions=list(actions),
            resources=["*"],
            conditions=dict(conditions),
        )

    principals = {"StringEquals": _principals(scope, perimeter)}
    # IfExists: some actions, such as sts:GetCallerIdentity, have no resource and so no owner of one.
    own = statement(
        "UseThisAccount", principals | {"StringEqualsIfExists": {"aws:ResourceAccount": place_of(scope).account}}
    )
    if not perimeter.organization_id:
        return [own]
    # Not IfExists: a resource of an account that is in no organisation has no aws:ResourceOrgID either.
    resources = {"aws:ResourceOrgID": perimeter.organization_id}
    return [own, statement("UseThisOrganization", {"StringEquals": principals["StringEquals"] | resources})]


def _principals(scope: Construct, perimeter: Perimeter) -> dict[str, str]:
    if perimeter.organization_id:
        return {"aws:PrincipalOrgID": perimeter.organization_id}
    return {"aws:PrincipalAccount": place_of(scope).account}
