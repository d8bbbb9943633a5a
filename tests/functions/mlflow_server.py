"""A tracking server that takes nothing but what MLflow's REST API documents, and nobody who has not signed for it.

It stands in for MLflow: fields, types, limits and errors are those of https://mlflow.org/docs/latest/rest-api.html, and
it refuses what MLflow would only ignore. Signatures are computed anew, after AWS's description of Signature Version 4.
"""

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

ARN = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/experiments"
ACCESS_KEY, SECRET_KEY = "AKIDTESTING", "testing-secret"
_KEY = re.compile(r"^[A-Za-z0-9_./ -]{1,250}$")
_FILTER = re.compile(r"^tags\.`(?P<tag>[^`]+)` = '(?P<value>[^']*)'$")
_STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
_FIELDS = {
    "experiments/create": {"name": str},
    "runs/search": {"experiment_ids": list, "filter": str, "max_results": int},
    "runs/create": {"experiment_id": str, "run_name": str, "start_time": int, "tags": list},
    "runs/log-batch": {"run_id": str, "metrics": list, "params": list, "tags": list},
    "runs/update": {"run_id": str, "status": str, "end_time": int},
}
_PAIR = {"key": str, "value": str}
_METRIC = {"key": str, "value": float, "timestamp": int, "step": int}


