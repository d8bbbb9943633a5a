"""Compares two answers: structure and texts exactly, numbers within a tolerance."""

import array
import csv
import io
import json
from typing import Any


def values(body: bytes, content_type: str) -> Any:
    """What an answer says, from JSON, CSV or numpy's format, as lists, dictionaries, texts and numbers."""
    if content_type == "text/csv":
        return [[_number_or_text(cell) for cell in row] for row in csv.reader(io.StringIO(body.decode()))]
    if content_type == "application/x-npy":
        header, data = body[10:].split(b"\n", 1)
        assert b"'<f8'" in header, header
        return [header.decode(), list(array.array("d", data))]
    return json.loads(body)


def _number_or_text(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def first_difference(expected: Any, actual: Any, tolerance: float = 1e-4, path: str = "answer") -> str | None:
    """Where and how the two differ first, e.g. `answer[0].score: 0.5 is not 0.7`; None: they do not.

    tolerance: absolute, for floats; integers (places, token ids) are equal or not.
    """
    if isinstance(expected, float) and type(actual) in (int, float):
        close = abs(expected - actual) <= tolerance
        return None if close else f"{path}: {actual!r} is not {expected!r}"
    if type(expected) is not type(actual):
        return f"{path}: {_short(actual)} is not {_short(expected)}"
    if isinstance(expected, dict):
        if list(expected) != list(actual):
            return f"{path}: keys {list(actual)} are not {list(expected)}"
        places = ((f"{path}.{key}", expected[key], actual[key]) for key in expected)
    elif isinstance(expected, list):
        if len(expected) != len(actual):
            return f"{path}: {len(actual)} items instead of {len(expected)}"
        places = ((f"{path}[{n}]", pair[0], pair[1]) for n, pair in enumerate(zip(expected, actual, strict=True)))
    else:
        return None if expected == actual else f"{path}: {_short(actual)} is not {_short(expected)}"
    found = (first_difference(one, other, tolerance, where) for where, one, other in places)
    return next((difference for difference in found if difference), None)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}…"
