"""`/_localcloud/*`: what the embedded AWS tells about itself, and what no AWS API can ask it to do."""

import json
import os
import re
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from localcloud import events, faults, registry, sagemaker, schedules
from localcloud.settings import LocalCloud

PREFIX = "/_localcloud/"
_ANSWER_SECONDS = 0.2
INTERRUPT = re.compile(r"training-jobs/([^/]+)/interrupt")
FIND = re.compile(r"images/(.+)/(sha256:[0-9a-f]{64})/findings")
TRIGGER = re.compile(r"(rules|schedules)/([^/]+)/trigger")
REPUBLISH = re.compile(r"base-images/([^/]+)/([^/]+)/republish")

Answer = tuple[HTTPStatus, dict[str, Any]]


class ControlRoutes:
    """WSGI middleware: answers its own paths and hands everything else to the AWS APIs behind it."""

    def __init__(self, cloud: LocalCloud, aws: Any, *, stop: Callable[[], None]) -> None:
        self._cloud = cloud
        self._aws = aws
        self._stop = stop
        self._started_at = datetime.now(UTC)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            answer: Iterable[bytes] = self._aws(environ, start_response)
            return answer
        sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, body = self._route(environ["REQUEST_METHOD"], path.removeprefix(PREFIX), sent)
        payload = json.dumps(body, default=str).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(payload)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [payload]

    def _route(self, method: str, route: str, sent: bytes) -> Answer:
        interrupt = INTERRUPT.fullmatch(route)
        if method == "GET" and route == "status":
            return HTTPStatus.OK, self.status()
        if route == "faults":
            return _faults(method, sent)
        if method == "POST" and interrupt:
            return self._interrupt(unquote(interrupt[1]))
        if method == "POST" and (base := REPUBLISH.fullmatch(route)):
            return HTTPStatus.OK, {"digest": registry.republish(unquote(base[1]), unquote(base[2]))}
        if method == "POST" and (due := TRIGGER.fullmatch(route)):
            return self._trigger(due[1], unquote(due[2]), json.loads(sent or b"{}").get("time"))
        if method == "POST" and (image := FIND.fullmatch(route)):
            registry.find(self._cloud, unquote(image[1]), image[2], json.loads(sent)["findings"])
            return HTTPStatus.ACCEPTED, {"message": f"the scan of {image[2]} is complete"}
        if method == "POST" and route == "shutdown":
            # Later, so that the answer is out before the process ends. Not when the response is closed: a client that
            # does not wait for the answer keeps werkzeug from ever closing it.
            threading.Timer(_ANSWER_SECONDS, self._stop).start()
            return HTTPStatus.ACCEPTED, {"message": "stopping"}
        return HTTPStatus.NOT_FOUND, {
            "message": f"{method} {PREFIX}{route} is no control route. There are GET {PREFIX}status, "
            f"POST {PREFIX}training-jobs/NAME/interrupt, POST {PREFIX}base-images/REPOSITORY/TAG/republish, "
            f"POST {PREFIX}images/REPOSITORY/DIGEST/findings, POST {PREFIX}rules/NAME/trigger, "
            f"POST {PREFIX}schedules/NAME/trigger, "
            f"GET, POST and DELETE {PREFIX}faults and POST {PREFIX}shutdown."
        }

    def status(self) -> dict[str, Any]:
        """Process, address, and what runs: containers, training jobs and endpoints."""
        return {
            "pid": os.getpid(),
            "port": self._cloud.port,
            "started_at": self._started_at.isoformat(),
            "endpoint_url": self._cloud.endpoint_url,
            "state_dir": str(self._cloud.state_dir),
            **sagemaker.describe(),
        }

    def _interrupt(self, job_name: str) -> Answer:
        try:
            sagemaker.interrupt(job_name)
        except KeyError:
            return HTTPStatus.NOT_FOUND, {"message": f"there is no training job {job_name}"}
        except ValueError as error:
            return HTTPStatus.CONFLICT, {"message": str(error)}
        return HTTPStatus.ACCEPTED, {"message": f"spot interruption of {job_name} begins"}

    def _trigger(self, kind: str, name: str, time: str | None) -> Answer:
        trigger = events.trigger if kind == "rules" else schedules.trigger
        try:
            trigger(name, self._cloud, time)
        except KeyError:
            known = events.rules(self._cloud) if kind == "rules" else schedules.names(self._cloud)
            message = f"there is no {kind.removesuffix('s')} {name}; there are {', '.join(known) or 'none'}"
            return HTTPStatus.NOT_FOUND, {"message": message}
        return HTTPStatus.ACCEPTED, {"message": f"{kind.removesuffix('s')} {name} was triggered"}


def _faults(method: str, sent: bytes) -> Answer:
    """What was ordered and has not happened yet, after the order was taken, or all were."""
    if method == "POST":
        try:
            faults.order(json.loads(sent))
        except ValueError as error:
            return HTTPStatus.BAD_REQUEST, {"message": str(error)}
    elif method == "DELETE":
        faults.clear()
    elif method != "GET":
        return HTTPStatus.METHOD_NOT_ALLOWED, {"message": f"{PREFIX}faults takes GET, POST and DELETE."}
    return HTTPStatus.OK, {"faults": faults.pending()}
