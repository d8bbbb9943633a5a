"""REST APIs that answer: `/_localcloud/execute-api/<api id>/<stage>/…`, or the host of the API's own address.

Known integrations: SageMaker's runtime (`…:runtime.sagemaker:path/endpoints/<name>/invocations`) and MOCK. Rates, a
signature where AWS_IAM asks for one (what its caller may do is not looked at), required parameters and bodies are
checked as API Gateway does. Mapping templates that need evaluation, authorizers, keys and access logs are not known.
moto keeps APIs and answers none of their addresses.
"""

import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from moto.apigateway.models import Method, RestAPI, apigateway_backends

from localcloud.execute_api import checks
from localcloud.execute_api.call import Answer, Call, refusal
from localcloud.execute_api.integration import integrate
from localcloud.settings import LocalCloud

__all__ = ["ExecuteApi"]

_PATH = re.compile(r"/_localcloud/execute-api/(?P<api>[^/]+)/(?P<stage>[^/]+)(?P<path>/.*)?")
_HOST = re.compile(r"(?P<api>[a-z0-9]+)\.execute-api\.[a-z0-9-]+\.")


class ExecuteApi:
    """WSGI middleware: answers for APIs, and hands everything else on."""

    def __init__(self, cloud: LocalCloud, aws: Any) -> None:
        self._cloud = cloud
        self._aws = aws
        self._rates = checks.Rates()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if match := _PATH.fullmatch(path):
            api, stage, rest = match["api"], match["stage"], match["path"] or "/"
        elif match := _HOST.match(environ.get("HTTP_HOST", "")):
            api, (_, stage, rest) = match["api"], (path + "/").split("/", 2)
            rest = f"/{rest}"
        else:
            handed_on: Iterable[bytes] = self._aws(environ, start_response)
            return handed_on
        answer = self._answer(api, stage, rest.rstrip("/") or "/", environ)
        headers = [*answer.headers.items(), ("content-length", str(len(answer.body)))]
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
        return [answer.body]

    def _answer(self, api_id: str, stage: str, path: str, environ: dict[str, Any]) -> Answer:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        api = next((api for api in _apis() if api.id == api_id), None)
        if api is None or stage not in api.stages:
            return refusal(403, "Forbidden")
        method, found = _route(api, environ["REQUEST_METHOD"], path)
        if method is None:
            return refusal(403, "Missing Authentication Token")
        headers = {name[5:].replace("_", "-").lower(): v for name, v in environ.items() if name.startswith("HTTP_")}
        if kind := environ.get("CONTENT_TYPE"):
            headers["content-type"] = kind
        call = Call(headers, dict(parse_qsl(environ.get("QUERY_STRING", ""))), body, found)
        return (
            self._rates.refused(api, api.stages[stage])
            or checks.refused(api, method, call)
            or integrate(self._cloud.endpoint_url, api.account_id, method.method_integration, call)
        )


def _apis() -> Iterator[RestAPI]:
    for account in list(apigateway_backends.values()):
        for backend in list(account.values()):
            yield from list(backend.apis.values())


def _route(api: RestAPI, verb: str, path: str) -> tuple[Method | None, dict[str, str]]:
    """The method of the resource that fits best: words before parts in braces, and those before `{proxy+}`."""
    fitting = []
    for resource in api.resources.values():
        own = resource.get_path()
        pattern = re.sub(r"\\{(\w+)\\\+\\}", r"(?P<\1>.+)", re.escape(own))
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", pattern)
        if match := re.fullmatch(pattern, path):
            fitting.append(("+}" in own, own.count("{"), resource, match.groupdict()))
    for *_, resource, found in sorted(fitting, key=lambda each: each[:2]):
        if method := resource.resource_methods.get(verb) or resource.resource_methods.get("ANY"):
            return method, found
    return None, {}
