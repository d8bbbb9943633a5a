"""CloudFormation that waits for the answer of a custom resource."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

LOG = "2026/11/21/[$LATEST]0a1b2c"


class _Presigned(BaseHTTPRequestHandler):
    """The address at which CloudFormation waits for the answer."""

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answers.append((json.loads(body), self.headers["Content-Type"]))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence: pytest prints what matters."""


@contextmanager
def waiting_stack() -> Iterator[Any]:
    """A server with the `answers` that it got as (body, content type); `status` is what it says to them."""
    server: Any = HTTPServer(("127.0.0.1", 0), _Presigned)
    server.answers, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def request_of(waiting: Any, kind: str = "Create", **others: Any) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": f"http://127.0.0.1:{waiting.server_port}/answer?signature=x%2Fy",
        "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/dev-Network/1",
        "RequestId": "request-1",
        "LogicalResourceId": "Closed",
        "ResourceProperties": {"ServiceToken": "arn:…", "DefaultSecurityGroupId": "sg-1"},
    } | others
