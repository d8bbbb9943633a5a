"""What a request is answered with when it has no prediction: whose fault it is, which field, and what to do."""

import json
import re
from collections.abc import Mapping
from typing import Any

_SHORTEST_NAME = 3  # of a parameter that is looked for in an error's text


class RequestError(Exception):
    """An answer with an error's status and a JSON body: code, type, field and message, as the clients read them.

    field: the part of the request, such as `inputs[2]`, `parameters.top_k`, `body` or `Content-Type`; None: no part.
    """

    def __init__(self, message: str, *, field: str | None, status: int = 400, type: str = "InvalidInput") -> None:  # noqa: A002
        super().__init__(message)
        self.status = status
        self.type = type
        self.field = field
        self.message = message

    def body(self) -> bytes:
        """The JSON of the answer."""
        answer = {"code": self.status, "type": self.type, "field": self.field, "message": self.message}
        return json.dumps(answer, separators=(",", ":")).encode()


class ModelError(RequestError):
    """The model or its own code failed with a request that is in order: status 500."""

    def __init__(self, message: str) -> None:
        super().__init__(message, field=None, status=500, type="ModelError")


def one_line(error: BaseException) -> str:
    """An error's type and text, without line breaks and at most 500 characters long."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def as_request_error(error: Exception, payload: Any, *, computing: bool = False) -> RequestError | None:
    """What the caller did wrong, where a transformers pipeline raised an error about it; None: it is not their fault.

    payload: what content.decode returned for the request, with `inputs` and perhaps `parameters`.
    computing: the error came from the forward pass or from what follows it. Only an error that names a parameter which
    the request sets is the caller's then; in the pipeline's preprocessing each wrong type or value is.
    """
    if isinstance(error, RequestError):
        return error
    if not isinstance(error, (TypeError, ValueError, KeyError, AttributeError, IndexError, AssertionError)) and (
        type(error).__name__ != "PipelineException"  # transformers': an input that the task cannot have
    ):
        return None
    reason = one_line(error)
    if "ffmpeg" in reason or "is not installed" in reason or isinstance(error, UnicodeError):
        return None  # something is missing here
    parameters = payload.get("parameters") if isinstance(payload, Mapping) else None
    name = _named_parameter(reason, parameters or {})
    if name:
        return RequestError(f"the parameter {name} is refused: {reason}", field=f"parameters.{name}")
    if computing:
        return None
    return RequestError(f"the pipeline cannot read this request: {reason}", field="inputs")


def _named_parameter(reason: str, parameters: Mapping[str, Any]) -> str | None:
    """The first of the request's parameters whose name stands in the reason as a word."""
    unexpected = re.search(r"unexpected keyword argument '(\w+)'", reason)
    if unexpected and unexpected[1] in parameters:
        return unexpected[1]
    for name in parameters:
        if len(name) >= _SHORTEST_NAME and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", reason):
            return name
    return None
