"""What the front end answers by itself, without the model: in the form of content.RequestError's bodies."""

import json
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Refusal:
    status: int
    type: str
    field: str | None = None
    message: str
    retry_after: int | None = None  # seconds

    @property
    def body(self) -> bytes:
        document = {"code": self.status, "type": self.type, "field": self.field, "message": self.message}
        return json.dumps(document, ensure_ascii=False).encode()

    def after(self, seconds: int) -> "Refusal":
        """The same, to be tried again after so many seconds."""
        return replace(self, retry_after=seconds)


NOT_READY = Refusal(
    status=503,
    type="NotReady",
    message="No model worker is ready: the model is being loaded. /ping answers 200 when one is.",
    retry_after=5,
)
STOPPING = Refusal(
    status=503, type="NotReady", message="The container is being stopped; another one answers.", retry_after=1
)
OVERLOADED = Refusal(
    status=503, type="Overloaded", message="Too many requests wait for an answer already. Try again later."
)
WORKER_LOST = Refusal(
    status=503,
    type="WorkerLost",
    message="The process with the model ended while it worked on this request. It is started again; try again.",
    retry_after=1,
)


def too_late(seconds: float) -> Refusal:
    """seconds: the time that a request has."""
    return Refusal(
        status=503, type="DeadlineExceeded", message=f"There was no answer within {seconds:g} s.", retry_after=1
    )


def body_too_slow(seconds: float) -> Refusal:
    return Refusal(
        status=408, type="RequestTimeout", field="body", message=f"The body did not arrive within {seconds:g} s."
    )


def too_large(most_bytes: int) -> Refusal:
    return Refusal(
        status=413,
        type="PayloadTooLarge",
        field="body",
        message=f"The body is larger than {most_bytes / 2**20:g} MB, the most that this endpoint takes.",
    )


def not_found(path: str) -> Refusal:
    return Refusal(
        status=404,
        type="NotFound",
        message=f"There is no {path[:200]} here. Models answer POST /invocations; there are GET /ping and "
        "GET /execution-parameters besides.",
    )


def method_not_allowed(path: str, allowed: str) -> Refusal:
    return Refusal(status=405, type="MethodNotAllowed", message=f"{path} takes {allowed} only.")
