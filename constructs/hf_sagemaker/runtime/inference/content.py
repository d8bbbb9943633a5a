"""Bodies of requests and answers by their content types, as the toolkit reads and writes them."""

import csv
from io import StringIO
from typing import Any

import json_text
import media
import tasks
from request_errors import ModelError, RequestError, as_request_error, one_line
from task_inputs import request_of

__all__ = ["ModelError", "RequestError", "as_request_error", "check_accept", "decode", "encode"]

JSON = "application/json"
CSV = "text/csv"
_TEXT = "text/plain"
_NPY = "application/x-npy"
_JSON_LINES = ("application/jsonlines", "application/x-jsonlines", "application/x-ndjson")
_IMAGES = ("image/png", "image/jpeg", "image/tiff", "image/bmp", "image/gif", "image/webp", "image/x-image")
_SOUNDS = (
    *("audio/x-flac", "audio/mpeg", "audio/wave", "audio/ogg", "audio/x-audio"),  # the toolkit's
    *("audio/wav", "audio/x-wav", "audio/flac", "audio/mp3"),  # what clients name them
)
_ANSWERS = (JSON, *_JSON_LINES, CSV, _NPY)
# The toolkit's rule: a first line without any of these is no header.
_CSV_HEADERS = ("question", "context", "inputs")
_NO_CSV = {"zero-shot-classification", "table-question-answering"}


def decode(body: bytes, content_type: str | None, task: str | None) -> Any:
    """What the model is to work on.

    content_type: None is application/json; a charset after `;` counts, other parameters do not.
    task: returns `{"inputs": ..., "parameters": {...}}`, checked for the task. None: the document as it is, for code of
    the model's own: an array for npy, a list of documents for JSON Lines.
    RequestError: whatever is wrong with the body; its type is not taken (415).
    """
    media_type, charset = _media_type(content_type)
    task = tasks.canonical(task)
    if task is not None and media_type not in _taken(task):
        raise _unsupported(media_type, _taken(task), f"the task {task} takes")
    if not body:
        raise RequestError(f"the body is empty: send {media_type}", field="body")
    try:
        document = _document(body, media_type, charset, task)
        return document if task is None else request_of(document, task)
    except RecursionError:
        raise RequestError("the body is nested too deeply", field="body") from None


def check_accept(accept: str | None, default_accept: str = JSON, task: str | None = None) -> str:
    """The content type of the answer, of a request's header; to be asked before the model runs.

    accept: lists with q-values and wildcards count as in HTTP; None, empty and */* are default_accept.
    RequestError: none of the header's types can be had (406).
    """
    possible = (*_ANSWERS, *_IMAGES) if task is None or task in tasks.MAKES_IMAGES else _ANSWERS
    if accept is None or accept in ("", "*/*"):
        return default_accept
    if accept in possible:
        return accept
    wanted = []
    for position, item in enumerate(accept.split(",")):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        wanted.append((-_quality(parameters), position, name))
    for quality, _, name in sorted(wanted):
        if quality == 0:
            continue
        fitting = [each for each in (default_accept, *possible) if _fits(each, name)]
        if fitting:
            return fitting[0]
    raise RequestError(
        f"no answer can be {accept!r}: accept one of {', '.join(possible)}",
        field="Accept",
        status=406,
        type="NotAcceptable",
    )


def encode(prediction: Any, accept: str) -> tuple[bytes, str]:
    """(body, content type) of an answer; the bytes are the toolkit's.

    accept: what check_accept returned.
    RequestError: the type is unknown, or has no room for this prediction (406). ModelError: NaN in it.
    """
    if accept == JSON:
        return _utf8(json_text.dump(prediction)), accept
    if accept in _JSON_LINES:
        lines = prediction if isinstance(prediction, list) else [prediction]
        return _utf8("".join(f"{json_text.dump(line)}\n" for line in lines)), accept
    if accept == CSV:
        return _utf8(_csv_text(prediction)), accept
    if accept == _NPY:
        try:
            return media.array_bytes(prediction), accept
        except ValueError as error:  # rows of different lengths
            raise _no_room(accept, one_line(error)) from error
    if accept in _IMAGES:
        return media.image_bytes(prediction, accept), accept
    raise _no_room(accept, f"accept one of {', '.join(_ANSWERS)}")


def _document(body: bytes, media_type: str, charset: str, task: str | None) -> Any:
    if media_type == JSON:
        return json_text.parse(_text(body, charset))
    if media_type in _IMAGES:
        return {"inputs": media.image(body).convert("RGB")}
    if media_type in _SOUNDS:
        return {"inputs": body}
    if media_type == _NPY:
        array = media.array(body)
        return array if task is None else {"inputs": array}
    if media_type == _TEXT:
        return {"inputs": _text(body, charset)}
    if media_type == CSV:
        return _csv_document(_text(body, charset))
    documents = [
        json_text.parse(line, f"line {number} of the body")
        for number, line in enumerate(_text(body, charset).split("\n"), 1)
        if line.strip()
    ]
    return documents if task is None else _merged(documents)


