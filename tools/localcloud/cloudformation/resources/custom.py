"""Custom resources: a Lambda function does the work, and answers with a PUT to a presigned URL.

As on AWS the URL is one of S3, of a bucket that belongs to no customer's account, and the function is given what
CloudFormation documents: scalars as text, the old properties in an update, the old physical id in a deletion.
"""

import json
import threading
import time
import uuid
from concurrent.futures import Future
from typing import Any

from moto.s3.models import s3_backends

from localcloud import functions
from localcloud.cloudformation.resource import (
    Deployed,
    Properties,
    Request,
    ResourceError,
    ResourceType,
    made_up_name,
)

CUSTOM = "Custom::"
SERVICE_ACCOUNT = "000000000000"
ANSWERED_WITHIN_SECONDS = 3600
LONGEST_ANSWER_BYTES = 4096
LOOK_EVERY_SECONDS = 0.05
LOG_LINES = 12


class CustomResource(ResourceType):
    """`AWS::CloudFormation::CustomResource`, or one `Custom::…`.

    A new physical id in the answer to an update is a replacement: the one from before is deleted in the clean-up.
    """

    type_name = "AWS::CloudFormation::CustomResource"
    replaces_itself = True

    def __init__(self, name: str = type_name) -> None:
        self._name = name

    def create(self, request: Request) -> Deployed:
        call = _Call(self._name, request, "Create")
        # What a creation that fails may have left is deleted, under this id where the function has told none.
        physical_id = made_up_name(request.stack_name, request.logical_id)
        try:
            answer = call.answer()
        except ResourceError:
            if call.begun:
                request.exists(Deployed(physical_id))
            raise
        if answer["Status"] == "FAILED":
            request.exists(Deployed(str(answer.get("PhysicalResourceId") or physical_id)))
        call.assert_succeeded(answer)
        if not answer.get("PhysicalResourceId"):
            request.exists(Deployed(physical_id))
            raise ResourceError("Invalid PhysicalResourceId: the answer of the custom resource's function has none.")
        return _deployed(answer)

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        if request.properties["ServiceToken"] != before["ServiceToken"]:
            raise ResourceError("Modifying service token is not allowed.")
        old = {"PhysicalResourceId": deployed.physical_id}
        call = _Call(self._name, request, "Update", **old, OldResourceProperties=as_text(before))
        answer = call.answer()
        call.assert_succeeded(answer)
        return _deployed(old | answer)

    def delete(self, request: Request, deployed: Deployed) -> None:
        call = _Call(self._name, request, "Delete", PhysicalResourceId=deployed.physical_id)
        call.assert_succeeded(call.answer())


class _Call:
    """One request to the function. begun: it was started."""

    def __init__(self, type_name: str, request: Request, kind: str, **more: Any) -> None:
        self.begun = False
        self._function = str(request.properties.get("ServiceToken", ""))
        self._timeout = int(request.properties.get("ServiceTimeout") or ANSWERED_WITHIN_SECONDS)
        self._request_id = str(uuid.uuid4())
        self._mailbox = _Mailbox(request, self._request_id)
        self._event = {
            "RequestType": kind,
            "ServiceToken": self._function,
            "ResponseURL": self._mailbox.presigned_url(expires_in=self._timeout + 3600),
            "StackId": request.stack_id,
            "RequestId": self._request_id,
            "LogicalResourceId": request.logical_id,
            "ResourceType": type_name,
            "ResourceProperties": as_text(dict(request.properties)),
            **more,
        }
        request.properties.read.update(request.properties)  # all of them are the function's to apply

    def answer(self) -> dict[str, Any]:
        """What the function answered. Raises ResourceError where there is no answer, or none that can be read."""
        if ":lambda:" not in self._function:
            raise ResourceError(
                f"The embedded AWS calls Lambda functions only: ServiceToken {self._function!r} is the ARN of none."
            )
        invocation = functions.start(self._function, json.dumps(self._event))
        self.begun = True
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            ended = invocation.done()  # asked before the look: what was answered just before the end is seen
            body = self._mailbox.taken()
            if body is not None:
                return _read(body)
            if ended:
                self._assert_not_crashed(invocation)
            time.sleep(LOOK_EVERY_SECONDS)
        raise ResourceError(
            f"CloudFormation did not receive a response from your Custom Resource within {self._timeout} seconds "
            f"(RequestId: {self._request_id}). The function {self._function_name} "
            + (f"ended without one.{_end(invocation.result())}" if invocation.done() else "is still running.")
        )

    def assert_succeeded(self, answer: dict[str, Any]) -> None:
        if answer["Status"] == "FAILED":
            raise ResourceError(
                "Received response status [FAILED] from custom resource. Message returned: "
                f"{answer.get('Reason', '')} (RequestId: {self._request_id})"
            )

    def _assert_not_crashed(self, invocation: Future[functions.Invocation]) -> None:
        """A function that has crashed answers no more. AWS waits for the whole time-out all the same.

        One that has ended well may have handed the request on to something that answers later: that is waited for.
        """
        done = invocation.result()
        if done.error:
            raise ResourceError(
                f"The function {self._function_name} of the custom resource failed without an answer: "
                f"{json.loads(done.payload).get('errorMessage')} (RequestId: {self._request_id}).{_end(done)}"
            )

    @property
    def _function_name(self) -> str:
        return self._function.split(":")[6]


class _Mailbox:
    """The object of S3 that the function's answer becomes."""

    _making_bucket = threading.Lock()

    def __init__(self, request: Request, request_id: str) -> None:
        self._s3 = request.api("s3")
        self._place = {
            "Bucket": f"cloudformation-custom-resource-response-{request.api.region.replace('-', '')}",
            "Key": f"{request.stack_id}|{request.logical_id}|{request_id}",
        }
        backend, name = s3_backends[SERVICE_ACCOUNT]["aws"], self._place["Bucket"]
        with self._making_bucket:
            if name not in backend.buckets:
                backend.create_bucket(name, request.api.region)
        self._objects = backend.buckets[name].keys

    def presigned_url(self, *, expires_in: int) -> str:
        return str(self._s3.generate_presigned_url("put_object", Params=self._place, ExpiresIn=expires_in))

    def taken(self) -> bytes | None:
        """The answer, once; None as long as there is none."""
        found = self._objects.get(self._place["Key"])
        if found is None:
            return None
        body = bytes(found.value)
        self._objects.pop(self._place["Key"])
        return body


def as_text(value: Any) -> Any:
    """Properties as CloudFormation sends them: every scalar is text."""
    if isinstance(value, dict):
        return {key: as_text(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [as_text(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(body: bytes) -> dict[str, Any]:
    if len(body) > LONGEST_ANSWER_BYTES:
        raise ResourceError(f"Response object is too long: {len(body)} bytes, at most {LONGEST_ANSWER_BYTES}.")
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise ResourceError(f"Invalid response object: it is no JSON ({error}).") from None
    if not isinstance(answer, dict) or answer.get("Status") not in ("SUCCESS", "FAILED"):
        raise ResourceError("Invalid response object: Value of property Status must be SUCCESS or FAILED.")
    return answer


def _deployed(answer: dict[str, Any]) -> Deployed:
    return Deployed(str(answer["PhysicalResourceId"]), dict(answer.get("Data") or {}))


def _end(invocation: functions.Invocation) -> str:
    lines = [line for line in invocation.log.splitlines() if not line.startswith(("START ", "END ", "REPORT "))]
    return "".join(f"\n  {line}" for line in ["Its log ends with:", *lines[-LOG_LINES:]]) if lines else ""


TYPES = (CustomResource,)
