"""What every operation of the runtime API begins and, refused, ends with."""

import json
import re
from typing import Any
from urllib.parse import unquote

from moto.iam.models import get_account_id_from
from moto.sagemaker.models import sagemaker_backends

from localcloud.sagemaker import state
from localcloud.sagemaker.endpoint import Endpoint
from localcloud.sagemaker.refusal import InvocationRefusedError

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/")
_PATH = re.compile(r"/endpoints/(?P<name>[^/]+)/(?:async-)?invocations$")

Response = tuple[int, dict[str, str], bytes]


def endpoint_of(request: Any) -> Endpoint:
    """The caller's own endpoint that the path names. request: werkzeug's. InvocationRefusedError: there is none."""
    match = _PATH.search(request.path)
    credential = _CREDENTIAL.search(request.headers.get("Authorization", ""))
    assert match  # the URL led here
    account = get_account_id_from(credential["key"] if credential else "")
    region = credential["region"] if credential else "us-east-1"
    name = unquote(match["name"])
    endpoint = state.endpoints(sagemaker_backends[account][region]).get(name)
    if endpoint is None:
        raise InvocationRefusedError(f"Endpoint {name} of account {account} not found.")
    return endpoint


def refused(refusal: InvocationRefusedError) -> Response:
    """The API's error."""
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": refusal.code}
    return refusal.status, headers, json.dumps({"Message": refusal.message}).encode()
