"""The build of an image: a CodeBuild project, what it may do, and its commands."""

from pathlib import Path

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.base_image import BaseImage, OwnImage
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.image_extension import ImageExtension
from hf_sagemaker.package_sources import PackageSources
from hf_sagemaker.place import place_of
from hf_sagemaker.placement import Placement

_OUTSIDE = (
    "The build is in no VPC, so that no job, endpoint or data store is beside it: it reaches the internet, from which "
    "packages come (settings: builds.network), and of this account what its role may."
)
_INSIDE = (
    "The build is in the environment's private subnets, in a security group of its own that nothing can connect to: it "
    "reaches the VPC's endpoints, whose policies admit pushes to this environment's repositories only (87), and the "
    "package index of the settings."
)
NOT_BUILT = "none"
"""What the parameters say before the first build."""
_OWN_BASE = (
    "The base is an image of a team's own, which the settings name. The role may pull from that repository alone, and "
    "the build asks for the digest behind a tag and builds on that."
)


class ImageBuild(Construct):
    """Builds one image and pushes it to its repository.

    project: `aws codebuild start-build --project-name …` builds and pushes the image.
    digest: the parameter with the newest image that was built, `<repository>@sha256:…`, or NOT_BUILT. Whoever runs the
        image reads it there, so that neither a deployment nor a build that failed changes what runs.
    base_digest: the parameter with the digest of the base that this image was built on, or NOT_BUILT.
    wanted: the parameter with `<repository>:<tag>`, what the settings lead to. CloudFormation writes it whenever that
        changes, when all that a build needs is there: its change is the sign to start one. wanted_name, wanted_arn: of
        it, for those that it waits for.
    rebuild: the parameter with a mark that goes into the image's tag: another mark gives another image of the same
        inputs. `none`: no mark.
    blocked: the parameter with the findings for which the image may not be promoted, or `none`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        extension: ImageExtension,
        context: assets.Asset,
        tag: str,
        repository: ecr.IRepository,
        keys: EnvironmentKeys,
        role: iam.IRole,
        artifacts: s3.IBucket,
        parameter_path: str,
        packages: PackageSources | None = None,
        placement: Placement | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the project, its log group, its policy and its parameters.

        extension: what is built on which base. context: the source, as the extension has written it.
        tag: stands for what goes into the image but its base. The image's own tag, in `repository`, is this and the
            first 12 digits of the digest that the base has at the time of the build.
        role: assumed by the build; must be able to push to the repository, and to use `packages` and `placement`. Log,
            source and base access are added here.
        artifacts: gets the images' bills of materials, `bills-of-materials/<repository>/sha256-….json`; the role must
            be able to write them.
        parameter_path: the parameters are `<path>/uri` (wanted), `/digest`, `/base-digest`, `/rebuild` and `/blocked`.
        packages: where packages come from. Omitted: from PyPI and Debian.
        placement: where it runs; the network must let builds pass. Omitted: outside every VPC, where it reaches the
            internet and, of this account, what its role may.
        removal_policy: of the log group. Omitted: it is kept.
        """
        super().__init__(scope, construct_id)
        # Written out, since what they name is created after whatever uses them.
        self.wanted_name = f"{parameter_path}/uri"
        self.wanted_arn = place_of(self).arn("ssm", f"parameter{self.wanted_name}")
        self.digest = self._parameter("Digest", f"{parameter_path}/digest")
        self.base_digest = self._parameter("BaseDigest", f"{parameter_path}/base-digest")
        self.rebuild = self._parameter("Rebuild", f"{parameter_path}/rebuild")
        self.blocked = self._parameter("Blocked", f"{parameter_path}/blocked")
        log_group = logs.LogGroup(
            self,
            "Logs",
            encryption_key=keys.logs,
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=removal_policy,
        )
        variables = {
            "BASE_IMAGE": extension.base.uri,
            "BASE_REGISTRY": extension.base.registry,
            "REPOSITORY_URI": repository.repository_uri,
            "IMAGE_TAG": tag,
            "PURPOSE": extension.purpose,
            "DOCKERFILE": extension.dockerfile_path,
            "ARTIFACTS_BUCKET": artifacts.bucket_name,
            "DIGEST_PARAMETER": self.digest.parameter_name,
            "BASE_DIGEST_PARAMETER": self.base_digest.parameter_name,
            "WANTED_PARAMETER": self.wanted_name,
            "REBUILD_PARAMETER": self.rebuild.parameter_name,
            **(packages.variables if packages else {}),
        }
        if extension.own_dockerfile_path:
            variables["OWN_DOCKERFILE"] = extension.own_dockerfile_path
        if extension.server:
            variables["SERVER"] = extension.server
        if version := extension.pinned.get("transformers"):
            variables["TRANSFORMERS_VERSION"] = version
        access = self._access(context, extension.base, log_group, role)
        image = extension.described(repository.repository_name)
        self.project = codebuild.Project(
            self,
            "Project",
            description=f"Builds the extended {extension.purpose} image",
            role=role.without_policy_updates(),  # type: ignore[attr-defined]
            source=codebuild.Source.s3(bucket=context.bucket, path=context.s3_object_key),
            environment=codebuild.BuildEnvironment(
                # What is built runs where it is built: the machine's CPU is the image's.
                build_image=codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_3_0
                if image.architecture == "arm64"
                else codebuild.LinuxBuildImage.AMAZON_LINUX_2023_5,
                compute_type=codebuild.ComputeType.LARGE,
                # docker build needs it. The role reads no data and only pushes to this environment's repositories.
                privileged=True,
            ),
            environment_variables={
                name: codebuild.BuildEnvironmentVariable(value=value) for name, value in variables.items()
            },
            encryption_key=kms.Key.from_key_arn(self, "Key", keys.images.key_arn),
            logging=codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log_group)),
            timeout=Duration.hours(1),
            queued_timeout=Duration.hours(1),
            build_spec=codebuild.BuildSpec.from_object(BUILD_SPECIFICATION),
        )
        self.project.node.add_dependency(access)
        if placement:
            placement.apply_to(self.project)
        foreign = _foreign_base_rules(self, extension.base)
        self.wanted = self._parameter("Wanted", self.wanted_name, f"{repository.repository_uri}:{tag}")
        self.wanted.node.add_dependency(self.project, access)
        acknowledge(
            self,
            f"`docker build` needs to own the host. {_INSIDE if placement else _OUTSIDE} It runs inline commands "
            "(control 81) in a role that reads no data and only pushes to this environment's repositories (34), and is "
            "started by no webhook (80). Its source is an archive in S3, read in that role: the rule on OAuth is for "
            "GitHub and Bitbucket, and asks every project. "
            + " ".join([*dict.fromkeys(access.wildcards.values()), *([_OWN_BASE] if foreign else [])]),
            *access.wildcards,
            *foreign,
            "HfSageMaker::Control-79",
            "HIPAA.Security::HIPAA.Security-CodeBuildProjectSourceRepoUrl",
            "PCI.DSS.321::PCI.DSS.321-CodeBuildProjectSourceRepoUrl",
        )

    def _access(
        self, context: assets.Asset, base: BaseImage, log_group: logs.ILogGroup, role: iam.IRole
    ) -> allow.DutyPolicy:
        return allow.DutyPolicy(
            self,
            "Policy",
            role=role,
            acknowledged=False,
            permissions=[
                allow.allow(
                    ["s3:GetObject", "s3:GetObjectVersion"], context.bucket.arn_for_objects(context.s3_object_key)
                ),
                allow.allow(["s3:GetBucketAcl", "s3:GetBucketLocation"], context.bucket.bucket_arn),
                allow.use_repositories(self, base.repository, account=base.account),
                allow.write_build_logs(log_group),
                allow.write_parameters(self.digest, self.base_digest),
                allow.allow(["ssm:GetParameter"], self.rebuild.parameter_arn, self.wanted_arn),
            ],
        )

    def _parameter(self, construct_id: str, name: str, value: str = NOT_BUILT) -> ssm.StringParameter:
        # Nothing but name and value: CloudFormation writes the value again when any other property changes, and what
        # the builds have written would be gone.
        return ssm.StringParameter(self, construct_id, parameter_name=name, string_value=value)


def _foreign_base_rules(scope: Construct, base: BaseImage) -> list[str]:
    """The rules on images that a team's own base does not keep."""
    if not isinstance(base, OwnImage):
        return []
    elsewhere = base.account != Stack.of(scope).account
    return ["HfSageMaker::Control-47"] * bool(base.tag) + ["HfSageMaker::Control-48"] * elsewhere


_LOGIN = 'aws ecr get-login-password --region "$AWS_REGION" | docker login --username AWS --password-stdin'
# In a shell of its own: what it sets holds for it alone.
_BUILD_AND_PUSH = f"(\n{Path(__file__).with_name('image_build.sh').read_text(encoding='utf-8')})"
BUILD_SPECIFICATION = {
    "version": "0.2",
    "env": {"shell": "bash"},
    "phases": {
        "pre_build": {
            "commands": [f'{_LOGIN} "$BASE_REGISTRY"', f'{_LOGIN} "${{REPOSITORY_URI%%/*}}"'],
        },
        "build": {"commands": [_BUILD_AND_PUSH]},
    },
}
