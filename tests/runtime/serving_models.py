"""Small models for the tests of the serving container, and ways to break their weights."""

import json
import struct
from pathlib import Path

_NAN = struct.pack("<f", float("nan"))
_EMBEDDINGS = "distilbert.embeddings.word_embeddings.weight"


def spoil_word(model: Path, word: str) -> None:
    """From now on the model's answer to any text with this word is NaN. word: one token of its vocabulary."""
    vocabulary = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    spoil_row(model, _EMBEDDINGS, vocabulary[word])


def spoil_row(model: Path, tensor: str, row: int) -> None:
    """Writes NaN over one row of a matrix of 32-bit floats."""
    path = model / "model.safetensors"
    content = bytearray(path.read_bytes())
    (length,) = struct.unpack_from("<Q", content)
    described = json.loads(content[8 : 8 + length])[tensor]
    columns = described["shape"][1]
    assert described["dtype"] == "F32"
    start = 8 + length + described["data_offsets"][0] + row * columns * len(_NAN)
    content[start : start + columns * len(_NAN)] = _NAN * columns
    path.write_bytes(content)
