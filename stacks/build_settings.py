"""Builds of images: where they run, and where they get packages from. Never imports aws_cdk, see stacks/settings.py."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from hf_sagemaker.package_sources import CodeArtifact, PackageSources
from stacks.access_settings import KeyArn, SecretArn, partition_of
from stacks.image_settings import ImageSettings
from stacks.network_settings import NetworkSettings
from stacks.settings_base import HttpsUrl, Problem, Settings


class CodeArtifactSettings(Settings):
    """A repository of AWS CodeArtifact, in the environment's region, in which builds find every Python package."""

    domain: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,48}[a-z0-9]$")]
    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,99}$")]
    owner: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    """Account of the domain, 12 digits in quotation marks. Omitted: the environment's."""


class BuildSettings(Settings):
    """The builds of images."""

    network: Literal["internet", "vpc"] | None = None
    """internet: outside every VPC, where a build reaches the internet, and of this account what its role may. vpc: in
    the environment's network, where it reaches what the network's routes lead to. Omitted: vpc where `package_index`
    or `codeartifact` is named, else internet."""
    package_index: HttpsUrl | None = None
    """Address of the package index to use in place of PyPI, as pip's --index-url takes it; without user name and
    password. Omitted: PyPI, or `codeartifact`."""
    package_index_secret_arn: SecretArn | None = None
    """ARN of the Secrets Manager secret with the index's credentials, {"username": …, "password": …}. Only the building
    role may read it, at run time. Omitted: the index asks for none."""
    package_index_key_arn: KeyArn | None = None
    """The KMS key that encrypts that secret. Omitted: it is encrypted with the account's aws/secretsmanager."""
    codeartifact: CodeArtifactSettings | None = None
    """A repository of CodeArtifact in place of `package_index`: builds get a token by their role."""
    apt_proxy: HttpsUrl | None = None
    """Address of an HTTPS proxy through which apt gets Debian packages. Omitted: apt asks Debian's servers itself."""

    @property
    def inside(self) -> bool:
        """Whether builds run in the environment's network."""
        return (self.network or ("vpc" if self.package_index or self.codeartifact else "internet")) == "vpc"

    def sources(self, account: str, region: str) -> PackageSources:
        """As the constructs take them."""
        artifact = self.codeartifact
        return PackageSources(
            index=self.package_index,
            secret_arn=self.package_index_secret_arn,
            secret_key_arn=self.package_index_key_arn,
            code_artifact=CodeArtifact(
                domain=artifact.domain,
                repository=artifact.repository,
                owner=artifact.owner or account,
                region=region,
            )
            if artifact
            else None,
            apt_proxy=self.apt_proxy,
        )


def build_problems(
    account: str, region: str, builds: BuildSettings, network: NetworkSettings, images: Sequence[ImageSettings]
) -> list[Problem]:
    """What no field of the builds can know."""
    found = [*_index_problems(account, region, builds), *_way_problems(builds, network, images)]
    return [(f"builds.{path}" if not path.startswith("images.") else path, *rest) for path, *rest in found]  # type: ignore[misc]


def _index_problems(account: str, region: str, builds: BuildSettings) -> list[Problem]:
    found: list[Problem] = []
    if builds.package_index and builds.codeartifact:
        found.append(("package_index", builds.package_index, "must be left out with builds.codeartifact: one index"))
    if builds.codeartifact and partition_of(region) != "aws":
        found.append(("codeartifact", builds.codeartifact.domain, f"must be left out: {region} has no CodeArtifact"))
    for field in ("package_index_secret_arn", "package_index_key_arn"):
        arn = getattr(builds, field)
        if arn and not builds.package_index:
            found.append((field, arn, "must be left out without builds.package_index, whose credentials it is about"))
    if (arn := builds.package_index_secret_arn) and arn.split(":")[1:5] != [
        partition_of(region),
        "secretsmanager",
        region,
        account,
    ]:
        found.append(
            (
                "package_index_secret_arn",
                arn,
                f"must be a secret of this environment's account and region, arn:{partition_of(region)}:"
                f"secretsmanager:{region}:{account}:…: its network admits no other",
            )
        )
    if builds.package_index_key_arn and not builds.package_index_secret_arn:
        found.append(
            (
                "package_index_key_arn",
                builds.package_index_key_arn,
                "must be left out without builds.package_index_secret_arn, which it encrypts",
            )
        )
    return found


def _way_problems(builds: BuildSettings, network: NetworkSettings, images: Sequence[ImageSettings]) -> list[Problem]:
    """Builds inside that could not reach what they install."""
    if not builds.inside:
        return []
    found: list[Problem] = []
    if not (builds.package_index or builds.codeartifact or network.vpc or network.egress == "nat"):
        found.append(
            (
                "network",
                "vpc",
                f"must be internet, or builds.package_index or builds.codeartifact must name a package index: with "
                f"network.egress: {network.egress} nothing leads from the network to PyPI, from which every image "
                "installs the project's own requirements",
            )
        )
    if not builds.apt_proxy:
        found += [
            (
                f"images.{i}.apt_packages",
                image.apt_packages,
                "must be left out, or builds.apt_proxy must name a proxy: builds run in the network, from which only "
                "port 443 is open and Debian's servers are out of reach",
            )
            for i, image in enumerate(images)
            if image.apt_packages
        ]
    return found
