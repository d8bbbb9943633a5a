"""Base images that no catalogue knows: a team's own, given by their URIs.

Imports no CDK: settings are checked with it.
"""

import re
from dataclasses import dataclass, field

from hf_sagemaker.dlc_catalog import LATEST, DeepLearningContainer, Processor, Purpose
from hf_sagemaker.instance_types import Architecture

_URI = re.compile(
    r"^(?P<registry>\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[a-z0-9.]+)/(?P<repository>[a-z0-9][a-z0-9._/-]*)"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))$"
)


class BaseImageError(ValueError):
    """The URI names no image that can be built upon; the message says what it must be."""


@dataclass(frozen=True, kw_only=True)
class OwnImage:
    """An image in ECR that AWS's catalogue does not list.

    uri: `<account>.dkr.ecr.<region>.amazonaws.com/<repository>` and `:<tag>` or `@sha256:<digest>`.
    product: what it is for.
    runtime: this library's runtime goes into it; it needs SageMaker's toolkit for training, PyTorch for the batching
        server, and the Hugging Face inference toolkit for that one. False: it starts with what it brings itself.
    processor, architecture: what it is built for.
    cuda: version as (major, minor). transformers: version. None: whatever depends on it is not checked.
    data_parallel_library: whether it carries SageMaker's.

    Raises BaseImageError for another URI, and for the tag `latest`.
    """

    uri: str
    product: Purpose
    runtime: bool = True
    processor: Processor = "gpu"
    architecture: Architecture = "x86_64"
    cuda: tuple[int, int] | None = None
    transformers: str | None = None
    data_parallel_library: bool = False
    registry: str = field(init=False)
    region: str = field(init=False)
    repository: str = field(init=False)
    tag: str = field(init=False)
    """Empty where a digest names it."""
    digest: str = field(init=False)
    """`sha256:…`; empty where a tag names it."""

    def __post_init__(self) -> None:
        match = _URI.match(self.uri)
        if not match:
            raise BaseImageError(
                "must be an image in ECR: <account>.dkr.ecr.<region>.amazonaws.com/<repository> and :<tag> or "
                "@sha256:<64 hexadecimal digits>"
            )
        if match["tag"] == LATEST:
            raise BaseImageError(
                "must name a tag that does not move, or a digest: `latest` is another image from one day to the next"
            )
        for name in ("registry", "region", "repository", "tag", "digest"):
            object.__setattr__(self, name, match[name] or "")

    @property
    def account(self) -> str:
        """The AWS account that owns the registry."""
        return self.registry.split(".")[0]


BaseImage = DeepLearningContainer | OwnImage


def version_of(base: BaseImage) -> str:
    """What comes after the base's repository, as a part of a tag: its own tag, or the beginning of its digest."""
    return base.digest.removeprefix("sha256:")[:12] if isinstance(base, OwnImage) and base.digest else base.tag


def short_name(base: BaseImage) -> str:
    """Repository and tag or digest, for people."""
    digest = isinstance(base, OwnImage) and base.digest[:19]
    return f"{base.repository}@{digest}" if digest else f"{base.repository}:{base.tag}"
