"""Which Hugging Face Deep Learning Containers (DLCs) AWS publishes, and where.

The data is the SageMaker SDK's own image tables, kept as JSON beside this module and rewritten by `make catalogs`
(hf_sagemaker.update_catalogs). Imports no CDK and makes no AWS call.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hf_sagemaker.nearest_regions import nearest_regions

Purpose = Literal["training", "inference"]
Server = Literal["tgi", "tei", "vllm", "vllm-omni", "sglang", "llamacpp"]
Product = Literal["training", "inference", "training-compiler"] | Server
"""`training` and `inference` run scripts and pipelines of transformers; the others are servers of one kind of model,
and training with SageMaker's compiler."""
Processor = Literal["gpu", "cpu", "neuron", "neuronx"]
"""What an image is built for: NVIDIA GPUs, CPUs, Inferentia1 (neuron), Inferentia2 and Trainium (neuronx)."""

LATEST = "latest"


class UnknownImageError(ValueError):
    """AWS publishes no such image, or not in that region."""


@dataclass(frozen=True)
class DeepLearningContainer:
    """One published DLC in one region.

    product: what it is for.
    version: of what the product is named after: transformers for training and inference, else the server.
    framework: `pytorch2.8.0` or `tensorflow2.11.0`; empty for a server.
    registry: host name of the ECR registry that serves it there.
    repository, tag: together with the registry the image's URI.
    processor: what it is built for.
    """

    product: Product
    version: str
    framework: str
    processor: Processor
    registry: str
    repository: str
    tag: str

    @property
    def uri(self) -> str:
        """`<registry>/<repository>:<tag>`."""
        return f"{self.registry}/{self.repository}:{self.tag}"

    @property
    def account(self) -> str:
        """The AWS account that owns the registry."""
        return self.registry.split(".")[0]

    @property
    def cuda(self) -> tuple[int, int] | None:
        """CUDA version as (major, minor); None where there is none."""
        found = re.search(r"-cu(\d+)(\d)-", f"-{self.tag}-")
        return (int(found[1]), int(found[2])) if found else None

    @property
    def transformers(self) -> str | None:
        """The version of transformers that its tag names; None for a server that has none, or does not say."""
        found = re.search(r"-transformers([0-9.]+)-", f"-{self.tag}-")
        return found[1] if found else None

    @property
    def data_parallel_library(self) -> bool:
        """Whether it carries SageMaker's library for distributed data parallelism: none does after PyTorch 2.3."""
        found = re.match(r"pytorch(\d+)\.(\d+)", self.framework)
        version = (int(found[1]), int(found[2])) if found else (0, 0)
        return self.product == "training" and self.processor == "gpu" and (1, 6) <= version <= (2, 3)


class _Row(NamedTuple):
    """One line of the catalogue. registries: index of the table region → account."""

    version: str
    framework: str
    processor: Processor
    repository: str
    tag: str
    registries: int


@cache
def _catalog() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(__file__).with_name("dlc_catalog.json").read_text(encoding="utf-8"))
    return content


@cache
def _rows(product: Product, processor: Processor) -> list[_Row]:
    return [row for row in (_Row(*values) for values in _catalog()["images"][product]) if row.processor == processor]


def _accounts(row: _Row) -> dict[str, str]:
    accounts: dict[str, str] = _catalog()["registries"][row.registries]
    return accounts


def versions(product: Product, processor: Processor = "gpu", region: str | None = None) -> list[str]:
    """The versions that are published for the processor, oldest first. region: only those that are there."""
    rows = _rows(product, processor)
    return _sorted({row.version for row in rows if region is None or region in _accounts(row)})


def registries(region: str) -> set[str]:
    """The accounts from whose registries AWS serves these images in that region; empty where it serves none."""
    return {accounts[region] for accounts in _catalog()["registries"] if region in accounts}


def tags(repository: str) -> set[str]:
    """Every tag that AWS publishes in that repository, for example `huggingface-pytorch-training`."""
    rows = (_Row(*values) for images in _catalog()["images"].values() for values in images)
    return {row.tag for row in rows if row.repository == repository}


def newest(purpose: Purpose, *, region: str, processor: Processor = "gpu") -> DeepLearningContainer:
    """The newest PyTorch image of the catalogue in that region. UnknownImageError: there is none."""
    rows = [
        row for row in _rows(purpose, processor) if region in _accounts(row) and row.framework.startswith("pytorch")
    ]
    if not rows:
        raise UnknownImageError(f"no Hugging Face {purpose} image for {processor} is published in {region}.")
    return _container(purpose, max(rows, key=lambda row: (_key(row.version), _key(row.framework))), region)


