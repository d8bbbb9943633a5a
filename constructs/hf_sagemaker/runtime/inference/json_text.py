"""JSON as requests and answers have it: no NaN, no half characters, and the places of what is wrong."""

import datetime
import json
import math
import sys
from collections.abc import Callable
from typing import Any

from media import png_text
from request_errors import ModelError, RequestError, one_line


class _NotFiniteError(ValueError):
    """A number that JSON does not have, such as NaN or 1e999."""


def _refuse(text: str) -> float:
    raise _NotFiniteError(text)


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


_strict = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
_lenient = json.JSONDecoder()


def parse(text: str, what: str = "the body") -> Any:
    """The document. RequestError: no JSON, with the position; NaN or Infinity, or half a character, with the field."""
    if not text or text.isspace():
        raise RequestError(f"{what} is empty: send a JSON document", field="body")
    try:
        value = _strict.decode(text)
        if "\\u" in text and (place := _find(value, _is_half_a_character)) is not None:
            raise RequestError("half of a surrogate pair (\\ud800 to \\udfff) is no character", field=place or "body")
    except _NotFiniteError as error:
        place = _find(_lenient.decode(text), _is_not_finite)
        raise RequestError(f"{error} is no number that a model can use", field=place or "body") from None
    except RecursionError:
        raise RequestError(f"{what} is nested too deeply", field="body") from None
    except ValueError as error:  # also a whole number of more than 4,300 digits
        raise RequestError(f"{what} is not JSON: {error}", field="body") from None
    return value


def dump(prediction: Any) -> str:
    """The text that the toolkit makes, to the byte. ModelError: NaN, or what JSON cannot say."""
    try:
        return _encoder.encode(prediction)
    except ValueError as error:
        if "JSON compliant" not in str(error):
            raise ModelError(f"the prediction cannot be written as JSON: {one_line(error)}") from error
        raise ModelError(
            "the model's answer holds NaN or Infinity: its weights do, or they overflow in half precision (HFSM_DTYPE)"
        ) from error
    except (TypeError, RecursionError) as error:
        raise ModelError(f"the prediction cannot be written as JSON: {one_line(error)}") from error


def _default(value: Any) -> Any:
    numpy = sys.modules.get("numpy")  # where it is not loaded nothing is of its types
    if numpy is not None and isinstance(value, numpy.integer):
        return int(value)
    if numpy is not None and isinstance(value, numpy.floating):
        return float(value)
    if hasattr(value, "tolist"):  # arrays and tensors
        return value.tolist()
    if isinstance(value, datetime.datetime):
        return str(value)
    image = png_text(value)
    if image is not None:
        return image
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_default)


def _find(value: Any, wanted: Callable[[Any], bool], place: str = "") -> str | None:
    """Where the first such leaf is, such as `inputs[2].text`; empty: the value itself; None: nowhere."""
    if isinstance(value, dict):
        for name, each in value.items():
            inner = f"{place}.{name}" if place else str(name)
            if (found := _find(each, wanted, inner)) is not None:
                return found
            if wanted(name):
                return place
        return None
    if isinstance(value, list):
        for index, each in enumerate(value):
            if (found := _find(each, wanted, f"{place}[{index}]")) is not None:
                return found
        return None
    return place if wanted(value) else None


def _is_not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _is_half_a_character(value: Any) -> bool:
    return isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value)
