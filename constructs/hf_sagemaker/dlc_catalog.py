"""Which Hugging Face Deep Learning Containers (DLCs) AWS publishes, and where.

The data is the SageMaker SDK's own image table, kept as JSON beside this module and rewritten by `make catalogs`
(hf_sagemaker.update_catalogs). Imports no CDK and makes no AWS call.
"""

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal

Purpose = Literal["training", "inference"]
Processor = Literal["gpu", "cpu"]


class UnknownImageError(ValueError):
    """AWS publishes no such image, or not in that region."""


@dataclass(frozen=True)
class DeepLearningContainer:
    """One published DLC in one region.

    registry: host name of the ECR registry that serves it there.
    repository, tag: together with the registry the image's URI.
    processor: `gpu` or `cpu`.
    cuda: CUDA version as (major, minor); None for a CPU image.
    """

    registry: str
    repository: str
    tag: str
    processor: Processor
    cuda: tuple[int, int] | None

    @property
    def uri(self) -> str:
        """`<registry>/<repository>:<tag>`."""
        return f"{self.registry}/{self.repository}:{self.tag}"

    @property
    def account(self) -> str:
        """The AWS account that owns the registry."""
        return self.registry.split(".")[0]

    @property
    def inference_ami_version(self) -> str | None:
        """The host image whose NVIDIA driver runs this image's CUDA; None for a CPU image.

        Source: the API reference of ProductionVariant.InferenceAmiVersion. On an older driver a container dies before
        its first log line.
        """
        if self.cuda is None:
            return None
        if self.cuda <= (12, 2):
            return "al2-ami-sagemaker-inference-gpu-2-1"
        if self.cuda <= (12, 4):
            return "al2-ami-sagemaker-inference-gpu-3-1"
        return "al2023-ami-sagemaker-inference-gpu-4-1"


@cache
def _catalog() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(__file__).with_name("dlc_catalog.json").read_text(encoding="utf-8"))
    return content


def versions(purpose: Purpose) -> list[str]:
    """The transformers versions with a PyTorch image, oldest first."""
    return list(_catalog()["images"][purpose])


def registries(region: str) -> set[str]:
    """The accounts from whose registries AWS serves these images in that region; empty where it serves none."""
    images = [
        image for purpose in _catalog()["images"].values() for entry in purpose.values() for image in entry.values()
    ]
    return {image["registries"][region] for image in images if region in image["registries"]}


def tags(repository: str) -> set[str]:
    """Every tag that AWS publishes in that repository, for example `huggingface-pytorch-training`."""
    return {
        _tag(pytorch, transformers, processor, python, container_version)
        for purpose in _catalog()["images"].values()
        for transformers, entry in purpose.items()
        for pytorch, image in entry.items()
        if image["repository"] == repository
        for processor, container_version in image["container_version"].items()
        for python in image["py_versions"]
    }


def resolve(
    purpose: Purpose,
    *,
    transformers: str,
    region: str,
    pytorch: str | None = None,
    processor: Processor = "gpu",
) -> DeepLearningContainer:
    """The DLC of those versions in that region.

    transformers, pytorch: full versions, x.y.z; a short one gives a tag that does not exist. pytorch left out takes the
    only PyTorch version that was published for that transformers version, or the newest of several.

    Raises UnknownImageError naming what exists.
    """
    entry = _pick("transformers version", transformers, _catalog()["images"][purpose], purpose)
    pytorch = pytorch or max(entry, key=_version_key)
    image = _pick(f"PyTorch version for transformers {transformers}", pytorch, entry, purpose)
    container_version = _pick("processor", processor, image["container_version"], purpose)
    account = _pick("region", region, image["registries"], purpose)
    python = image["py_versions"][-1]
    cuda = re.match(r"cu(\d+)(\d)-", container_version)
    return DeepLearningContainer(
        registry=f"{account}.dkr.ecr.{region}.{_dns_suffix(region)}",
        repository=image["repository"],
        tag=_tag(pytorch, transformers, processor, python, container_version),
        processor=processor,
        cuda=(int(cuda[1]), int(cuda[2])) if cuda else None,
    )


def _tag(pytorch: str, transformers: str, processor: str, python: str, container_version: str) -> str:
    return f"{pytorch}-transformers{transformers}-{processor}-{python}-{container_version}"


def _pick(what: str, wanted: str, offered: dict[str, Any], purpose: Purpose) -> Any:
    if wanted not in offered:
        nearest = get_close_matches(wanted, list(offered), n=3, cutoff=0.4) or list(offered)[-3:]
        raise UnknownImageError(
            f"no Hugging Face {purpose} image is published for {what} {wanted!r}. Nearest: {', '.join(nearest)}."
        )
    return offered[wanted]


def _dns_suffix(region: str) -> str:
    suffixes: dict[str, str] = _catalog()["dns_suffixes"]
    return next((s for prefix, s in suffixes.items() if region.startswith(prefix)), "amazonaws.com")


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
