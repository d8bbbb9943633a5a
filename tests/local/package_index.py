"""A package index on loopback that asks for a password, as proxies of PyPI do."""

import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class PackageIndex:
    """Serves the wheels of a folder below /simple/ to whoever knows user and password.

    credentials: `user:password`; may be changed while it runs. asked: the paths that were given out.
    """

    def __init__(self, folder: Path, credentials: str) -> None:
        self.credentials = credentials
        self.asked: list[str] = []
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index._answer(self, folder)

            def log_message(self, *_: object) -> None:
                """Nothing: tests look at `asked`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self._server.server_port}/simple/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler, folder: Path) -> None:
        wanted = "Basic " + b64encode(self.credentials.encode()).decode()
        if request.headers.get("Authorization") != wanted:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="packages"')
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        self.asked.append(request.path)
        name = request.path.rstrip("/").rpartition("/")[2]
        if name.endswith(".whl"):
            body, kind = (folder / name).read_bytes(), "application/octet-stream"
        else:
            links = "".join(f'<a href="/files/{wheel.name}">{wheel.name}</a>' for wheel in folder.glob(f"{name}-*.whl"))
            body, kind = f"<html><body>{links}</body></html>".encode(), "text/html"
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
