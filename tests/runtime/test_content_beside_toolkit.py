"""What requests and answers look like beside the real toolkit, and what needs the serving image's libraries."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

# Bodies and predictions through our content.py and through the toolkit's, in one process.
_BESIDE_THE_TOOLKIT = """
import base64, datetime, io, json, sys
sys.path.insert(0, sys.argv[1])
import numpy, torch
from PIL import Image
import content
from sagemaker_huggingface_inference_toolkit import decoder_encoder as toolkit

def image(kind, mode="RGB"):
    written = io.BytesIO()
    Image.new(mode, (5, 4), 7).save(written, format=kind)
    return written.getvalue()

def refused(body, content_type, task):
    try:
        content.decode(body, content_type, task)
    except content.RequestError as error:
        return [error.status, error.field, error.message]

def array(values, **options):
    written = io.BytesIO()
    numpy.save(written, numpy.array(values), **options)
    return written.getvalue()

told = {"encoded": {}, "images": {}, "refused": {}}
predictions = {
    "classes": [{"label": "größer", "score": numpy.float32(0.25)}, {"label": "b", "score": 0.1 + 0.2}],
    "features": [[[0.1, 1e-7], [2.0, 3.0]]],
    "mixed": {"t": torch.tensor([1.5, 2.0]), "n": numpy.int64(3), "d": datetime.datetime(2026, 1, 2), "b": True},
    "segments": [{"mask": Image.new("L", (3, 3), 9), "score": None}],
}
for name, prediction in predictions.items():
    for accept in ("application/json", "text/csv", "application/x-npy"):
        try:
            expected = toolkit.encode(prediction, accept)
        except Exception:
            continue
        expected = expected.encode() if isinstance(expected, str) else expected
        told["encoded"][f"{name} {accept}"] = content.encode(prediction, accept) == (expected, accept)
for kind in ("png", "jpeg", "tiff", "bmp", "gif", "webp"):
    for mode in ("RGB", "L"):
        body = image(kind, mode)
        expected = toolkit.decode(body, f"image/{kind}")["inputs"]
        inputs = content.decode(body, f"image/{kind}", "image-classification")["inputs"]
        text = json.dumps({"inputs": base64.b64encode(body).decode()}).encode()
        in_json = content.decode(text, None, "image-classification")["inputs"]
        same = expected.tobytes() == inputs.tobytes() == in_json.convert("RGB").tobytes() and inputs.mode == "RGB"
        told["images"][f"{kind} {mode}"] = same
picture = Image.new("RGB", (3, 3), (1, 2, 3))
told["encoded"]["picture"] = content.encode(picture, "image/png")[0] == toolkit.encode(picture, "image/png")
speech = "automatic-speech-recognition"
told["samples"] = content.decode(array([0.5, 1.0]), "application/x-npy", speech)["inputs"].tolist()
raw = json.dumps({"inputs": {"raw": [0.5, 1], "sampling_rate": 16000}}).encode()
told["raw"] = str(content.decode(raw, None, speech)["inputs"]["raw"].dtype)
cases = {
    "no image": (b"<html>", "image/png", "image-classification"),
    "half an image": (image("png")[:-20], "image/png", "image-classification"),
    "no array": (b"nothing", "application/x-npy", speech),
    "nan": (array([1.0, float("nan")]), "application/x-npy", speech),
    "pickle": (array([{"a": 1}], allow_pickle=True), "application/x-npy", speech),
    "array for a text": (array([1.0]), "application/x-npy", "fill-mask"),
}
told["refused"] = {name: refused(*case) for name, case in cases.items()}
try:
    content.encode(torch.tensor([1.0, float("nan")]), "application/json")
except content.ModelError as error:
    told["nan"] = error.message
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def beside_the_toolkit(runtime: Path, inference_python: Path) -> dict[str, Any]:
    done = subprocess.run(
        [inference_python, "-c", _BESIDE_THE_TOOLKIT, runtime / "inference"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_answers_are_the_toolkits_to_the_byte(beside_the_toolkit) -> None:
    encoded = beside_the_toolkit["encoded"]

    assert {"classes application/json", "classes text/csv", "features application/x-npy", "picture"} <= set(encoded)
    assert {"mixed application/json", "segments application/json"} <= set(encoded)
    assert [name for name, same in encoded.items() if not same] == []


def test_images_are_the_toolkits_to_the_pixel(beside_the_toolkit) -> None:
    assert len(beside_the_toolkit["images"]) == 12
    assert all(beside_the_toolkit["images"].values()), beside_the_toolkit["images"]


def test_sounds_can_be_numbers(beside_the_toolkit) -> None:
    assert beside_the_toolkit["samples"] == [0.5, 1.0]
    assert beside_the_toolkit["raw"] == "float32"


@pytest.mark.parametrize(
    ("case", "status", "field", "named"),
    [
        ("no image", 400, "body", "no image"),
        ("half an image", 400, "body", "damaged"),
        ("no array", 400, "body", "npy"),
        ("nan", 400, "inputs", "NaN"),
        ("pickle", 400, "body", "allow_pickle"),
        ("array for a text", 415, "Content-Type", "fill-mask"),
    ],
)
def test_bodies_that_are_not_what_they_say_are_refused(beside_the_toolkit, case, status, field, named) -> None:
    found = beside_the_toolkit["refused"][case]

    assert found[:2] == [status, field]
    assert named in found[2]


def test_nan_of_the_model_is_no_answer(beside_the_toolkit) -> None:
    assert "NaN" in beside_the_toolkit["nan"]