def resolve(
    purpose: Literal["training", "inference", "training-compiler"],
    *,
    transformers: str,
    region: str,
    pytorch: str | None = None,
    tensorflow: str | None = None,
    processor: Processor = "gpu",
) -> DeepLearningContainer:
    """The DLC of those versions in that region.

    transformers, pytorch, tensorflow: x.y.z. A shorter version is completed when only one that is published begins
    with it. Neither framework: the newest PyTorch that was published for that transformers version.

    Raises UnknownImageError naming the nearest that exist, also for `latest`, which is no version.
    """
    kind = "TensorFlow" if tensorflow else "PyTorch"
    offered = [row for row in _rows(purpose, processor) if row.framework.startswith(kind.lower())]
    if not offered:
        raise UnknownImageError(_without_processor(purpose, processor))
    offered = _of_version(offered, "version", transformers, f"{purpose} image has transformers")
    transformers = offered[0].version
    if wanted := tensorflow or pytorch:
        what = f"{purpose} image with transformers {transformers} has {kind}"
        offered = _of_version(offered, "framework", wanted, what, prefix=kind.lower())
    row = max(offered, key=lambda row: _key(row.framework))
    return _in_region(purpose, row, region, f"{purpose} image with transformers {transformers}")


def resolve_server(
    server: Server,
    *,
    version: str,
    region: str,
    processor: Processor = "gpu",
) -> DeepLearningContainer:
    """The DLC of a model server in that region. version: as in `resolve`; for `neuronx` that of optimum-neuron.

    Raises UnknownImageError naming the nearest that exist.
    """
    offered = _rows(server, processor)
    if not offered:
        raise UnknownImageError(_without_processor(server, processor))
    (row,) = _of_version(offered, "version", version, f"{server} image for {processor} has version")
    return _in_region(server, row, region, f"{server} image of version {row.version}")


def _without_processor(product: Product, processor: Processor) -> str:
    known = sorted({row[2] for row in _catalog()["images"][product]})
    return f"no Hugging Face {product} image is published for processor {processor!r}. It is for: {', '.join(known)}."


def _of_version(rows: Sequence[_Row], field: str, wanted: str, what: str, prefix: str = "") -> list[_Row]:
    """The rows of that version. what: begins the sentence that says that there is none."""
    if wanted == LATEST:
        raise UnknownImageError(
            "'latest' names another image from one day to the next. Name a version, or let `hfsm images update` pin it "
            "in environments/images.lock.json."
        )
    offered = _sorted({str(getattr(row, field)).removeprefix(prefix) for row in rows})
    fitting = [version for version in offered if version == wanted or version.startswith(f"{wanted}.")]
    if wanted in fitting or len(fitting) == 1:
        found = wanted if wanted in fitting else fitting[0]
        return [row for row in rows if getattr(row, field) == prefix + found]
    if fitting:
        raise UnknownImageError(f"{wanted!r} stands for several published versions: {', '.join(fitting)}. Name one.")
    raise UnknownImageError(
        f"no published Hugging Face {what} {wanted}. Nearest: {', '.join(_nearest_versions(wanted, offered))}."
    )


def _in_region(product: Product, row: _Row, region: str, what: str) -> DeepLearningContainer:
    if region in _accounts(row):
        return _container(product, row, region)
    there = nearest_regions(region, _accounts(row))
    message = f"no Hugging Face {what} is published in region {region!r}."
    message += f" Nearest regions that have it: {', '.join(there)}." if there else " No region of its partition has it."
    if others := versions(product, row.processor, region):
        message += f" In {region} there is: {', '.join(_nearest_versions(row.version, others))}."
    raise UnknownImageError(message)


def _container(product: Product, row: _Row, region: str) -> DeepLearningContainer:
    suffix = _catalog()["dns_suffixes"].get(region, "amazonaws.com")
    return DeepLearningContainer(
        product=product,
        version=row.version,
        framework=row.framework,
        processor=row.processor,
        registry=f"{_accounts(row)[region]}.dkr.ecr.{region}.{suffix}",
        repository=row.repository,
        tag=row.tag,
    )


def _nearest_versions(wanted: str, offered: Sequence[str]) -> list[str]:
    """The one below, the one above and the newest."""
    below = [version for version in offered if _key(version) < _key(wanted)][-1:]
    above = [version for version in offered if _key(version) > _key(wanted)][:1]
    return list(dict.fromkeys([*below, *above, offered[-1]]))


def _sorted(found: Iterable[str]) -> list[str]:
    return sorted(found, key=_key)


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
