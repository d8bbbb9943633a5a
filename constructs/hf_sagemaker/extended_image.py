"""A Hugging Face Deep Learning Container, or a team's own image, extended: built here, tagged by what went into it."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from hf_sagemaker.base_image import version_of
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.image_build import ImageBuild
from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.image_extension import ImageExtension
from hf_sagemaker.package_sources import PackageSources
from hf_sagemaker.placement import Placement
from hf_sagemaker.shared_repository import Puller, share

_UNTAGGED_DAYS = 14
_KEPT_IMAGES = 50
# ECR takes 128 characters. The build appends 12 digits of the base's digest, and when it is built again a date.
_LONGEST_TAG = 128 - len("-0123456789ab-20260101")


class ExtendedImage(Construct):
    """An ECR repository and the build that fills it.

    repository: encrypted, scanned on push; a tag never moves.
    build: makes the image and pushes it.
    uri: `<repository>:<tag>`; the tag is the hash of the build context and the tag of the base, so that the
        same inputs give the same image and a change of either gives a new one. The build adds the base's digest.
    base: the image that it extends. image: what it is compatible with.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        extension: ImageExtension,
        repository_name: str,
        keys: EnvironmentKeys,
        role: iam.IRole,
        artifacts: s3.IBucket,
        parameter_path: str,
        packages: PackageSources | None = None,
        placement: Placement | None = None,
        pullers: Sequence[Puller] = (),
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates both.

        extension: what is put over which published image.
        repository_name: stable and known outside: roles are granted by it.
        role: assumed by the build, as `ImageBuild` takes it.
        artifacts: for what the build leaves besides the image, as `ImageBuild` takes it.
        parameter_path: where the build writes down what it made, as `ImageBuild` takes it.
        packages, placement: where packages come from and where the build runs, as `ImageBuild` takes them. They are no
            part of the tag: an index is another way to the same packages.
        pullers: environments that run its images too: they may pull, and no tagged image ever expires, since which
            of them run there is not known here. Omitted: none, and the newest images are kept.
        removal_policy: DESTROY also deletes the images. Omitted: everything is kept.
        """
        super().__init__(scope, construct_id)
        self.base = extension.base
        self._parameter_path = parameter_path
        self.repository = self._repository(repository_name, keys.images, pullers, removal_policy)
        context = assets.Asset(self, "Context", path=_context(extension))
        # The base is part of the build and not of the context: both belong into the tag.
        self.tag = f"{context.asset_hash[:16]}-{version_of(extension.base)}"[:_LONGEST_TAG]
        self.uri = self.repository.repository_uri_for_tag(self.tag)
        self.image = replace(extension.described(repository_name), uri=self.uri)
        self.build = ImageBuild(
            self,
            "Build",
            extension=extension,
            context=context,
            tag=self.tag,
            repository=self.repository,
            keys=keys,
            role=role,
            artifacts=artifacts,
            parameter_path=parameter_path,
            packages=packages,
            placement=placement,
            removal_policy=removal_policy,
        )

    @property
    def by_digest(self) -> ImageByDigest:
        """The image as it was built last, for those that run it."""
        return ImageByDigest(
            image=self.image,
            repository_uri=self.repository.repository_uri,
            # As it was given: a template of another stack may have to name it before there is anything to refer to.
            parameter_name=f"{self._parameter_path}/digest",
            parameter_arn=self.build.digest.parameter_arn,
            missing="built yet: run hfsm build, which also follows a build that a deployment has started",
        )

    def _repository(
        self, name: str, key: kms.IKey, pullers: Sequence[Puller], removal_policy: RemovalPolicy
    ) -> ecr.Repository:
        newest = ecr.LifecycleRule(description="The newest images", max_image_count=_KEPT_IMAGES)
        repository = ecr.Repository(
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
                *([] if pullers else [newest]),
            ],
        )
        share(repository, pullers)
        return repository


@cache
def _workshop() -> tempfile.TemporaryDirectory[str]:
    """Where contexts are put together. It stays until the process ends: the CDK remembers the hashes of files by their
    inodes, which a file of a removed folder would hand on to another."""
    return tempfile.TemporaryDirectory(prefix="hf-sagemaker-")


def _context(extension: ImageExtension) -> str:
    """A folder with the build context. Its name is in no template: assets go by what is in them."""
    folder = tempfile.mkdtemp(dir=_workshop().name)
    extension.write_context(Path(folder))
    return folder
