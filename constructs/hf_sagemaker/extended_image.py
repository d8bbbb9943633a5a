"""A Hugging Face Deep Learning Container, extended: built in the account, tagged by what went into it."""

from pathlib import Path

from aws_cdk import Duration, IgnoreMode, RemovalPolicy
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.dlc_catalog import DeepLearningContainer, Purpose
from hf_sagemaker.encryption_key import EnvironmentKeys

_RUNTIME = Path(__file__).with_name("runtime")
_UNTAGGED_DAYS = 14
_KEPT_IMAGES = 50


class ExtendedImage(Construct):
    """An ECR repository and the CodeBuild project that fills it.

    repository: encrypted, scanned on push; a tag never moves.
    project: `aws codebuild start-build --project-name …` builds and pushes the image.
    uri: `<repository>:<tag>`; the tag is the hash of the build context and the tag of the base, so that the
        same inputs give the same image and a change of either gives a new one.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        purpose: Purpose,
        base: DeepLearningContainer,
        repository_name: str,
        keys: EnvironmentKeys,
        role: iam.IRole,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates both.

        purpose: which context to build: `runtime/images/<purpose>` with the code of `runtime/<purpose>`.
        base: the published image that it extends.
        repository_name: stable and known outside: roles are granted by it.
        role: assumed by the build; must be able to push to the repository. Log, source and base access are added here.
        removal_policy: DESTROY also deletes the images. Omitted: everything is kept.
        """
        super().__init__(scope, construct_id)
        self.repository = self._repository(repository_name, keys.images, removal_policy)
        context = assets.Asset(
            self,
            "Context",
            path=str(_RUNTIME),
            ignore_mode=IgnoreMode.GIT,
            exclude=[
                "*",
                "!images",
                f"!images/{purpose}",
                f"!images/{purpose}/**",
                f"!{purpose}",
                f"!{purpose}/**",
                "**/__pycache__",
            ],
        )
        # The base is part of the build and not of the context: both belong into the tag.
        self.tag = f"{context.asset_hash[:16]}-{base.tag}"[:128]
        self.uri = self.repository.repository_uri_for_tag(self.tag)
        log_group = logs.LogGroup(
            self,
            "BuildLogs",
            encryption_key=keys.logs,
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=removal_policy,
        )
        access = self._build_access(context, base, log_group, role)
        self.project = self._project(purpose, base, context, keys.images, role, log_group)
        self.project.node.add_dependency(access)
        acknowledge(
            self.project,
            "`docker build` needs to own the host. The build is in no VPC and reaches no data, runs inline commands "
            "(control 81) in a role that only pushes to this environment's repositories (34), and is started by no "
            "webhook (80). Its source is an archive in S3, read in that role: the rule on OAuth is for GitHub and "
            "Bitbucket, and asks every project.",
            "HfSageMaker::Control-79",
            "HIPAA.Security::HIPAA.Security-CodeBuildProjectSourceRepoUrl",
            "PCI.DSS.321::PCI.DSS.321-CodeBuildProjectSourceRepoUrl",
        )

    def _repository(self, name: str, key: kms.IKey, removal_policy: RemovalPolicy) -> ecr.Repository:
        return ecr.Repository(
            self,
            "Repository",
            repository_name=name,
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=key,
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            removal_policy=removal_policy,
            empty_on_delete=removal_policy == RemovalPolicy.DESTROY,
            lifecycle_rules=[
                ecr.LifecycleRule(
                    description="Untagged images are left over from failed pushes",
                    tag_status=ecr.TagStatus.UNTAGGED,
                    max_image_age=Duration.days(_UNTAGGED_DAYS),
                ),
                ecr.LifecycleRule(description="The newest images", max_image_count=_KEPT_IMAGES),
            ],
        )

    def _project(
        self,
        purpose: Purpose,
        base: DeepLearningContainer,
        context: assets.Asset,
        key: kms.IKey,
        role: iam.IRole,
        log_group: logs.ILogGroup,
    ) -> codebuild.Project:
        variables = {
            "BASE_IMAGE": base.uri,
            "BASE_REGISTRY": base.registry,
            "REPOSITORY_URI": self.repository.repository_uri,
            "IMAGE_TAG": self.tag,
            "DOCKERFILE": f"images/{purpose}/Dockerfile",
        }
        return codebuild.Project(
            self,
            "Project",
            description=f"Builds the extended {purpose} image",
            role=role.without_policy_updates(),  # type: ignore[attr-defined]
            source=codebuild.Source.s3(bucket=context.bucket, path=context.s3_object_key),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxBuildImage.AMAZON_LINUX_2023_5,
                compute_type=codebuild.ComputeType.LARGE,
                # docker build needs it. The project reaches no VPC and no data, and its role may only push to this
                # environment's repositories.
                privileged=True,
            ),
            environment_variables={
                name: codebuild.BuildEnvironmentVariable(value=value) for name, value in variables.items()
            },
            encryption_key=kms.Key.from_key_arn(self, "Key", key.key_arn),
            logging=codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log_group)),
            timeout=Duration.hours(1),
            queued_timeout=Duration.hours(1),
            build_spec=codebuild.BuildSpec.from_object(_BUILD),
        )

    def _build_access(
        self, context: assets.Asset, base: DeepLearningContainer, log_group: logs.ILogGroup, role: iam.IRole
    ) -> allow.DutyPolicy:
        return allow.DutyPolicy(
            self,
            "BuildPolicy",
            role=role,
            permissions=[
                allow.allow(
                    ["s3:GetObject", "s3:GetObjectVersion"], context.bucket.arn_for_objects(context.s3_object_key)
                ),
                allow.allow(["s3:GetBucketAcl", "s3:GetBucketLocation"], context.bucket.bucket_arn),
                allow.use_repositories(self, base.repository, account=base.account),
                allow.write_build_logs(log_group),
            ],
        )


_LOGIN = 'aws ecr get-login-password --region "$AWS_REGION" | docker login --username AWS --password-stdin'
# A tag never moves, and its image depends on nothing but the tag's inputs: what is there is not built again.
_BUILD_AND_PUSH = """\
if aws ecr describe-images --repository-name "${REPOSITORY_URI#*/}" --image-ids imageTag="$IMAGE_TAG" > /dev/null 2>&1
then
  echo "$REPOSITORY_URI:$IMAGE_TAG is there already: nothing to build"
else
  docker build --file "$DOCKERFILE" --build-arg BASE_IMAGE="$BASE_IMAGE" --tag "$REPOSITORY_URI:$IMAGE_TAG" . &&
  docker push "$REPOSITORY_URI:$IMAGE_TAG"
fi
"""
_BUILD = {
    "version": "0.2",
    "env": {"shell": "bash"},
    "phases": {
        "pre_build": {
            "commands": [f'{_LOGIN} "$BASE_REGISTRY"', f'{_LOGIN} "${{REPOSITORY_URI%%/*}}"'],
        },
        "build": {"commands": [_BUILD_AND_PUSH]},
    },
}
