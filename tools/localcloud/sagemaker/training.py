"""Training jobs that run: the image's own toolkit, in an /opt/ml of its own, with the life cycle SageMaker gives it."""

import logging
import math
import threading
import time
from datetime import datetime
from typing import Any

from moto.core.utils import utcnow

from localcloud import faults
from localcloud.images.store import UnknownImageError
from localcloud.log_stream import LogStream
from localcloud.sagemaker import training_input, training_request
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.metrics import LogMetrics, put_training_metric
from localcloud.sagemaker.running_job import JobFailedError, JobStoppedError
from localcloud.sagemaker.s3 import NoSuchDataError
from localcloud.sagemaker.taken_instances import TakenInstances
from localcloud.sagemaker.training_cluster import TrainingCluster
from localcloud.sagemaker.training_input import LONGEST_REASON

GRACE = 120.0  # seconds between SIGTERM and SIGKILL, unless a fault was ordered that says otherwise
_logger = logging.getLogger(__name__)


class _InstanceLostError(Exception):
    """The spot instance was taken away."""


class TrainingJob:
    """One training job, from CreateTrainingJob to its end, in a thread of its own.

    A JobStoppedError has the SecondaryStatus as its message. tuning_job_arn: of the tuning job that started it.

    Attributes in lower case are those that moto's ListTrainingJobs and tagging read.
    """

    def __init__(self, compute: Compute, request: dict[str, Any], account: str, region: str, arn: str) -> None:
        self.compute = compute
        self.request = request
        self.account = account
        self.region = region
        self.arn = arn
        self.tuning_job_arn: str | None = None
        self.training_job_name: str = request["TrainingJobName"]
        self.tags: list[dict[str, str]] = request.get("Tags") or []
        self.creation_time = self.last_modified_time = utcnow()
        self.training_start_time: datetime | None = None
        self.training_end_time: datetime | None = None
        self.training_job_status = "InProgress"
        self.secondary_status = "Starting"
        self.transitions: list[dict[str, Any]] = []
        self.failure_reason: str | None = None
        self.model_data: str | None = None
        self.interruptions = 0
        self.metrics = LogMetrics(request["AlgorithmSpecification"].get("MetricDefinitions") or [])
        self._trained = 0.0  # seconds of instance time, of attempts that are over
        self._attempt_began: float | None = None
        self._created = time.monotonic()
        self._stop_requested = threading.Event()
        self._taken = TakenInstances(self.training_job_name, on_spot=self.on_spot)
        self._lock = threading.RLock()
        self._transition("Starting", "Preparing the instances for training")

    @property
    def on_spot(self) -> bool:
        return bool(self.request.get("EnableManagedSpotTraining"))

    @property
    def training_seconds(self) -> float:
        """Time on an instance so far, over all attempts."""
        running = time.monotonic() - self._attempt_began if self._attempt_began is not None else 0.0
        return self._trained + running

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"training-{self.training_job_name}", daemon=True).start()

    def stop(self) -> None:
        """StopTrainingJob. No effect on a job that has ended."""
        with self._lock:
            if self.training_job_status == "InProgress":
                self.training_job_status = "Stopping"
                self._transition("Stopping", "Stopping the training job")
                self._stop_requested.set()

    def interrupt(self) -> None:
        """Takes the spot instance away. ValueError: there is none to take, and why."""
        name = self.training_job_name
        with self._lock:
            if not self.on_spot:
                raise ValueError(f"training job {name} does not run on spot instances")
            if self.training_job_status != "InProgress" or self.secondary_status not in ("Downloading", "Training"):
                raise ValueError(f"training job {name} is {self.secondary_status}: no instance can be taken from it")
            if self._taken.wanted:
                raise ValueError(f"training job {name} is being interrupted already")
            self._taken.want(faults.Interruption(interrupt=name, notice_seconds=GRACE))

    def _run(self) -> None:
        status, secondary, message = "Completed", "Completed", "Training job completed"
        try:
            while not self._attempt():
                with self._lock:
                    self.interruptions += 1
                    self._taken = TakenInstances(self.training_job_name, on_spot=self.on_spot)
                    self._transition("Interrupted", "The managed spot training instances were interrupted")
                    self._transition("Starting", "Preparing the instances for training")
        except JobStoppedError as stopped:
            status, secondary, message = "Stopped", str(stopped), "Training job stopped"
        except (JobFailedError, UnknownImageError, NoSuchDataError) as failure:
            reason = str(failure) if isinstance(failure, JobFailedError) else f"ClientError: {failure}"
            status, secondary, message = "Failed", "Failed", "Training job failed"
            self.failure_reason = reason[:LONGEST_REASON]
        except Exception as error:
            if not self.compute.stopping.is_set():
                _logger.exception("training job %s", self.training_job_name)
            status, secondary, message = "Failed", "Failed", "Training job failed"
            self.failure_reason = f"InternalServerError: {type(error).__name__}: {error}"[:LONGEST_REASON]
        with self._lock:
            self.training_end_time = utcnow()
            self._transition(secondary, message)
            self.transitions[-1]["EndTime"] = self.training_end_time
            self.training_job_status = status

    def _attempt(self) -> bool:
        """One life of the instances. False: they were taken away before the script had ended."""
        self._check_limits()
        self._wait_for_instances()
        cluster = TrainingCluster(self.compute, self.request, self.account, self.region)
        self._attempt_began = time.monotonic()
        self.training_start_time = self.training_start_time or utcnow()
        try:
            self._transition("Downloading", "Downloading the training image and input data")
            cluster.download()
            self._train(cluster)
            return True
        except _InstanceLostError:
            return False
        finally:
            cluster.remove()
            self._trained, self._attempt_began = self.training_seconds, None

    def _wait_for_instances(self) -> None:
        """They are there at once, unless a fault was ordered."""
        name = self.training_job_name
        if fault := faults.take(
            faults.JobFault, lambda each: faults.named(each.training_job, name) and bool(each.fails)
        ):
            raise JobFailedError(fault.fails)
        none_there = faults.take(
            faults.JobFault,
            lambda each: faults.named(each.training_job, name) and each.no_spot_capacity and self.on_spot,
        )
        while none_there and not self.compute.stopping.wait(0.2):
            self._check_limits()

    def _train(self, cluster: TrainingCluster) -> None:
        self._check_limits()
        self._transition("Training", "Training image download completed. Training in progress.")
        try:
            cluster.start(
                {"TRAINING_JOB_NAME": self.training_job_name, "TRAINING_JOB_ARN": self.arn},
                self._line,
            )
            ended_by = self._watch(cluster)
        finally:
            cluster.finish(self._taken.end())
        if self.compute.stopping.is_set():
            raise JobStoppedError("Stopped")
        if isinstance(ended_by, _InstanceLostError):
            raise ended_by
        if ended_by is None and cluster.failed:
            cluster.upload("output/data", "output.tar.gz")
            raise JobFailedError(training_input.algorithm_error(cluster.failed.container))
        self._transition("Uploading", "Uploading generated training model")
        self.model_data = cluster.upload("model", "model.tar.gz")
        cluster.upload("output/data", "output.tar.gz")
        if ended_by:
            raise ended_by

    def _watch(self, cluster: TrainingCluster) -> JobStoppedError | _InstanceLostError | None:
        """Waits for the instances' end, whatever brings it about. None: they ended by themselves."""
        while not cluster.wait(self._taken.look_every):
            cause: JobStoppedError | _InstanceLostError | None = None
            try:
                self._check_limits()
            except JobStoppedError as stopped:
                cause = stopped
            notice = GRACE
            if cause is None and self._taken.look(cluster):
                cause, notice = _InstanceLostError(), self._taken.notice_seconds
            if cause or self.compute.stopping.is_set():
                if self._taken.cuts_uploads:
                    cluster.hold_uploads()
                if notice:
                    cluster.end(0 if self.compute.stopping.is_set() else notice)
                return cause
        return None

    def _check_limits(self) -> None:
        """JobStoppedError: the job was told to stop, or has used up its time."""
        if self._stop_requested.is_set():
            raise JobStoppedError("Stopped")
        if self.training_seconds > training_request.max_runtime(self.request):
            raise JobStoppedError("MaxRuntimeExceeded")
        wait = (self.request.get("StoppingCondition") or {}).get("MaxWaitTimeInSeconds")
        if wait and time.monotonic() - self._created > wait:
            raise JobStoppedError("MaxWaitTimeExceeded")

    def _line(self, log: LogStream, line: str) -> None:
        log.write(line)
        self._taken.hear(line)
        for name, value in self.metrics.find(line).items():
            # CloudWatch takes no NaN
            if math.isfinite(value):
                put_training_metric(self.account, self.region, self.training_job_name, name, value)

    def _transition(self, status: str, message: str) -> None:
        with self._lock:
            now = utcnow()
            if self.transitions:
                self.transitions[-1].setdefault("EndTime", now)
            self.transitions.append({"Status": status, "StartTime": now, "StatusMessage": message})
            if self.training_job_status == "InProgress" or status not in ("Downloading", "Training"):
                self.secondary_status = status
            self.last_modified_time = now

    def billable_seconds(self) -> int:
        """What AWS would bill: all of the time, or on spot the assumed share of it."""
        ratio = self.compute.cloud.spot_price_ratio if self.on_spot else 1.0
        return math.ceil(round(self.training_seconds) * ratio)

    def describe(self) -> dict[str, Any]:
        """DescribeTrainingJob's answer."""
        with self._lock:
            ended = self.training_end_time is not None
            answer: dict[str, Any] = {
                **{name: value for name, value in self.request.items() if name != "Tags" and value is not None},
                "TrainingJobArn": self.arn,
                "TuningJobArn": self.tuning_job_arn,
                "TrainingJobStatus": self.training_job_status,
                "SecondaryStatus": self.secondary_status,
                "SecondaryStatusTransitions": [dict(transition) for transition in self.transitions],
                "CreationTime": self.creation_time,
                "LastModifiedTime": self.last_modified_time,
                "TrainingStartTime": self.training_start_time,
                "TrainingEndTime": self.training_end_time,
                "FailureReason": self.failure_reason,
                "FinalMetricDataList": self.metrics.final or None,
                "ModelArtifacts": {"S3ModelArtifacts": self.model_data} if self.model_data else None,
                "TrainingTimeInSeconds": round(self.training_seconds) if ended else None,
                "BillableTimeInSeconds": self.billable_seconds() if ended else None,
            }
        return {name: value for name, value in answer.items() if value is not None}
