"""One build of a project: its source, its phases, its log, its record."""

import logging
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.core.utils import utcnow

from localcloud import events
from localcloud.accounts import credentials
from localcloud.codebuild import buildspec
from localcloud.codebuild.shell import BuildShell
from localcloud.fork_server import ForkServer
from localcloud.images import docker
from localcloud.log_stream import LogStream
from localcloud.settings import LocalCloud

_logger = logging.getLogger(__name__)


class PhaseError(Exception):
    """A phase failed. code, message: its context, as BatchGetBuilds shows it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What a build is started with: the project, with the overrides of StartBuild already in it."""

    id: str
    arn: str
    number: int
    region: str
    project: dict[str, Any]
    timeout: float  # seconds


class Build:
    """A build that runs in a thread of its own. record: what BatchGetBuilds answers, kept up to date."""

    def __init__(
        self,
        cloud: LocalCloud,
        request: BuildRequest,
        log: LogStream,
        fetch: Callable[[str, Path], None],
        commands: Mapping[str, ForkServer],
    ):
        """fetch: downloads the object `bucket/key` to a file. commands: by name, what the build finds on its PATH."""
        self._cloud = cloud
        self._request = request
        self._log = log
        self._fetch = fetch
        self._commands = commands
        self._deadline = time.monotonic() + request.timeout
        self._shell: BuildShell | None = None
        self._stopped = threading.Event()
        self._failed_phase: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"build-{request.id}", daemon=True)
        self.record = _record(request, log)

    def start(self) -> None:
        self._thread.start()

    def wait(self, seconds: float = 10) -> None:
        """Until it has ended, for so long at most."""
        self._thread.join(seconds)

    def stop(self) -> None:
        if not self.record["buildComplete"]:
            self._stopped.set()
            if self._shell:
                self._shell.stop()

    def _run(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="localcloud-build-"))
        status = "FAULT"
        try:
            status = self._phases(folder)
        except TimeoutError:
            status = "TIMED_OUT"
            self._log.write("[Container] The build took longer than the project's timeout and was stopped")
        except Exception:
            _logger.exception("build %s", self._request.id)
        finally:
            if self._stopped.is_set():
                status = "STOPPED"
            shutil.rmtree(folder, ignore_errors=True)
            self._finish(status)

    def _phases(self, folder: Path) -> str:
        """The build's status. Phases that AWS has and that have nothing to do here are recorded nevertheless."""
        for done in ("SUBMITTED", "QUEUED", "PROVISIONING"):
            with self._phase(done):
                pass
        sources = folder / "src"
        specification = buildspec.Buildspec(())
        with self._phase("DOWNLOAD_SOURCE"):
            specification = self._download_source(sources, folder / "source.zip")
        self._shell = BuildShell(sources, folder, self._log.write)
        if self._stopped.is_set():
            self._shell.stop()
        environment = self._environment(sources, folder, specification)
        for phase in specification.phases:
            # A failed BUILD still goes through POST_BUILD; every earlier failure ends the build.
            if self._failed_phase and (self._failed_phase, phase.name) != ("BUILD", "post_build"):
                break
            with self._phase(phase.name.upper()):
                self._run_phase(phase, environment)
        self._export(specification, environment)
        with self._phase("UPLOAD_ARTIFACTS"):
            pass
        with self._phase("FINALIZING"):
            pass
        return "FAILED" if self._failed_phase else "SUCCEEDED"

    def _run_phase(self, phase: buildspec.Phase, environment: dict[str, str]) -> None:
        assert self._shell is not None
        left = self._deadline - time.monotonic()
        changes = {"CODEBUILD_BUILD_SUCCEEDING": str(int(self._failed_phase is None))}
        failure = self._shell.run(phase.commands, environment, changes, left)
        failed_last = self._shell.run(phase.last, environment, changes, self._deadline - time.monotonic())
        if failure := failure or failed_last:
            self._log.write(
                f"[Container] Command did not exit successfully {failure.command} exit status {failure.code}"
            )
            if not phase.goes_on:
                raise PhaseError("COMMAND_EXECUTION_ERROR", str(failure))

    def _export(self, specification: buildspec.Buildspec, environment: dict[str, str]) -> None:
        assert self._shell is not None
        if specification.exported:
            values = self._shell.variables(specification.exported, environment)
            self.record["exportedEnvironmentVariables"] = [
                {"name": name, "value": value} for name, value in values.items()
            ]

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        """Records a phase; a PhaseError in it fails the build and goes no further."""
        phase: dict[str, Any] = {"phaseType": name, "startTime": utcnow()}
        self.record["phases"].append(phase)
        self.record["currentPhase"] = name
        status = "FAULT"
        try:
            yield
            status = "SUCCEEDED"
        except PhaseError as error:
            status = "FAILED"
            self._failed_phase = self._failed_phase or name
            phase["contexts"] = [{"statusCode": error.code, "message": str(error)}]
        finally:
            phase["endTime"] = utcnow()
            phase["durationInSeconds"] = round((phase["endTime"] - phase["startTime"]).total_seconds())
            phase["phaseStatus"] = "STOPPED" if self._stopped.is_set() else status
            self._log.write(f"[Container] Phase complete: {name} State: {phase['phaseStatus']}")

    def _download_source(self, sources: Path, archive: Path) -> buildspec.Buildspec:
        source = self._request.project["source"]
        sources.mkdir()
        if source["type"] == "S3":
            try:
                self._fetch(source["location"], archive)
                _unzip(archive, sources)
            except (OSError, zipfile.BadZipFile, LookupError) as error:
                raise PhaseError("CLIENT_ERROR", f"{error} for source {source['location']}") from None
        elif source["type"] != "NO_SOURCE":
            raise PhaseError("CLIENT_ERROR", f"source type {source['type']} is not supported by the embedded AWS")
        try:
            return buildspec.parse(_buildspec_text(source.get("buildspec"), sources))
        except buildspec.BuildspecError as error:
            raise PhaseError("YAML_FILE_ERROR", str(error)) from None

    def _environment(self, sources: Path, folder: Path, specification: buildspec.Buildspec) -> dict[str, str]:
        """This machine's settings for pip and proxies, never its AWS credentials; then what CodeBuild sets."""
        request, project = self._request, self._request.project
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        for name, command in self._commands.items():
            command.write_command(bin_folder / name)
        unwanted = ("AWS_", "PYTHON", "VIRTUAL_ENV", "CODEBUILD_", "DOCKER_", "MOTO_")
        machine = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        return {
            **machine,
            "PATH": f"{bin_folder}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "NO_PROXY": "localhost,127.0.0.1",
            "no_proxy": "localhost,127.0.0.1",
            "PYTHONUNBUFFERED": "1",
            "AWS_REGION": request.region,
            "AWS_DEFAULT_REGION": request.region,
            "AWS_ENDPOINT_URL": self._cloud.endpoint_url,
            **credentials(request.arn.split(":")[4]),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
            "DOCKER_CONFIG": str(folder / "docker-config"),
            docker.STORE_VARIABLE: str(self._cloud.image_store),
            docker.REQUIREMENTS_VARIABLE: str(self._cloud.requirements_dir),
            "CI": "true",
            "CODEBUILD_BUILD_ARN": request.arn,
            "CODEBUILD_BUILD_ID": request.id,
            "CODEBUILD_BUILD_NUMBER": str(request.number),
            "CODEBUILD_BUILD_IMAGE": project["environment"].get("image", ""),
            "CODEBUILD_INITIATOR": "localcloud",
            "CODEBUILD_LOG_PATH": self._log.name,
            "CODEBUILD_PROJECT_ARN": project["arn"],
            "CODEBUILD_SOURCE_REPO_URL": project["source"].get("location", ""),
            "CODEBUILD_SRC_DIR": str(sources),
            "CODEBUILD_START_TIME": str(int(time.time() * 1000)),
            **specification.variables,
            **{entry["name"]: entry["value"] for entry in project["environment"].get("environmentVariables") or []},
        }

    def _finish(self, status: str) -> None:
        self.record["phases"].append({"phaseType": "COMPLETED", "startTime": utcnow()})
        self.record.update(currentPhase="COMPLETED", buildStatus=status, endTime=utcnow(), buildComplete=True)
        detail = {
            "build-status": status,
            "build-id": self._request.arn,
            "project-name": self.record["projectName"],
            "additional-information": {"logs": {"group-name": self._log.group, "stream-name": self._log.name}},
        }
        events.emit(self._request.arn, "aws.codebuild", "CodeBuild Build State Change", detail)


