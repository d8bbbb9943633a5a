"""Which container image something runs, and what decides whether it fits there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_sagemaker.base_image import BaseImage, OwnImage, short_name
from hf_sagemaker.dlc_catalog import DeepLearningContainer, Processor, Product
from hf_sagemaker.instance_types import Architecture
from hf_sagemaker.serving import Serving

if TYPE_CHECKING:  # settings are checked with this module, and must not load the CDK
    from aws_cdk import aws_ecr as ecr

    from hf_sagemaker.extended_image import ExtendedImage

_TOOLKIT = "sagemaker-huggingface-inference-toolkit"
_TOOLKIT_OF_4 = "2.6.0"
"""The newest toolkit that an inference image with transformers 4 carries."""


@dataclass(frozen=True, kw_only=True)
class ContainerImage:
    """A choice, made by one of the class methods, and what is known of it.

    name: what people call it; in messages.
    uri: `<registry>/<repository>:<tag>` or `…@sha256:…`.
    product: what it is for.
    processor, architecture: what it is built for.
    cuda: version as (major, minor); None without.
    transformers: version; None where it has none or it is not known. A check that needs it is left out then.
    toolkit: version of sagemaker-huggingface-inference-toolkit that limits which transformers can be imported; None
        where there is no such limit.
    serving: which server this library's runtime starts in it, and what that may do. None: it has none, or that is not
        known; nothing that depends on it is checked.
    data_parallel_library: whether it has SageMaker's own.
    """

    name: str
    uri: str
    product: Product
    processor: Processor = "gpu"
    architecture: Architecture = "x86_64"
    cuda: tuple[int, int] | None = None
    transformers: str | None = None
    toolkit: str | None = None
    serving: Serving | None = None
    data_parallel_library: bool = False

    @classmethod
    def from_dlc(
        cls,
        base: DeepLearningContainer,
        *,
        name: str | None = None,
        pinned: Mapping[str, str] | None = None,
        serving: Serving | None = None,
    ) -> "ContainerImage":
        """A published Deep Learning Container, see dlc_catalog.resolve.

        name: omitted: its repository and tag.
        pinned: distribution → version of what is installed over it, as an extension does. Omitted: it is as published.
        serving: the server that an extension has put into it, see `ImageExtension`. Omitted: none, and the image starts
            with its own: for inference the stock server, the Hugging Face toolkit's.
        """
        return cls._over(base, "x86_64", name, pinned, serving)

    @classmethod
    def from_own(
        cls,
        base: OwnImage,
        *,
        name: str | None = None,
        pinned: Mapping[str, str] | None = None,
        serving: Serving | None = None,
    ) -> "ContainerImage":
        """An image of a team's own, by what is known of it. name, pinned, serving: as in `from_dlc`."""
        return cls._over(base, base.architecture, name, pinned, serving)

    @classmethod
    def _over(
        cls,
        base: BaseImage,
        architecture: Architecture,
        name: str | None,
        pinned: Mapping[str, str] | None,
        serving: Serving | None,
    ) -> "ContainerImage":
        pinned = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in (pinned or {}).items()}
        toolkit = None
        imports_toolkit = serving is None or serving.server == "toolkit"
        if imports_toolkit and base.product == "inference" and base.processor in ("gpu", "cpu"):
            of_base = _TOOLKIT_OF_4 if (base.transformers or "").startswith("4.") else None
            toolkit = pinned.get(_TOOLKIT, of_base)
        return cls(
            name=name or short_name(base),
            uri=base.uri,
            product=base.product,
            processor=base.processor,
            architecture=architecture,
            cuda=base.cuda,
            transformers=pinned.get("transformers", base.transformers),
            toolkit=toolkit,
            serving=serving,
            data_parallel_library=base.data_parallel_library,
        )

    @classmethod
    def from_extended(cls, image: "ExtendedImage") -> "ContainerImage":
        """An image that this environment builds over a published one."""
        return image.image

    @classmethod
    def from_ecr(
        cls,
        repository: "ecr.IRepository",
        *,
        tag_or_digest: str,
        product: Product,
        processor: Processor = "gpu",
        architecture: Architecture = "x86_64",
        cuda: tuple[int, int] | None = None,
        transformers: str | None = None,
        serving: Serving | None = None,
    ) -> "ContainerImage":
        """An image of a team's own.

        tag_or_digest: `sha256:…` is a digest. `latest` is refused: it names another image from one day to the next.
        cuda, transformers: what it holds. Omitted: whatever depends on them is not checked, and the host image of an
            endpoint is SageMaker's default.
        serving: the server of this library's runtime in it. Omitted: none, or not known.

        Raises ValueError for `latest`.
        """
        if tag_or_digest == "latest":
            raise ValueError(
                f"{repository.repository_name}: `latest` names another image from one day to the next; name a tag that "
                "does not move, or a digest."
            )
        return cls(
            name=repository.repository_name,
            uri=repository.repository_uri_for_tag_or_digest(tag_or_digest),
            product=product,
            processor=processor,
            architecture=architecture,
            cuda=cuda,
            transformers=transformers,
            serving=serving,
        )
