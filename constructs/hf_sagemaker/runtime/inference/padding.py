"""Several inputs of a model as one: filled up to one length, moved to the device, and the filling cut off again."""

from collections.abc import Hashable
from typing import Any

import torch
from transformers.pipelines.base import pad_collate_fn

# Where an answer echoes its input, or has something per token, the filling must not be seen by what follows.
_PER_TOKEN = ("start", "end")
_VECTORS_PER_TOKEN = ("last_hidden_state", "logits")  # logits of a whole text have a dimension less


class Padding:
    """What one pipeline's inputs are padded with.

    is_possible: whether inputs of different lengths can be put together at all.
    """

    def __init__(self, pipe: Any) -> None:
        self._device = pipe.device
        self._left = getattr(pipe.tokenizer, "padding_side", "right") == "left"
        self.is_possible = pipe.tokenizer is not None and pipe.tokenizer.pad_token_id is not None
        features = pipe.feature_extractor if pipe.feature_extractor is not None else pipe.image_processor
        tokenizer = pipe.tokenizer if self.is_possible else None
        self._collate = pad_collate_fn(tokenizer, features) if tokenizer or features else None

    def shape_key(self, chunk: dict[str, Any], *, equal: bool) -> Hashable:
        """The same for inputs that can be put together. None: this one cannot.

        equal: only where they are of the same shape, so that nothing is padded.
        """
        if self._collate is None:
            return None
        shapes = []
        for name in sorted(chunk):
            value = chunk[name]
            if not isinstance(value, torch.Tensor):
                shapes.append((name, type(value).__name__))
            elif value.dim() and value.shape[0] == 1 and value.numel():
                shapes.append((name, tuple(value.shape) if equal else value.dim()))
            else:
                return None  # a batch of its own already, or empty
        return tuple(shapes)

    def together(self, chunks: list[dict[str, Any]]) -> dict[str, Any]:
        assert self._collate is not None  # chunks that cannot be put together have no key
        return self.moved(self._collate(chunks))

    def moved(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """On the device. From pinned memory a GPU fetches it by itself, while this thread goes on."""
        if self._device.type != "cuda":
            return chunk
        return {name: to_device(value, self._device) for name, value in chunk.items()}

    def cut_off(self, answer: Any, chunk: dict[str, Any]) -> Any:
        """The answer to one of several inputs, as long as it would have been alone."""
        ids = chunk.get("input_ids")
        if not isinstance(ids, torch.Tensor) or not hasattr(answer, "items"):
            return answer
        length = ids.shape[-1]
        # A generated text goes on from its prompt, padding in front included.
        generated, padded = answer.get("generated_sequence"), answer.get("input_ids")
        if isinstance(generated, torch.Tensor) and isinstance(padded, torch.Tensor) and self._left:
            answer["generated_sequence"] = generated[..., padded.shape[-1] - length :]
        for name, value in list(answer.items()):
            if not isinstance(value, torch.Tensor) or value.dim() < 2 or value.shape[1] <= length:
                continue
            if name in chunk or name in _PER_TOKEN or (name in _VECTORS_PER_TOKEN and value.dim() > 2):
                answer[name] = value[:, -length:] if self._left else value[:, :length]
        return answer


def to_device(value: Any, device: torch.device) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    return value.pin_memory().to(device, non_blocking=True)
