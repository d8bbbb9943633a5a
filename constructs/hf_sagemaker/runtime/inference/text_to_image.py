"""Diffusion models, as the toolkit serves them: one image of one prompt."""

import importlib.util
from pathlib import Path
from typing import Any

from model_files import ModelLoadError


class TextToImage:
    """A diffusers pipeline whose answer is a PIL image."""

    task = "text-to-image"

    def __init__(self, folder: Path, device: str, *, allow_pickle: bool) -> None:
        if importlib.util.find_spec("diffusers") is None:
            raise ModelLoadError(
                "the task text-to-image needs the package diffusers, which this image does not have: "
                "put it into the image's requirements"
            )
        import torch
        from diffusers import DiffusionPipeline

        dtype = torch.float32
        if device != "cpu":
            dtype = torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
        self._pipeline = DiffusionPipeline.from_pretrained(
            str(folder), torch_dtype=dtype, local_files_only=True, use_safetensors=None if allow_pickle else True
        )
        self._pipeline.to(device)

    def __call__(self, prompt: str, **parameters: Any) -> Any:
        parameters.pop("num_images_per_prompt", None)  # an answer is one image
        return self._pipeline(prompt, num_images_per_prompt=1, **parameters).images[0]
