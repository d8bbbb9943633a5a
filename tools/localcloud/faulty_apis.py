"""APIs that fail on order, in front of all the others: see `faults.ApiFault`."""

import io
import json
import re
import socket
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from localcloud import faults

_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")
_INVOCATION = re.compile(r"/\d{4}-\d\d-\d\d/functions/[^/]+/invocations")
_S3_OF_OBJECTS = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}


class FaultyApis:
    """WSGI middleware: lets calls fail for which an `ApiFault` was ordered, and hands on all others."""

    def __init__(self, aws: Any) -> None:
        self._aws = aws

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        fault = _fault_of(environ) if faults.waiting(faults.ApiFault) else None
        if fault is None:
            answer: Iterable[bytes] = self._aws(environ, start_response)
            return answer
        if fault.lose_answer:
            self._do_in_silence(environ)
            return []
        kind, body = _error(environ, fault)
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("x-amzn-ErrorType", fault.error)]
        start_response(f"{fault.status} {fault.error}", [*headers, ("x-amzn-RequestId", str(uuid.uuid4()))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _do_in_silence(self, environ: dict[str, Any]) -> None:
        """It is done, and whoever asked sees the connection end."""
        answer = self._aws(environ, lambda *_: None)
        for _ in answer:
            pass
        if hasattr(answer, "close"):
            answer.close()
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        # werkzeug takes this for a client that has gone, and says nothing more.
        raise ConnectionResetError("the answer was lost, as ordered")


def _fault_of(environ: dict[str, Any]) -> faults.ApiFault | None:
    signed = _SERVICE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if signed is None:
        return None
    service, body = signed["service"], b""
    if service != "s3":  # whose bodies may be large, and name nothing
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
    api = f"{service}:{_action(environ, service, body)}"
    called = environ.get("PATH_INFO", "") + "?" + environ.get("QUERY_STRING", "") + body.decode(errors="replace")
    return faults.take(faults.ApiFault, lambda fault: fault.api == api and fault.matching in called)


def _action(environ: dict[str, Any], service: str, body: bytes) -> str:
    """As IAM names it; empty where it cannot be told."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
    if service == "lambda":
        return "InvokeFunction" if _INVOCATION.search(path) else ""
    if service == "s3":
        is_object = "/" in path.strip("/")
        return _S3_OF_OBJECTS.get(method, "") if is_object else "ListBucket" if method == "GET" else ""
    form = parse_qs(body.decode(errors="replace")) or parse_qs(environ.get("QUERY_STRING", ""))
    return form.get("Action", [""])[0]


def _error(environ: dict[str, Any], fault: faults.ApiFault) -> tuple[str, bytes]:
    """Content type and body, in the protocol of the call."""
    if "HTTP_X_AMZ_TARGET" in environ or _INVOCATION.search(environ.get("PATH_INFO", "")):
        said = {"__type": fault.error, "message": fault.message, "Message": fault.message}
        return "application/x-amz-json-1.1", json.dumps(said).encode()
    inner = f"<Code>{escape(fault.error)}</Code><Message>{escape(fault.message)}</Message>"
    is_s3 = "/s3/aws4_request" in environ.get("HTTP_AUTHORIZATION", "")
    text = f"<Error>{inner}</Error>" if is_s3 else f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>"
    return "text/xml", f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()
