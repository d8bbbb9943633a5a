"""One request of an asynchronous endpoint, from its acceptance to its notification."""

import base64
import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from localcloud.sagemaker.measurements import Measurements
from localcloud.sagemaker.s3 import encryption, split_uri
from localcloud.sagemaker.serving_container import ServingContainer

_INCLUDED_RESPONSE = 128 * 1024  # bytes of a response that a notification can carry
_MESSAGE = "Check S3 path location(if configured) or Cloudwatch for additional details."


class InvocationFailedError(Exception):
    """The container was not asked, or its answer could not be kept; the text is a failureReason."""


@dataclass(frozen=True)
class Outcome:
    """failure: None: the model has answered with success. status: the container's; None: it was not asked."""

    failure: str | None
    body: bytes
    content_type: str = "application/octet-stream"
    status: int | None = None


@dataclass
class AsynchronousRequest:
    """configuration: the AsyncInferenceConfig of when it was accepted.

    body: the payload. None: it lies at input_location, an s3:// address.
    ttl: seconds on this machine's clock that it may wait. timeout: seconds that the answer may take.
    """

    endpoint_name: str
    configuration: dict[str, Any]
    headers: dict[str, str]
    inference_id: str
    input_location: str | None
    body: bytes | None
    ttl: float
    timeout: float
    file_name: str = ""
    path_extension: str = ""
    received: datetime = field(default_factory=lambda: datetime.now(UTC))
    _began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._name = self.file_name or f"{uuid.uuid4()}.out"

    @property
    def output_location(self) -> str | None:
        return self._location("S3OutputPath", self._name)

    @property
    def failure_location(self) -> str | None:
        stem = self._name.removesuffix(".out")
        return self._location("S3FailurePath", f"{stem}-error.out")

    @property
    def age(self) -> float:
        """Seconds since it was accepted."""
        return time.monotonic() - self._began

    @property
    def is_expired(self) -> bool:
        return self.age > self.ttl

    def process(self, serving: ServingContainer, s3: Any, measured: Measurements) -> Outcome:
        """Asks the container.

        InvocationFailedError: the payload is not there. OSError, HTTPException: the container did not answer.
        """
        began = time.perf_counter()
        body = self.body if self.body is not None else self._payload(s3, measured)
        asked = time.perf_counter()
        measured.add("RequestDownloadLatency", (asked - began) * 1e6, "Microseconds")
        try:
            answer = serving.invoke(body, self.headers, timeout=self.timeout)
        except TimeoutError:
            text = f"ClientError: The model did not answer within {self.timeout:.0f} seconds."
            return Outcome(text, text.encode(), status=0)
        measured.add("ModelLatency", (time.perf_counter() - asked) * 1e6, "Microseconds")
        content_type = answer.headers.get("content-type", "application/octet-stream")
        if 200 <= answer.status < 300:
            return Outcome(None, answer.body, content_type, answer.status)
        side = "client" if 400 <= answer.status < 500 else "server"
        reason = (
            f"ClientError: Received {side} error ({answer.status}) from model. "
            f"See the SageMaker Endpoint logs in your account for more information."
        )
        return Outcome(reason, answer.body, content_type, answer.status)

    def finish(self, outcome: Outcome, s3: Any, sns: Any, region: str) -> list[str]:
        """Keeps what was answered and tells of it; the metrics that count what failed thereby."""
        failures = []
        place = self.failure_location if outcome.failure else self.output_location
        if place:
            bucket, key = split_uri(place)
            key_id = encryption(self.configuration["OutputConfig"].get("KmsKeyId"))
            try:
                s3.put_object(Bucket=bucket, Key=key, Body=outcome.body, ContentType=outcome.content_type, **key_id)
            except ClientError as error:
                failures.append("ResponseUploadFailures")
                reason = f"ClientError: The response could not be uploaded to {place}: {error}"
                outcome = Outcome(outcome.failure or reason, outcome.body, outcome.content_type, outcome.status)
        notification = self.configuration["OutputConfig"].get("NotificationConfig") or {}
        if topic := notification.get("ErrorTopic" if outcome.failure else "SuccessTopic"):
            kind = "ERROR_NOTIFICATION_TOPIC" if outcome.failure else "SUCCESS_NOTIFICATION_TOPIC"
            included = kind in (notification.get("IncludeInferenceResponseIn") or [])
            message = json.dumps(self._notification(outcome, region, included=included))
            try:
                sns.publish(TopicArn=topic, Message=message)
            except ClientError:
                failures.append("NotificationFailures")
        return failures

    def _notification(self, outcome: Outcome, region: str, *, included: bool) -> dict[str, Any]:
        """The document that SageMaker publishes."""
        parameters = {
            "accept": self.headers.get("Accept"),
            "contentType": self.headers.get("Content-Type"),
            "customAttributes": self.headers.get("X-Amzn-SageMaker-Custom-Attributes"),
            "endpointName": self.endpoint_name,
            "inputLocation": self.input_location,
        }
        answered = {
            "contentType": outcome.content_type if outcome.failure is None else None,
            "outputLocation": self.output_location if outcome.failure is None else self.failure_location,
        }
        told = {
            "awsRegion": region,
            "eventTime": _time(datetime.now(UTC)),
            "receivedTime": _time(self.received),
            "invocationStatus": "Failed" if outcome.failure else "Completed",
            "failureReason": outcome.failure,
            "requestParameters": _present(parameters),
            "responseParameters": _present(answered) or None,
            "inferenceId": self.inference_id,
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
        }
        if included and len(outcome.body) <= _INCLUDED_RESPONSE:
            content = base64.b64encode(outcome.body).decode()
            told["responseBody"] = {"content": content, "message": _MESSAGE, "encoding": "BASE64"}
        return _present(told)

    def _payload(self, s3: Any, measured: Measurements) -> bytes:
        assert self.input_location
        try:
            bucket, key = split_uri(self.input_location)
            payload: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except (ValueError, ClientError) as error:
            measured.add("RequestDownloadFailures", 1)
            raise InvocationFailedError(
                f"ClientError: Could not download the payload from {self.input_location}: {error}"
            ) from None
        return payload

    def _location(self, path: str, name: str) -> str | None:
        place = self.configuration["OutputConfig"].get(path)
        if not place:
            return None
        return "/".join(part.strip("/") for part in (place, self.path_extension, name) if part.strip("/"))


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
