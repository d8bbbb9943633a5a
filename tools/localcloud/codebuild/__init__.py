"""CodeBuild that builds: a project's buildspec is really executed, with a `docker` that builds our kind of images.

install() puts it in the place of moto's, whose builds succeed when they are asked after.
"""

import json
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import moto.codebuild.urls
from botocore.config import Config
from moto.codebuild.exceptions import InvalidInputException, ResourceNotFoundException
from moto.codebuild.responses import CodeBuildResponse
from moto.core.responses import ActionResult

from localcloud import clients
from localcloud.codebuild.build import Build, BuildRequest
from localcloud.fork_server import ForkServer
from localcloud.log_stream import LogStream
from localcloud.settings import LocalCloud

__all__ = ["install", "shutdown"]

_CONFIG = Config(proxies={}, max_pool_connections=clients.MOST_CONNECTIONS)
_DEFAULT_TIMEOUT = 60  # minutes
_TOKEN_SECONDS = 300.0
_OVERRIDES = {
    "projectName",
    "environmentVariablesOverride",
    "buildspecOverride",
    "sourceTypeOverride",
    "sourceLocationOverride",
    "timeoutInMinutesOverride",
    "idempotencyToken",
}


@dataclass(frozen=True)
class Started:
    """What a token was used for. at: seconds of the monotonic clock."""

    request: dict[str, Any]
    build: Build
    at: float


class RunningCodeBuildResponse(CodeBuildResponse):
    """The operations that are different here. Projects and the list of builds stay moto's."""

    cloud: LocalCloud  # set by install()
    commands = {name: ForkServer(Path(__file__).with_name(f"{name}_cli.py")) for name in ("aws", "docker")}  # noqa: RUF012
    builds: dict[str, Build] = {}  # noqa: RUF012  by ARN
    tokens: dict[tuple[str, str, Any], Started] = {}  # noqa: RUF012  by account, region and token
    _starting = threading.Lock()

    def start_build(self) -> ActionResult:
        request = json.loads(self.body)
        with self._starting:
            return self._started_before(request) or self._start(request)

    def _started_before(self, request: dict[str, Any]) -> ActionResult | None:
        """The build of the same request with the same token, within five minutes."""
        token = (self.current_account, self.region, request.get("idempotencyToken"))
        known = self.tokens.get(token)
        if not known or time.monotonic() - known.at > _TOKEN_SECONDS:
            return None
        if known.request != request:
            raise InvalidInputException("The idempotency token was used with other parameters")
        return ActionResult({"build": known.build.record})

    def _start(self, request: dict[str, Any]) -> ActionResult:
        if unknown := sorted(set(request) - _OVERRIDES):
            raise InvalidInputException(f"{', '.join(unknown)}: not supported by the embedded AWS")
        project = self._project(request["projectName"])
        return ActionResult({"build": self._started(project, request).record})

    def _started(self, project: dict[str, Any], request: dict[str, Any]) -> Build:
        name = project["name"]
        identifier = f"{name}:{uuid.uuid4()}"
        arn = f"{project['arn'].rpartition(':')[0]}:build/{identifier}"
        history = self.codebuild_backend.build_history[name]
        minutes = request.get("timeoutInMinutesOverride") or project.get("timeoutInMinutes") or _DEFAULT_TIMEOUT
        build_request = BuildRequest(
            id=identifier,
            arn=arn,
            number=len(history) + 1,
            region=self.region,
            project=_overridden(project, request),
            timeout=minutes * 60.0,
        )
        stream = identifier.partition(":")[2]
        log = LogStream(self.current_account, self.region, _log_group(project), stream)
        build = Build(self.cloud, build_request, log, self._fetch, self.commands)
        self.builds[arn] = build
        if token := request.get("idempotencyToken"):
            self.tokens[self.current_account, self.region, token] = Started(request, build, time.monotonic())
        history.append(identifier)
        build.start()
        return build

    def batch_get_builds(self) -> ActionResult:
        known = [(identifier, self._build(identifier)) for identifier in self._get_param("ids")]
        return ActionResult(
            {
                "builds": [build.record for _, build in known if build],
                "buildsNotFound": [identifier for identifier, build in known if not build],
            }
        )

    def list_builds_for_project(self) -> ActionResult:
        """moto knows no order."""
        name = self._project(self._get_param("projectName"))["name"]
        oldest_first = self.codebuild_backend.list_builds_for_project(name)
        descending = self._get_param("sortOrder", "DESCENDING") == "DESCENDING"
        return ActionResult({"ids": oldest_first[::-1] if descending else oldest_first})

    def stop_build(self) -> ActionResult:
        identifier = self._get_param("id")
        build = self._build(identifier)
        if build is None:
            raise ResourceNotFoundException(f"Build {identifier} does not exist")
        build.stop()
        return ActionResult({"build": build.record})

    def create_project(self) -> ActionResult:
        """moto forgets the encryption key, and whatever is newer than it."""
        super().create_project()
        return self.update_project()

    def update_project(self) -> ActionResult:
        """moto has none."""
        request = json.loads(self.body)
        project = self._project(request["name"])
        project.update({member: value for member, value in request.items() if value is not None})
        return ActionResult({"project": project})

    def _project(self, name: str) -> dict[str, Any]:
        project = self.codebuild_backend.codebuild_projects.get(name)
        if project is None:
            arn = f"arn:{self.partition}:codebuild:{self.region}:{self.current_account}:project/{name}"
            raise ResourceNotFoundException(f"Project cannot be found: {arn}")
        return project.project_metadata

    def _build(self, identifier: str) -> Build | None:
        """By id or by ARN."""
        arn = f"arn:{self.partition}:codebuild:{self.region}:{self.current_account}:build/{identifier}"
        return self.builds.get(identifier) or self.builds.get(arn)

    def _fetch(self, location: str, target: Path) -> None:
        """LookupError: S3 has no such object, in its own words."""
        s3 = clients.client(self.cloud.endpoint_url, self.current_account, self.region, "s3", _CONFIG)
        bucket, _, key = location.removeprefix("arn:aws:s3:::").partition("/")
        try:
            s3.download_file(bucket, key, str(target))
        except s3.exceptions.ClientError as error:
            raise LookupError(error.response["Error"]["Message"]) from None


