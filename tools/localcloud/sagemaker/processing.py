"""Processing jobs that run: a container's own program over files from S3, whose results go back there."""

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from localcloud.images.container import Container
from localcloud.log_stream import LogStream
from localcloud.sagemaker import processing_request
from localcloud.sagemaker.checkpoints import CheckpointSync
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.running_job import JobFailedError, JobStoppedError, RunningJob, wait_for
from localcloud.sagemaker.s3 import NoSuchDataError, download_prefix, upload_folder

GRACE = 120.0  # seconds between SIGTERM and SIGKILL
LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
_LONGEST_MESSAGE = 1024  # characters of an ExitMessage


class ProcessingJob(RunningJob):
    """One processing job. The attributes that begin with its kind are those that moto's ListProcessingJobs reads."""

    kind = "processing-job"

    def __init__(self, compute: Compute, request: dict[str, Any], account: str, region: str, arn: str) -> None:
        super().__init__(compute, request, account, region, request["ProcessingJobName"], arn)
        self.processing_job_name = self.name
        self.exit_message: str | None = None

    @property
    def processing_job_status(self) -> str:
        return self.status

    @property
    def processing_end_time(self) -> Any:
        return self.end_time

    def describe(self) -> dict[str, Any]:
        """DescribeProcessingJob's answer."""
        return self.described(
            {
                "ProcessingJobArn": self.arn,
                "ProcessingJobStatus": self.status,
                "ProcessingStartTime": self.start_time,
                "ProcessingEndTime": self.end_time,
                "ExitMessage": self.exit_message,
            }
        )

    def work(self) -> None:
        log = LogStream(self.account, self.region, LOG_GROUP, f"{self.name}/algo-1-{int(time.time())}")
        image = self.compute.image(self.request["AppSpecification"]["ImageUri"], self.request["RoleArn"], log.write)
        container = self.compute.container(image, f"processing job {self.name}")
        try:
            self._prepare(container)
            self.check_limits()
            self.begin()
            with _Uploads(self, container):
                self._process(container, log)
        finally:
            self.compute.remove(container)

    def _prepare(self, container: Container) -> None:
        s3 = self.compute.client("s3", self.region)
        for name in ("config", "output", "processing"):
            (container.opt_ml / name).mkdir(parents=True, exist_ok=True)
        for given in processing_request.inputs(self.request):
            source = given["S3Input"]
            folder = Path(container.paths.outside(source["LocalPath"]))
            if download_prefix(s3, source["S3Uri"], folder) == 0:
                raise NoSuchDataError(
                    f'Data download failed: No S3 objects found under S3 URL "{source["S3Uri"]}" given in input '
                    f"{given['InputName']!r}"
                )
        for given in processing_request.outputs(self.request):
            Path(container.paths.outside(given["S3Output"]["LocalPath"])).mkdir(parents=True, exist_ok=True)
        hosts = {"current_host": "algo-1", "hosts": ["algo-1"]}
        (container.opt_ml / "config/processingjobconfig.json").write_text(json.dumps(self.request))
        (container.opt_ml / "config/resourceconfig.json").write_text(json.dumps(hosts))

    def _process(self, container: Container, log: LogStream) -> None:
        program = self.request["AppSpecification"]
        environment = {
            **self.compute.environment(self.region, self.account),
            **(self.request.get("Environment") or {}),
            "ProcessingJobArn": self.arn,
            # Where /opt/ml is, for programs that do not take their folders as arguments.
            "SAGEMAKER_BASE_DIR": str(container.opt_ml),
        }
        entrypoint = program.get("ContainerEntrypoint")
        # As `docker run`: another entry point takes the image's CMD away.
        command = program.get("ContainerArguments") or ([] if entrypoint else container.image.config.cmd)
        try:
            container.start(command, environment, log.write, entrypoint=entrypoint)
            limit = processing_request.max_runtime(self.request)
            wait_for(container.wait, lambda: self.check_limits(limit))
        except JobStoppedError:
            container.terminate()
            container.wait(0 if self.compute.stopping.is_set() else GRACE)
            raise
        finally:
            container.kill()
            with contextlib.suppress(FileNotFoundError):
                message = (container.opt_ml / "output/message").read_text(errors="replace").strip()
                self.exit_message = message[:_LONGEST_MESSAGE] or None
        if container.exit_code != 0:
            raise JobFailedError(f"AlgorithmError: See job logs for more information, exit code: {container.exit_code}")


class _Uploads:
    """A job's outputs: some go up as they appear, the others when it has succeeded."""

    def __init__(self, job: ProcessingJob, container: Container) -> None:
        self._s3 = job.compute.client("s3", job.region)
        self._key = (job.request.get("ProcessingOutputConfig") or {}).get("KmsKeyId")
        self._at_end: list[tuple[Path, str]] = []
        self._continuous: list[CheckpointSync] = []
        for given in processing_request.outputs(job.request):
            target = given["S3Output"]
            folder = Path(container.paths.outside(target["LocalPath"]))
            if target["S3UploadMode"] == "Continuous":
                self._continuous.append(CheckpointSync(self._s3, folder, target["S3Uri"], self._key))
            else:
                self._at_end.append((folder, target["S3Uri"]))

    def __enter__(self) -> None:
        for sync in self._continuous:
            sync.start()

    def __exit__(self, failed: object, *_: object) -> None:
        for sync in self._continuous:
            sync.finish()
        if failed is None:
            for folder, uri in self._at_end:
                upload_folder(self._s3, folder, uri, self._key)
