"""InvokeEndpoint: requests handed to an endpoint's containers, with as little in between as possible.

Replaces moto's handler of `/endpoints/<name>/invocations`, which answers with prepared data.
"""

import json
import re
import time
from typing import Any
from urllib.parse import unquote

from moto.iam.models import get_account_id_from
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import sagemaker_backends

from localcloud.sagemaker import state
from localcloud.sagemaker.endpoint import Endpoint
from localcloud.sagemaker.serving_container import Answer, ServingContainer

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/")
_PATH = re.compile(r"/endpoints/(?P<name>[^/]+)/invocations$")
# What AWS hands on to the container, and back from it.
_REQUEST_HEADERS = ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-Inference-Id")
_CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"

Response = tuple[int, dict[str, str], bytes]


def invoke_endpoint(request: Any, full_url: str, headers: Any) -> Response:
    """moto's handler signature; `request` is werkzeug's."""
    began = time.perf_counter()
    match = _PATH.search(request.path)
    credential = _CREDENTIAL.search(request.headers.get("Authorization", ""))
    assert match  # the URL led here
    account = get_account_id_from(credential["key"] if credential else "")
    region = credential["region"] if credential else "us-east-1"
    name = unquote(match["name"])
    endpoint = state.endpoints(sagemaker_backends[account][region]).get(name)
    if endpoint is None:
        return _error(400, "ValidationError", f"Endpoint {name} of account {account} not found.")
    handed_on = {header: request.headers[header] for header in _REQUEST_HEADERS if header in request.headers}
    target = request.headers.get("X-Amzn-SageMaker-Target-Variant")
    try:
        invocation = endpoint.invoke(request.get_data(), handed_on, target, began=began)
    except ValidationError as error:
        return _error(400, "ValidationError", error.message)
    if invocation is None:
        return _error(
            400,
            "ValidationError",
            f"Endpoint {name} of account {account} is {endpoint.endpoint_status}, not InService.",
        )
    serving, answer = invocation.serving, invocation.answer
    if not 200 <= answer.status < 300:
        return _model_error(endpoint, serving, answer)
    back = {
        "Content-Type": answer.headers.get("content-type", "application/octet-stream"),
        "x-Amzn-Invoked-Production-Variant": serving.variant,
    }
    if _CUSTOM_ATTRIBUTES in answer.headers:
        back["X-Amzn-SageMaker-Custom-Attributes"] = answer.headers[_CUSTOM_ATTRIBUTES]
    return 200, back, answer.body


def _model_error(endpoint: Endpoint, serving: ServingContainer, answer: Answer) -> Response:
    text = answer.body.decode(errors="replace")
    side = "client" if 400 <= answer.status < 500 else "server"
    message = (
        f'Received {side} error ({answer.status}) from primary with message "{text}". '
        f"See the log group {serving.log.group} in account {endpoint.account} for more information."
    )
    body = {
        "Message": message,
        "OriginalStatusCode": answer.status,
        "OriginalMessage": text,
        "LogStreamArn": serving.log.arn,
    }
    return 424, {"Content-Type": "application/json", "x-amzn-ErrorType": "ModelError"}, json.dumps(body).encode()


def _error(status: int, code: str, message: str) -> Response:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return status, headers, json.dumps({"Message": message}).encode()
