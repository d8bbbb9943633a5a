"""InvokeEndpoint: requests handed to an endpoint's containers, with as little in between as possible.

Replaces moto's handler of `/endpoints/<name>/invocations`, which answers with prepared data.
"""

import json
import time
from typing import Any

from moto.sagemaker.exceptions import ValidationError

from localcloud.sagemaker.component_endpoint import COMPONENT, ComponentEndpoint
from localcloud.sagemaker.endpoint import Endpoint
from localcloud.sagemaker.multi_model import TARGET_MODEL
from localcloud.sagemaker.refusal import InvocationRefusedError
from localcloud.sagemaker.runtime_request import Response, endpoint_of, refused
from localcloud.sagemaker.serving_container import Answer, ServingContainer

# What AWS hands on to the container, and back from it.
_REQUEST_HEADERS = (
    "Content-Type",
    "Accept",
    "X-Amzn-SageMaker-Custom-Attributes",
    "X-Amzn-SageMaker-Inference-Id",
    COMPONENT,
    TARGET_MODEL,
)
_HAS_NO_COMPONENTS = (
    "Inference Component Name header is not allowed for endpoints to which you dont plan to deploy inference "
    "components. Please remove Inference Component Name header or consider using inference components."
)
_CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


def invoke_endpoint(request: Any, full_url: str, headers: Any) -> Response:
    """moto's handler signature; `request` is werkzeug's."""
    began = time.perf_counter()
    handed_on = {header: request.headers[header] for header in _REQUEST_HEADERS if header in request.headers}
    target = request.headers.get("X-Amzn-SageMaker-Target-Variant")
    try:
        endpoint = endpoint_of(request)
        if COMPONENT in handed_on and not isinstance(endpoint, ComponentEndpoint):
            raise InvocationRefusedError(_HAS_NO_COMPONENTS)
        invocation = endpoint.invoke(request.get_data(), handed_on, target, began=began)
        if invocation is None:
            raise InvocationRefusedError(
                f"Endpoint {endpoint.endpoint_name} of account {endpoint.account} is {endpoint.endpoint_status}, not "
                "InService."
            )
    except ValidationError as error:
        return refused(InvocationRefusedError(error.message))
    except InvocationRefusedError as refusal:
        return refused(refusal)
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
