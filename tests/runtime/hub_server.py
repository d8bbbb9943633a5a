"""A server on loopback that speaks the Hub's API as far as huggingface_hub needs it to read models."""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

_LARGE = (".bin", ".pt", ".safetensors")
_API = re.compile(r"^/api/models/([^/]+/[^/]+)/revision/([^/]+)$")
_FILE = re.compile(r"^/([^/]+/[^/]+)/resolve/([^/]+)/(.+)$")


def safetensors(size: int = 64) -> bytes:
    """A file of one tensor of that many bytes."""
    header = json.dumps({"weight": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(range(256)) * (size // 256) + bytes(size % 256)


@dataclass
class HubModel:
    """A model on the server. commits: commit → path → content. token: who gives it may read; None: everybody.

    name: what the server says that it is called.
    """

    name: str
    commits: dict[str, dict[str, bytes]]
    references: dict[str, str] = field(default_factory=dict)
    token: str | None = None


class HubServer:
    """downloads: the path of each file whose content was asked for. tampered: paths that arrive changed.

    on_download: called with the path before content is sent.
    """

    def __init__(self) -> None:
        self.models: dict[str, HubModel] = {}
        self.requests: list[str] = []
        self.downloads: list[str] = []
        self.tampered: set[str] = set()
        self.on_download: Callable[[str], None] = lambda path: None
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def publish(self, model_id: str, files: Mapping[str, bytes], **options: Any) -> str:
        """Adds a commit to the model, to which its branch `main` moves; the commit."""
        listing = json.dumps({path: hashlib.sha256(content).hexdigest() for path, content in files.items()})
        commit = hashlib.sha1((model_id + listing).encode()).hexdigest()
        model = self.models.setdefault(model_id, HubModel(model_id, {}))
        model.commits[commit] = dict(files)
        model.references["main"] = commit
        for name, value in options.items():
            setattr(model, name, value)
        return commit

    def forget(self) -> None:
        """Clears what was asked for."""
        self.requests.clear()
        self.downloads.clear()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def do_GET(self) -> None:
        self._answer(with_content=True)

    def log_message(self, *arguments: Any) -> None:
        self.hub.requests.append(self.requestline)

    def _answer(self, *, with_content: bool) -> None:
        path = urlsplit(self.path).path
        if match := _API.match(path):
            self._information(match[1], unquote(match[2]))
        elif match := _FILE.match(path):
            self._file(match[1], unquote(match[2]), unquote(match[3]), with_content=with_content)
        else:
            self._refuse(404, "")

    def _information(self, model_id: str, revision: str) -> None:
        if found := self._find(model_id, revision, public=True):
            model, commit = found
            siblings = [_sibling(path, content) for path, content in model.commits[commit].items()]
            body = json.dumps({"id": model.name, "sha": commit, "siblings": siblings}).encode()
            self._send(200, body, {"Content-Type": "application/json"})

    def _file(self, model_id: str, revision: str, path: str, *, with_content: bool) -> None:
        if not (found := self._find(model_id, revision, public=False)):
            return
        model, commit = found
        content = model.commits[commit].get(path)
        if content is None:
            self._refuse(404, "EntryNotFound")
            return
        identity = _sibling(path, content)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{identity.get("lfs", {}).get("sha256") or identity["blobId"]}"'}
        if path in self.hub.tampered:
            content = content[:-1] + bytes([content[-1] ^ 1])
        if with_content:
            self.hub.downloads.append(path)
            self.hub.on_download(path)
        self._send(200, content, headers, with_content=with_content)

    def _find(self, model_id: str, revision: str, *, public: bool) -> tuple[HubModel, str] | None:
        """The model and the commit; None: it was refused. public: what gated models show to everybody."""
        model = self.hub.models.get(model_id)
        if model is None:
            return self._refuse(404, "RepoNotFound")
        if model.token and not public and self.headers.get("Authorization") != f"Bearer {model.token}":
            return self._refuse(401, "GatedRepo")
        commit = model.references.get(revision, revision)
        if commit not in model.commits:
            return self._refuse(404, "RevisionNotFound")
        return model, commit

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], *, with_content: bool = True) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_content:
            self.wfile.write(body)


def _sibling(path: str, content: bytes) -> dict[str, Any]:
    """As the Hub describes a file."""
    described: dict[str, Any] = {"rfilename": path, "size": len(content)}
    if path.endswith(_LARGE):
        digest = hashlib.sha256(content).hexdigest()
        return {**described, "blobId": "0" * 40, "lfs": {"sha256": digest, "size": len(content), "pointerSize": 134}}
    return {**described, "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()}
