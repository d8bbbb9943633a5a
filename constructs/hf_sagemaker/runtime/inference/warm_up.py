"""A small request of each task, which any model of the task answers."""

import json
import math
import shutil
import struct
import wave
from io import BytesIO
from typing import TYPE_CHECKING, Any

import tasks

if TYPE_CHECKING:
    from model_loading import LoadedModel

_JSON = "application/json"
_TEXT = "Is anybody there?"
_PIXELS = 64  # of a side
_RATE = 16_000  # samples a second
_MASK = "Is {} there?"


def warm_up_body(loaded: "LoadedModel") -> tuple[bytes, str] | None:
    """(body, content type) of a request; None: what the model takes is not known."""
    task = tasks.canonical(loaded.task)
    if loaded.own.handles_requests or task is None:
        return None
    request = _text_request(task, loaded.model)
    if request is not None:
        return json.dumps(request).encode(), _JSON
    if task in ("image-classification", "image-segmentation", "object-detection", "image-feature-extraction"):
        return _image(), "image/png"
    if task in ("depth-estimation", "image-to-image"):
        return _image(), "image/png"
    if task in ("automatic-speech-recognition", "audio-classification") and shutil.which("ffmpeg"):
        return _sound(), "audio/wave"
    return None


def _text_request(task: str, pipeline: Any) -> dict[str, Any] | None:
    if task == "fill-mask":
        return {"inputs": _MASK.format(pipeline.tokenizer.mask_token)}
    if task in ("text-classification", "token-classification", "feature-extraction"):
        return {"inputs": _TEXT}
    if task in ("text-generation", "text2text-generation", "summarization"):
        return {"inputs": _TEXT, "parameters": {"max_new_tokens": 2}}
    if task == "question-answering":
        return {"inputs": {"question": _TEXT, "context": "Nobody is there."}}
    if task == "zero-shot-classification":
        return {"inputs": _TEXT, "parameters": {"candidate_labels": ["yes", "no"]}}
    return None  # a translation may need languages, a question about a table pandas


def _image() -> bytes:
    from PIL import Image

    written = BytesIO()
    Image.new("RGB", (_PIXELS, _PIXELS), (200, 120, 40)).save(written, format="PNG")
    return written.getvalue()


def _sound() -> bytes:
    samples = [round(8000 * math.sin(2 * math.pi * 440 * n / _RATE)) for n in range(_RATE // 2)]
    written = BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return written.getvalue()
