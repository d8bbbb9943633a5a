"""A Hugging Face Deep Learning Container, extended: built in the account, tagged by what went into it."""

from pathlib import Path

from aws_cdk import Duration, IgnoreMode, RemovalPolicy
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from hf_sagemaker.dlc_catalog import DeepLearningContainer, Purpose
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.image_build import ImageBuild

_RUNTIME = Path(__file__).with_name("runtime")
_UNTAGGED_DAYS = 14
_KEPT_IMAGES = 50
# ECR takes 128 characters. The build appends a hyphen and 12 digits of the base's digest.
_LONGEST_TAG = 128 - 13


class ExtendedImage(Construct):
    """An ECR repository and the build that fills it.

    repository: encrypted, scanned on push; a tag never moves.
    build: makes the image and pushes it.
    uri: `<repository>:<tag>`; the tag is the hash of the build context and the tag of the base, so that the
        same inputs give the same image and a change of either gives a new one. The build adds the base's digest.
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
        parameter_path: str,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates both.

        purpose: which context to build: `runtime/images/<purpose>` with the code of `runtime/<purpose>`.
        base: the published image that it extends.
        repository_name: stable and known outside: roles are granted by it.
        role: assumed by the build; must be able to push to the repository. Log, source and base access are added here.
        parameter_path: where the build writes down what it made, as `ImageBuild` takes it.
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
        self.tag = f"{context.asset_hash[:16]}-{base.tag}"[:_LONGEST_TAG]
        self.uri = self.repository.repository_uri_for_tag(self.tag)
        self.build = ImageBuild(
            self,
            "Build",
            purpose=purpose,
            base=base,
            context=context,
            tag=self.tag,
            repository=self.repository,
            keys=keys,
            role=role,
            parameter_path=parameter_path,
            removal_policy=removal_policy,
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
