"""InvokeEndpointAsync: a request is accepted, its answer promised to lie in S3.

Replaces moto's handler of `/endpoints/<name>/async-invocations`, which answers with prepared data.
"""

import json
import uuid
from typing import Any

from localcloud.sagemaker.asynchronous import AsynchronousEndpoint
from localcloud.sagemaker.asynchronous_request import AsynchronousRequest
from localcloud.sagemaker.refusal import InvocationRefusedError
from localcloud.sagemaker.runtime_request import Response, endpoint_of, refused

_PREFIX = "X-Amzn-SageMaker-"
_LARGEST_BODY = 128_000  # bytes
_LONGEST_WAIT, _LONGEST_ANSWER = (60, 21_600), (1, 3600)  # seconds
_HANDED_ON = {
    f"{_PREFIX}Content-Type": "Content-Type",
    f"{_PREFIX}Accept": "Accept",
    f"{_PREFIX}Custom-Attributes": f"{_PREFIX}Custom-Attributes",
    f"{_PREFIX}Inference-Id": f"{_PREFIX}Inference-Id",
}


def invoke_endpoint_async(request: Any, full_url: str, headers: Any) -> Response:
    """moto's handler signature; `request` is werkzeug's."""
    try:
        endpoint = endpoint_of(request)
        if not isinstance(endpoint, AsynchronousEndpoint):
            raise InvocationRefusedError(
                f"Endpoint {endpoint.endpoint_name} of account {endpoint.account} is not asynchronous: call "
                "InvokeEndpoint."
            )
        accepted = _accepted(endpoint, request)
        endpoint.enqueue(accepted)
    except InvocationRefusedError as refusal:
        return refused(refusal)
    back = {"Content-Type": "application/json"}
    for name, location in {"Output": accepted.output_location, "Failure": accepted.failure_location}.items():
        if location:
            back[f"{_PREFIX}{name}Location"] = location
    return 202, back, json.dumps({"InferenceId": accepted.inference_id}).encode()


def _accepted(endpoint: AsynchronousEndpoint, request: Any) -> AsynchronousRequest:
    location, body = request.headers.get(f"{_PREFIX}InputLocation"), request.get_data()
    if bool(location) == bool(body):
        raise InvocationRefusedError("Exactly one of InputLocation and Body is required.")
    if len(body) > _LARGEST_BODY:
        raise InvocationRefusedError(f"Body has {len(body)} bytes, at most {_LARGEST_BODY}.")
    return AsynchronousRequest(
        endpoint_name=endpoint.endpoint_name,
        configuration=endpoint.configuration,
        headers={to: request.headers[name] for name, to in _HANDED_ON.items() if name in request.headers},
        inference_id=request.headers.get(f"{_PREFIX}Inference-Id") or str(uuid.uuid4()),
        input_location=location,
        body=None if location else body,
        ttl=endpoint.compute.cloud.seconds(_seconds(request, "RequestTTLSeconds", 21_600, _LONGEST_WAIT)),
        timeout=_seconds(request, "InvocationTimeoutSeconds", 900, _LONGEST_ANSWER),
        file_name=request.headers.get(f"{_PREFIX}Filename", ""),
        path_extension=request.headers.get(f"{_PREFIX}S3OutputPathExtension", ""),
    )


def _seconds(request: Any, member: str, omitted: int, limits: tuple[int, int]) -> float:
    value = int(request.headers.get(f"{_PREFIX}{member}", omitted))
    if not limits[0] <= value <= limits[1]:
        raise InvocationRefusedError(f"{member} is {value}: it must be {limits[0]} to {limits[1]}.")
    return float(value)
