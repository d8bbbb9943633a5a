"""A SageMaker managed MLflow tracking server: MLflow's REST API, with each request signed by AWS's Signature Version 4.

Without the `mlflow` package: a function carries no third-party code, and this is five calls. How requests are addressed
and signed is what AWS's own plugin `sagemaker-mlflow` does.
"""

import json
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session

_SERVICE = "sagemaker-mlflow"
_API = "/api/2.0/mlflow/"
_TIMEOUT = 5
"""Seconds for an answer. The function waits for a job before, and has five minutes for all."""
_BUSY = (429, 500, 502, 503, 504)


class TrackingError(Exception):
    """The server has not done what it was asked; the text says what it answered, and what to do."""


class TrackingServer:
    """One tracking server."""

    def __init__(self, arn: str, credentials: Any, *, pause: float = 1) -> None:
        """arn: of the server. credentials: botocore's. pause: seconds before a call is made again."""
        self.arn = arn
        self._pause = pause
        self._url = address(arn)
        self._sign = SigV4Auth(credentials, _SERVICE, arn.split(":")[3])
        self._http = URLLib3Session(timeout=_TIMEOUT)

    def experiment(self, name: str) -> str:
        """The id of the experiment of that name, which is made where there is none."""
        try:
            return self._by_name(name)
        except _NotThereError:
            pass
        try:
            return str(self._post("experiments/create", {"name": name}, again=False)["experiment_id"])
        except _ThereAlreadyError:
            return self._by_name(name)

    def run(self, experiment: str, tag: str, value: str) -> str | None:
        """The id of the run of that experiment that has the tag; None where there is none."""
        found = self._post(
            "runs/search",
            {"experiment_ids": [experiment], "filter": f"tags.`{tag}` = '{value}'", "max_results": 1},
        )
        runs = found.get("runs") or []
        return str(runs[0]["info"]["run_id"]) if runs else None

    def create_run(self, experiment: str, name: str, start: int, tags: Mapping[str, str]) -> str:
        """The id of a new run. start: milliseconds since 1970."""
        # Not again where the answer got lost: there would be two.
        made = self._post(
            "runs/create",
            {"experiment_id": experiment, "run_name": name, "start_time": start, "tags": _pairs(tags)},
            again=False,
        )
        return str(made["run"]["info"]["run_id"])

    def log(
        self, run: str, metrics: list[dict[str, Any]], parameters: Mapping[str, str], tags: Mapping[str, str]
    ) -> None:
        """Adds to a run. metrics: {key, value, timestamp in milliseconds, step} each. What it has already stays."""
        self._post(
            "runs/log-batch",
            {"run_id": run, "metrics": metrics, "params": _pairs(parameters), "tags": _pairs(tags)},
        )

    def end_run(self, run: str, status: str, end: int) -> None:
        """status: FINISHED, FAILED or KILLED. end: milliseconds since 1970."""
        self._post("runs/update", {"run_id": run, "status": status, "end_time": end})

    def _by_name(self, name: str) -> str:
        found = self._call("GET", f"experiments/get-by-name?experiment_name={quote(name, safe='')}")
        return str(found["experiment"]["experiment_id"])

    def _post(self, path: str, body: Mapping[str, Any], *, again: bool = True) -> dict[str, Any]:
        return self._call("POST", path, json.dumps(body).encode(), again=again)

    def _call(self, method: str, path: str, body: bytes = b"", *, again: bool = True) -> dict[str, Any]:
        """Once, and once again where the server is busy."""
        try:
            status, answer = self._send(method, path, body)
            if status in _BUSY and again:
                time.sleep(self._pause)
                status, answer = self._send(method, path, body)
        except BotoCoreError as error:
            raise TrackingError(
                f"{self._url} does not answer ({type(error).__name__}). See that the tracking server is started."
            ) from None
        if status == 200:
            return answer
        code = str(answer.get("error_code", ""))
        kind = {"RESOURCE_DOES_NOT_EXIST": _NotThereError, "RESOURCE_ALREADY_EXISTS": _ThereAlreadyError}
        said = str(answer.get("message") or answer.get("Message") or "no reason was given")
        hint = " See that the server is started, and that the reporting role may use it." if status == 403 else ""
        raise kind.get(code, TrackingError)(f"{path.partition('?')[0]}: {status} {code} {said[:500]}{hint}")

    def _send(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        headers = {
            "x-mlflow-sm-tracking-server-arn": self.arn,
            "X-Amz-Content-SHA256": sha256(body).hexdigest(),
            **({"Content-Type": "application/json"} if body else {}),
        }
        request = AWSRequest(method=method, url=f"{self._url}{_API}{path}", data=body or None, headers=headers)
        self._sign.add_auth(request)
        answer = self._http.send(request.prepare())
        try:
            content = json.loads(answer.content or b"{}")
        except ValueError:
            content = {}
        return answer.status_code, content if isinstance(content, dict) else {}


class _NotThereError(TrackingError):
    pass


class _ThereAlreadyError(TrackingError):
    pass


def address(arn: str) -> str:
    """Where the tracking servers of a region answer, those of all accounts: the ARN is sent along."""
    return f"https://{arn.split(':')[3]}.experiments.sagemaker.aws"


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]
