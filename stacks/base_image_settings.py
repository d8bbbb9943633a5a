"""What an image extends: a published image, a published model server, or an image of a team's own.

Never imports aws_cdk, see stacks/settings.py.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from hf_sagemaker import dlc_catalog
from hf_sagemaker.base_image import BaseImage, BaseImageError, OwnImage
from hf_sagemaker.dlc_catalog import Purpose, Server
from hf_sagemaker.instance_types import Architecture
from stacks.settings_base import Settings

Version = Annotated[str, Field(pattern=r"^(\d+(\.\d+){0,2}|latest)$", description="x.y.z, in quotation marks if x.y")]
Processor = Annotated[
    Literal["gpu", "cpu", "neuron", "neuronx"],
    Field(description="gpu: NVIDIA. neuron: Inferentia1. neuronx: Inferentia2 and Trainium"),
]
WITHOUT_PYTHON = ("tei", "llamacpp")
"""Servers whose images hold one program, and no Python to install anything with."""


class BaseImageSettings(Settings):
    """A published Hugging Face Deep Learning Container for training, or for serving with transformers."""

    purpose: Purpose
    """What the image is for: it decides which of the project's runtimes is put into it."""
    transformers: Version
    """transformers version of the published image, x.y.z; a shorter one where only one begins with it. `latest`: what
    `hfsm images update` pinned for this image in images.lock.json."""
    pytorch: Version | None = None
    """PyTorch version of the published image. Omitted: the newest with that transformers version."""
    processor: Processor = "gpu"
    """Which build. Training images exist for gpu and neuronx. A neuron or neuronx image keeps its own libraries."""

    def resolve(self, region: str) -> BaseImage:
        """The image. UnknownImageError: it is not published, or not in the region."""
        return dlc_catalog.resolve(
            self.purpose,
            transformers=self.transformers,
            pytorch=self.pytorch,
            processor=self.processor,
            region=region,
        )


class ServerBaseSettings(Settings):
    """A published model server. It starts with what it brings itself; nothing of the project is put into it."""

    server: Server
    """tgi: text generation. vllm, sglang: language models. vllm-omni: vLLM for other kinds of models too. tei:
    embeddings and rerankers. llamacpp: GGUF models."""
    version: Annotated[str, Field(pattern=r"^b?\d+(\.\d+){0,2}$", description="in quotation marks if x.y")]
    """Version of the server; for neuronx that of optimum-neuron. A shorter one where only one begins with it."""
    processor: Processor = "gpu"
    """Which build. cpu: tei and llamacpp. neuronx: tgi and vllm."""

    @property
    def purpose(self) -> Purpose:
        """Servers serve."""
        return "inference"

    def resolve(self, region: str) -> BaseImage:
        """The image. UnknownImageError: it is not published, or not in the region."""
        return dlc_catalog.resolve_server(self.server, version=self.version, processor=self.processor, region=region)


class OwnBaseSettings(Settings):
    """An image of a team's own, in ECR in this region, and what is known of it."""

    uri: str
    """`<account>.dkr.ecr.<region>.amazonaws.com/<repository>` and `:<tag>` or `@sha256:<digest>`; never `latest`. The
    repository's policy must let this account's building role pull, when it is another account's."""
    purpose: Purpose
    """What the image is for."""
    runtime: bool = True
    """Put the project's runtime for that purpose into it. It needs SageMaker's toolkit there for training
    (sagemaker-training), PyTorch and transformers for serving; for the stock server, which `serving` may name,
    sagemaker-huggingface-inference-toolkit. False: it starts with what it brings itself."""
    processor: Processor = "gpu"
    """What it is built for."""
    architecture: Architecture = "x86_64"
    """Of the CPU; arm64 is Graviton."""
    cuda: Annotated[str, Field(pattern=r"^\d+\.\d+$", description="x.y, in quotation marks")] | None = None
    """CUDA version in it. Omitted: nothing that depends on it is checked."""
    transformers: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$", description="x.y.z")] | None = None
    """transformers version in it. Omitted: nothing that depends on it is checked, and it keeps its own libraries."""

    @field_validator("uri")
    @classmethod
    def _names_one_image(cls, value: str) -> str:
        try:
            return OwnImage(uri=value, product="inference").uri
        except BaseImageError as error:
            raise ValueError(str(error)) from None

    def resolve(self, region: str) -> BaseImage:
        """The image. UnknownImageError: it is in another region, from which no build may pull."""
        major, _, minor = (self.cuda or "").partition(".")
        image = OwnImage(
            uri=self.uri,
            product=self.purpose,
            runtime=self.runtime,
            processor=self.processor,
            architecture=self.architecture,
            cuda=(int(major), int(minor)) if self.cuda else None,
            transformers=self.transformers,
        )
        if image.region != region:
            raise dlc_catalog.UnknownImageError(
                f"{image.repository} is in {image.region}, and images are built from bases in their own region. Copy "
                f"it to {region}, for example by ECR's replication, and name it there."
            )
        return image


def _kind(value: Any) -> str:
    """Which of the three a mapping is, by the field that only that one has."""
    if isinstance(value, Settings):
        return type(value).__name__
    given = value if isinstance(value, dict) else {}
    if "uri" in given:
        return OwnBaseSettings.__name__
    return ServerBaseSettings.__name__ if "server" in given else BaseImageSettings.__name__


AnyBaseSettings = Annotated[
    Annotated[BaseImageSettings, Tag(BaseImageSettings.__name__)]
    | Annotated[ServerBaseSettings, Tag(ServerBaseSettings.__name__)]
    | Annotated[OwnBaseSettings, Tag(OwnBaseSettings.__name__)],
    Discriminator(_kind),
]
"""One of three, told apart by their fields: `transformers`, `server` or `uri`."""


def has_python(base: BaseImageSettings | ServerBaseSettings | OwnBaseSettings) -> bool:
    """Whether Python requirements can be installed over it."""
    return not isinstance(base, ServerBaseSettings) or base.server not in WITHOUT_PYTHON