def _record(request: BuildRequest, log: LogStream) -> dict[str, Any]:
    project = request.project
    return {
        "id": request.id,
        "arn": request.arn,
        "buildNumber": request.number,
        "startTime": utcnow(),
        "currentPhase": "SUBMITTED",
        "buildStatus": "IN_PROGRESS",
        "buildComplete": False,
        "projectName": project["name"],
        "phases": [],
        "source": project["source"],
        "environment": project["environment"],
        "serviceRole": project["serviceRole"],
        "timeoutInMinutes": round(request.timeout / 60),
        "initiator": "localcloud",
        "logs": {
            "groupName": log.group,
            "streamName": log.name,
            "cloudWatchLogsArn": log.arn,
            "cloudWatchLogs": {"status": "ENABLED", "groupName": log.group},
        },
    }


def _buildspec_text(given: str | None, sources: Path) -> str:
    """Inline YAML, or the content of a file of the source (`buildspec.yml` unless another is named)."""
    if given and "\n" in given:
        return given
    path = sources / (given or "buildspec.yml")
    if not path.resolve().is_relative_to(sources.resolve()) or not path.is_file():
        raise buildspec.BuildspecError(f"YAML_FILE_ERROR Message: stat {path.name}: no such file or directory")
    return path.read_text()


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as files:
        for entry in files.infolist():
            target = Path(files.extract(entry, folder))
            mode = stat.S_IMODE(entry.external_attr >> 16)
            if mode and target.is_file():
                target.chmod(mode | stat.S_IRUSR | stat.S_IWUSR)