def install(cloud: LocalCloud) -> None:
    """Before the first request: moto reads its URL tables once."""
    RunningCodeBuildResponse.cloud = cloud
    for path in moto.codebuild.urls.url_paths:
        moto.codebuild.urls.url_paths[path] = RunningCodeBuildResponse.dispatch


def shutdown() -> None:
    """Stops every build, and waits until none has a process left."""
    builds = list(RunningCodeBuildResponse.builds.values())
    for build in builds:
        build.stop()
    for build in builds:
        build.wait()
    for command in RunningCodeBuildResponse.commands.values():
        command.stop()


def _overridden(project: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The project as this build sees it. InvalidInputException: a variable that cannot be resolved here."""
    source = dict(project["source"])
    for member in ("buildspec", "type", "location"):
        override = "buildspecOverride" if member == "buildspec" else f"source{member.title()}Override"
        if request.get(override):
            source[member] = request[override]
    variables = {entry["name"]: entry for entry in project["environment"].get("environmentVariables") or []}
    variables |= {entry["name"]: entry for entry in request.get("environmentVariablesOverride") or []}
    for entry in variables.values():
        if entry.get("type", "PLAINTEXT") != "PLAINTEXT":
            raise InvalidInputException(
                f"environment variable {entry['name']}: type {entry['type']} is not supported by the embedded AWS"
            )
    environment = {**project["environment"], "environmentVariables": list(variables.values())}
    return {**project, "source": source, "environment": environment}


def _log_group(project: dict[str, Any]) -> str:
    logs = (project.get("logsConfig") or {}).get("cloudWatchLogs") or {}
    return str(logs.get("groupName") or f"/aws/codebuild/{project['name']}")
