"""The instances of a training job: a container each, in a network that is this machine's loopback interface."""

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.faults import Uploads
from localcloud.images.container import Container
from localcloud.log_stream import LogStream
from localcloud.sagemaker import training_input
from localcloud.sagemaker.checkpoints import CheckpointSync
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.s3 import download_prefix, upload_folders_as_archive

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_AFTER_FAILURE = 5.0  # seconds that the other instances get when one has failed


@dataclass
class Instance:
    """host: its name in the job's network. sync: copies its checkpoints to S3 while it runs."""

    host: str
    container: Container
    log: LogStream
    sync: CheckpointSync | None = None


class TrainingCluster:
    """All instances of one attempt at a job. They start together and end together.

    failed: the one that ended with an error first; None where none did.
    """

    def __init__(self, compute: Compute, request: dict[str, Any], account: str, region: str) -> None:
        """Makes the containers. UnknownImageError: there is no such image."""
        self._compute = compute
        self._request = request
        self._environment = compute.environment(region, account)
        self.failed: Instance | None = None
        self._instances: list[Instance] = []
        name, began = request["TrainingJobName"], int(time.time())
        for host in training_input.host_names(request):
            log = LogStream(account, region, LOG_GROUP, f"{name}/{host}-{began}")
            image = compute.image(request["AlgorithmSpecification"]["TrainingImage"], request["RoleArn"], log.write)
            container = compute.container(image, f"training job {name} on {host}")
            self._instances.append(Instance(host, container, log))
        self._s3 = compute.client("s3", region)

    def download(self) -> None:
        """Brings data and checkpoints to every instance. NoSuchDataError: a channel has none."""
        for instance in self._instances:
            file_systems = self._compute.cloud.state_dir / "file-systems"
            training_input.download(self._s3, self._request, instance.container, file_systems, instance.host)
            if checkpoints := self._checkpoints:
                download_prefix(self._s3, checkpoints["S3Uri"], self._checkpoint_folder(instance))

    def start(self, environment: Mapping[str, str], on_line: Callable[[LogStream, str], None]) -> None:
        """on_line: gets the log and the line, from a thread per instance."""
        algorithm = self._request["AlgorithmSpecification"]
        port = str(_free_port())
        for instance in self._instances:
            if checkpoints := self._checkpoints:
                folder = self._checkpoint_folder(instance)
                instance.sync = CheckpointSync(self._s3, folder, checkpoints["S3Uri"])
                instance.sync.start()
            instance.container.start(
                algorithm.get("ContainerArguments") or ["train"],
                {
                    **self._environment,
                    **(self._request.get("Environment") or {}),
                    **environment,
                    # Where /opt/ml is, for the toolkit and for scripts; and that no host name has to be waited for.
                    "SAGEMAKER_BASE_DIR": str(instance.container.opt_ml),
                    "SM_STUDIO_LOCAL_MODE": "true",
                    # Where algo-1 is reached; what reads it is in images/deep_learning_containers.py, or torchrun.
                    "LOCALCLOUD_MASTER_ADDRESS": "127.0.0.1",
                    "LOCALCLOUD_MASTER_PORT": port,
                    "PET_MASTER_PORT": port,
                },
                lambda line, log=instance.log: on_line(log, line),  # type: ignore[misc]
                entrypoint=algorithm.get("ContainerEntrypoint"),
            )

    def wait(self, seconds: float) -> bool:
        """Whether it is over: all have ended, or one with an error, and then the others were ended, too."""
        deadline = time.monotonic() + seconds
        while True:
            codes = [instance.container.exit_code for instance in self._instances]
            for instance, code in zip(self._instances, codes, strict=True):
                if code:
                    self._fail(instance)
                    return True
            if None not in codes:
                for instance in self._instances:
                    instance.container.wait(seconds)  # for the last of its output
                return True
            if time.monotonic() >= deadline:
                return False
            self._instances[codes.index(None)].container.wait(min(0.1, seconds))

    def end(self, grace: float) -> None:
        """SIGTERM to all, and SIGKILL to what is left after `grace` seconds."""
        for instance in self._instances:
            instance.container.terminate()
        deadline = time.monotonic() + grace
        for instance in self._instances:
            instance.container.wait(max(0.0, deadline - time.monotonic()))

    def hold_uploads(self) -> None:
        """Nothing that is saved from now on is copied before `finish`."""
        for instance in self._instances:
            if instance.sync:
                instance.sync.hold()

    def finish(self, uploads: Uploads = "all") -> None:
        """Ends what still runs, and copies the last of the checkpoints. uploads: what still arrives of the newest."""
        for instance in self._instances:
            instance.container.kill()
            if instance.sync:
                instance.sync.finish(uploads)

    @property
    def pids(self) -> list[int]:
        """Of what holds each container's processes."""
        return [instance.container.pid for instance in self._instances if instance.container.pid]

    @property
    def checkpoint_folders(self) -> list[Path]:
        return [self._checkpoint_folder(instance) for instance in self._instances]

    def upload(self, name: str, archive: str) -> str | None:
        """What all instances have left in a folder below /opt/ml, as one archive; None where they left nothing."""
        folders = [instance.container.opt_ml / name for instance in self._instances]
        if not any(any(folder.iterdir()) for folder in folders):
            return None
        output = self._request["OutputDataConfig"]
        uri = f"{output['S3OutputPath'].rstrip('/')}/{self._request['TrainingJobName']}/output/{archive}"
        packed = self._instances[0].container.folder / archive
        upload_folders_as_archive(self._s3, folders, packed, uri, output.get("KmsKeyId"))
        return uri

    def remove(self) -> None:
        for instance in self._instances:
            self._compute.remove(instance.container)

    def _fail(self, instance: Instance) -> None:
        self.failed = instance
        self.end(_AFTER_FAILURE)
        instance.container.wait(_AFTER_FAILURE)

    @property
    def _checkpoints(self) -> dict[str, str] | None:
        return self._request.get("CheckpointConfig") or None

    def _checkpoint_folder(self, instance: Instance) -> Path:
        path = (self._checkpoints or {}).get("LocalPath") or "/opt/ml/checkpoints"
        return Path(instance.container.paths.outside(path))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
