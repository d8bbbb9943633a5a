"""Which server an inference image starts, and what whoever deploys a model to it may ask for.

Never imports aws_cdk, see stacks/settings.py.
"""

from pydantic import ValidationInfo, field_validator

from hf_sagemaker.serving import Serving, ServingServer
from stacks.base_image_settings import BaseImageSettings, OwnBaseSettings, ServerBaseSettings
from stacks.settings_base import Settings

_NEURON = ("neuron", "neuronx")


class ServingSettings(Settings):
    """How an inference image serves."""

    server: ServingServer = "batching"
    """batching: the project's server, which batches requests, is ready when the model is, and runs without root.
    toolkit: the stock server, the Hugging Face toolkit's with multi-model-server. It cannot import transformers 5 where
    the base has 4, and stays root."""
    trust_remote_code: bool = False
    """Whether an endpoint may say HF_TRUST_REMOTE_CODE: Python code that comes with a model of the Hub is run then."""
    allow_pickle: bool = False
    """Whether weights may be pickles (pytorch_model.bin), which can run code when they are loaded. False: safetensors
    only. The toolkit always loads them."""

    @field_validator("allow_pickle")
    @classmethod
    def _means_something(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("server") == "toolkit":
            raise ValueError("must be left out with server: toolkit, which loads pickles whatever is said here")
        return value

    def resolve(self) -> Serving:
        """As images are built with it."""
        return Serving(server=self.server, trust_remote_code=self.trust_remote_code, allow_pickle=self.allow_pickle)


def serving_problem(
    serving: ServingSettings, base: BaseImageSettings | ServerBaseSettings | OwnBaseSettings
) -> str | None:
    """Why an image on that base cannot be told how it serves, or not so; None: it can."""
    if isinstance(base, ServerBaseSettings):
        return f"must be left out: an image of {base.server} starts with its own server"
    if base.purpose != "inference":
        return f"must be left out: it is for images that serve, and this one is for {base.purpose}"
    if isinstance(base, BaseImageSettings) and base.processor in _NEURON:
        return f"must be left out: an image for {base.processor} starts with its own server, the Hugging Face toolkit's"
    if isinstance(base, OwnBaseSettings) and not base.runtime:
        return "must be left out with runtime: false: the image starts with what it brings itself"
    if base.processor in _NEURON and serving.server == "batching":
        return f"must say server: toolkit: the batching server knows no {base.processor}"
    return None