def _merged(documents: list[Any]) -> dict[str, Any]:
    """One request of JSON Lines: an input a line. A line is a text, or an object as a whole request would be."""
    if not documents:
        raise RequestError("the body has no lines: send one JSON document a line", field="body")
    inputs: list[Any] = []
    parameters: Any = None
    for number, document in enumerate(documents, 1):
        if not isinstance(document, (str, dict)):
            raise RequestError(f"line {number} is neither a text nor an object", field=f"inputs[{number - 1}]")
        one = dict(document) if isinstance(document, dict) else {"inputs": document}
        own = one.pop("parameters", None)
        if number > 1 and own != parameters:
            raise RequestError(f"line {number} has other `parameters` than line 1: send it alone", field="parameters")
        parameters = own
        each = one.get("inputs", one)
        if each is None or each == {} or isinstance(each, list):
            raise RequestError(
                f"line {number} has {'a list of' if each else 'no'} `inputs`: send one input a line",
                field=f"inputs[{number - 1}]",
            )
        inputs.append(each)
    return {"inputs": inputs, "parameters": parameters}


def _csv_document(text: str) -> dict[str, Any]:
    first = text.lstrip("\r\n").partition("\n")[0].lower()
    if not any(header in first for header in _CSV_HEADERS):
        raise RequestError(
            "the first line is no header: it has to name the columns, `inputs` or `question` and `context`",
            field="body",
        )
    try:
        rows = list(csv.DictReader(StringIO(text)))
    except csv.Error as error:
        raise RequestError(f"the body is not CSV: {error}", field="body") from None
    if not rows:
        raise RequestError("the body has no lines after its header", field="body")
    for number, row in enumerate(rows):
        if None in row or None in row.values():
            raise RequestError(
                f"row {number + 1} has {'more' if None in row else 'fewer'} columns than the header",
                field=f"inputs[{number}]",
            )
    return {"inputs": [row["inputs"] for row in rows] if "inputs" in rows[0] else rows}


def _csv_text(prediction: Any) -> str:
    rows = [prediction] if isinstance(prediction, dict) else prediction
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise _no_room(CSV, "it is no list of objects")
    written = StringIO()
    writer = csv.DictWriter(written, list(rows[0]))
    try:
        writer.writeheader()
        writer.writerows(rows)
    except ValueError as error:  # rows with other columns
        raise _no_room(CSV, one_line(error)) from error
    return written.getvalue()


def _text(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset).removeprefix("\ufeff")
    except LookupError:
        raise RequestError(
            f"the charset {charset!r} is not known: send utf-8",
            field="Content-Type",
            status=415,
            type="UnsupportedMediaType",
        ) from None
    except UnicodeError as error:
        raise RequestError(f"the body is not {charset}: {error}", field="body") from None


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ModelError("the model's answer holds half of a surrogate pair, which is no character") from error


def _media_type(header: str | None) -> tuple[str, str]:
    """(type, charset) of a Content-Type header."""
    if header is None or not header.strip():
        return JSON, "utf-8"
    if header in _EVERYTHING:
        return header, "utf-8"
    name, *parameters = (part.strip() for part in header.split(";"))
    charset = "utf-8"
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset":
            charset = value.strip().strip("\"'").lower()
    media_type = name.lower()
    if media_type not in _EVERYTHING:
        raise _unsupported(media_type, _EVERYTHING, "this server takes")
    return media_type, charset


def _taken(task: str) -> tuple[str, ...]:
    """The content types that a task's inputs can have."""
    if task in tasks.IMAGE:
        return (JSON, *_JSON_LINES, *_IMAGES)
    if task in tasks.AUDIO:
        return (JSON, *_JSON_LINES, _NPY, *_SOUNDS)
    if task in _NO_CSV:
        return (JSON, *_JSON_LINES)
    if task in tasks.QUESTION:
        return (JSON, *_JSON_LINES, CSV)
    if task in tasks.TEXT:
        return (JSON, *_JSON_LINES, CSV, _TEXT)
    return _EVERYTHING


_EVERYTHING = (JSON, *_JSON_LINES, CSV, _TEXT, _NPY, *_IMAGES, *_SOUNDS)


def _unsupported(media_type: str, taken: tuple[str, ...], who: str) -> RequestError:
    return RequestError(
        f"{media_type} cannot be read here: {who} {', '.join(taken)}",
        field="Content-Type",
        status=415,
        type="UnsupportedMediaType",
    )


def _no_room(accept: str, why: str) -> RequestError:
    return RequestError(f"this answer cannot be {accept}: {why}", field="Accept", status=406, type="NotAcceptable")


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return min(1.0, max(0.0, float(parameter[2:])))
            except ValueError:
                return 1.0
    return 1.0


def _fits(media_type: str, wanted: str) -> bool:
    return wanted in ("*/*", media_type) or (wanted.endswith("/*") and media_type.startswith(wanted[:-1]))
