"""The control routes of a running embedded AWS: what no API of AWS's can ask it to do."""

import json
import urllib.request
from typing import Any


def control(running: Any, path: str, body: Any = None, method: str = "POST") -> dict[str, Any]:
    """Calls a route below /_localcloud/; what it answers."""
    data = json.dumps(body or {}).encode()
    request = urllib.request.Request(f"{running.endpoint_url}/_localcloud/{path}", method=method, data=data)
    with urllib.request.urlopen(request, timeout=10) as answer:
        content: dict[str, Any] = json.load(answer)
        return content