class RefusedError(Exception):
    """status and error code of the answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = status, {"error_code": code, "message": message}


class MlflowServer:
    """experiments: name → id. runs: id → {experiment, name, start, tags, params, metrics, status, end}.

    failures: answers to give in the place of the next ones. calls: what was asked for, in its order.
    """

    def __init__(self) -> None:
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.failures: list[tuple[int, dict[str, Any]]] = []
        self.calls: list[str] = []
        self.url = ""

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        url = urlsplit(path)
        assert url.path.startswith("/api/2.0/mlflow/"), path
        name = url.path.removeprefix("/api/2.0/mlflow/")
        self.calls.append(name)
        try:
            _check_signature(method, path, {key.lower(): value for key, value in headers.items()}, body)
            if self.failures:
                return self.failures.pop(0)
            if (method, name) == ("GET", "experiments/get-by-name"):
                return 200, {"experiment": self._experiment(parse_qs(url.query)["experiment_name"][0])}
            if method != "POST" or name not in _FIELDS:
                raise RefusedError(404, "ENDPOINT_NOT_FOUND", f"{method} {name}")
            if headers.get("Content-Type") != "application/json":
                raise RefusedError(415, "BAD_REQUEST", "The API requires content type application/json")
            return 200, getattr(self, "_" + name.replace("/", "_").replace("-", "_"))(**_checked(name, body))
        except RefusedError as refused:
            return refused.answer

    def _experiment(self, name: str) -> dict[str, Any]:
        if name not in self.experiments:
            raise RefusedError(404, "RESOURCE_DOES_NOT_EXIST", f"Could not find experiment with name '{name}'")
        return {"experiment_id": self.experiments[name], "name": name, "lifecycle_stage": "active"}

    def _experiments_create(self, name: str) -> dict[str, Any]:
        if name in self.experiments:
            raise RefusedError(400, "RESOURCE_ALREADY_EXISTS", f"Experiment(name={name}) already exists.")
        self.experiments[name] = str(len(self.experiments) + 1)
        return {"experiment_id": self.experiments[name]}

    def _runs_search(self, experiment_ids: list[str], filter: str, max_results: int) -> dict[str, Any]:  # noqa: A002 (MLflow's name)
        match = _FILTER.match(filter)
        if not match:
            raise RefusedError(400, "INVALID_PARAMETER_VALUE", f"Invalid filter {filter!r}")
        found = [
            {"info": {"run_id": identifier, "status": run["status"]}, "data": {}}
            for identifier, run in self.runs.items()
            if run["experiment"] in experiment_ids and run["tags"].get(match["tag"]) == match["value"]
        ]
        # As MLflow: without runs the answer has no member of that name.
        return {"runs": found[:max_results]} if found else {}

    def _runs_create(self, experiment_id: str, run_name: str, start_time: int, tags: list[Any]) -> dict[str, Any]:
        if experiment_id not in self.experiments.values():
            raise RefusedError(404, "RESOURCE_DOES_NOT_EXIST", f"No Experiment with id={experiment_id} exists")
        identifier = f"{len(self.runs):032x}"
        self.runs[identifier] = {
            "experiment": experiment_id,
            "name": run_name,
            "start": start_time,
            "tags": _read(tags, _PAIR, 5000),
            "params": {},
            "metrics": {},
            "status": "RUNNING",
            "end": None,
        }
        return {"run": {"info": {"run_id": identifier, "status": "RUNNING"}, "data": {"tags": tags}}}

    def _runs_log_batch(self, run_id: str, metrics: list[Any], params: list[Any], tags: list[Any]) -> dict[str, Any]:
        run = self._run(run_id)
        if len(metrics) > 1000 or len(params) > 100 or len(tags) > 100:
            raise RefusedError(400, "INVALID_PARAMETER_VALUE", "A batch has 1000 metrics, 100 params, 100 tags at most")
        for key, value in _read(params, _PAIR, 6000).items():
            if run["params"].setdefault(key, value) != value:
                raise RefusedError(400, "INVALID_PARAMETER_VALUE", f"Changing param values is not allowed: {key!r}")
        run["tags"] |= _read(tags, _PAIR, 5000)
        for metric in metrics:
            _check_fields(metric, _METRIC)
            point = (metric["timestamp"], metric["step"], metric["value"])
            run["metrics"].setdefault(metric["key"], set()).add(point)
        return {}

    def _runs_update(self, run_id: str, status: str, end_time: int) -> dict[str, Any]:
        run = self._run(run_id)
        if status not in _STATUSES:
            raise RefusedError(400, "INVALID_PARAMETER_VALUE", f"Invalid status {status!r}")
        run |= {"status": status, "end": end_time}
        return {"run_info": {"run_id": run_id, "status": status, "end_time": end_time}}

    def _run(self, identifier: str) -> dict[str, Any]:
        if identifier not in self.runs:
            raise RefusedError(404, "RESOURCE_DOES_NOT_EXIST", f"Run with id={identifier} not found")
        return self.runs[identifier]


def _checked(name: str, body: bytes) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(body)
    _check_fields(content, _FIELDS[name])
    return content


def _check_fields(content: dict[str, Any], fields: Mapping[str, type]) -> None:
    wrong = [key for key, kind in fields.items() if type(content.get(key)) is not kind] + sorted(
        set(content) - set(fields)
    )
    if wrong:
        raise RefusedError(400, "INVALID_PARAMETER_VALUE", f"Missing, unknown or of a wrong type: {', '.join(wrong)}")
    if not _KEY.match(str(content.get("key", "a"))):
        raise RefusedError(400, "INVALID_PARAMETER_VALUE", f"Invalid name {content['key']!r}")


def _read(pairs: list[Any], fields: Mapping[str, type], longest: int) -> dict[str, str]:
    for pair in pairs:
        _check_fields(pair, fields)
        if len(pair["value"]) > longest:
            raise RefusedError(400, "INVALID_PARAMETER_VALUE", f"{pair['key']} has more than {longest} characters")
    return {pair["key"]: pair["value"] for pair in pairs}


def _check_signature(method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
    """As AWS's gateway in front of the tracking servers does."""
    if headers.get("x-mlflow-sm-tracking-server-arn") != ARN:
        raise RefusedError(500, "INTERNAL_ERROR", "no tracking server")
    match = re.match(
        r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/([\w-]+)/aws4_request, SignedHeaders=([\w;-]+), "
        r"Signature=([0-9a-f]{64})$",
        headers.get("authorization", ""),
    )
    assert match, headers
    access_key, day, region, service, signed, signature = match.groups()
    url = urlsplit(path)
    query = "&".join(
        sorted(
            "=".join(quote(unquote(part), safe="-_.~") for part in pair.split("="))
            for pair in url.query.split("&")
            if pair
        )
    )
    payload = hashlib.sha256(body).hexdigest()
    names = signed.split(";")
    canonical = "\n".join(
        [method, url.path, query, *(f"{name}:{headers[name].strip()}" for name in names), "", signed, payload]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (day, region, service, "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    is_right = hmac.compare_digest(key.hex(), signature) and access_key == ACCESS_KEY
    if (
        not is_right
        or (region, service) != ("us-east-1", "sagemaker-mlflow")
        or headers["x-amz-content-sha256"] != payload
    ):
        raise RefusedError(403, "", "The request signature we calculated does not match the signature you provided.")
    assert {"host", "x-amz-date", "x-mlflow-sm-tracking-server-arn"} <= set(names)


@contextmanager
def running_server() -> Iterator[MlflowServer]:
    """The server, which answers at its `url`."""
    mlflow = MlflowServer()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = mlflow.answer(self.command, self.path, dict(self.headers), body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _handle  # noqa: N815 (http.server's names)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mlflow.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield mlflow
    finally:
        server.shutdown()
        server.server_close()
