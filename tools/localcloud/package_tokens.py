"""Tokens of CodeArtifact, which moto does not know. It has no repositories here: a test serves the index."""

import json
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

PATH = "/v1/authorization-token"
_SECONDS = 12 * 3600


def token_of(domain: str, owner: str) -> str:
    """The password that goes with user `aws`; the same for everybody, so that an index can tell it."""
    return f"codeartifact-token-of-{owner}-{domain}"


class PackageTokens:
    """WSGI middleware: answers codeartifact:GetAuthorizationToken, and hands everything else on."""

    def __init__(self, aws: Any) -> None:
        self._aws = aws

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST" or environ.get("PATH_INFO") != PATH:
            answer: Iterable[bytes] = self._aws(environ, start_response)
            return answer
        asked = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        seconds = int(asked.get("duration", _SECONDS)) or _SECONDS
        body: dict[str, Any] = {
            "authorizationToken": token_of(asked["domain"], asked["domain-owner"]),
            "expiration": int(time.time()) + seconds,
        }
        payload = json.dumps(body).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(payload)))]
        start_response(f"{HTTPStatus.OK.value} {HTTPStatus.OK.phrase}", headers)
        return [payload]
