"""One execution of a training state machine: start it, look at it, say how it ended."""

import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from hfsm.cloud import Cloud
from hfsm.training_log import TRAINING_JOBS_GROUP, LogTail

# TrainingJobName, made from the execution's name, may have 63 characters of this alphabet.
NAME_LENGTH = 40


def execution_name(name: str) -> str:
    """A name that people can read and that is not used twice: `sentiment-20261120-142530-9f3a02c4`.

    The second and 32 random bits: two people who start at once, or a loop of many starts, do not meet.
    """
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[: NAME_LENGTH - 25] or "training"
    return f"{readable}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"


def start(cloud: Cloud, state_machine_arn: str, name: str, request: dict[str, Any]) -> "Execution":
    """Start the state machine with a training request."""
    answer = cloud.client("stepfunctions").start_execution(
        stateMachineArn=state_machine_arn, name=execution_name(name), input=json.dumps(request)
    )
    return Execution(cloud, answer["executionArn"])


@dataclass(frozen=True)
class Look:
    """What an execution is doing. lines: what its training jobs logged since the last look.

    job: the newest training job, or the tuning job that has started several. job_status: of it, in words.
    waits: in words, for whom, while the environment lets no more runs go on.
    """

    status: str
    state: str | None
    job: str | None
    job_status: str | None
    lines: list[str] = field(default_factory=list)
    waits: str = ""

    @property
    def running(self) -> bool:
        return self.status in ("RUNNING", "PENDING_REDRIVE")


@dataclass(frozen=True)
class Failure:
    """Why an execution did not succeed. state: the one to blame, not the Fail state that reports it.

    job: the training job that had been started, or None. tuning_job: the one that had started several, or None.
    """

    status: str
    state: str
    error: str
    cause: str
    job: str | None
    tuning_job: str | None = None


class Execution:
    """An execution and the training job that it is running."""

    def __init__(self, cloud: Cloud, arn: str) -> None:
        self.cloud = cloud
        self.arn = arn
        self._tails: dict[str, LogTail] = {}

    @property
    def name(self) -> str:
        return self.arn.rsplit(":", 1)[-1]

    def look(self) -> Look:
        """Ask for status, state, training job and its new log lines."""
        status = self._describe()["status"]
        events = self._history()
        job, search = _training_job(events), _tuning_job(events)
        lines: list[str] = []
        # All jobs of this execution: what spot left behind goes on being read when on-demand has taken over. The names
        # of a tuning job's training jobs begin with its own.
        for name, prefix in ((job, f"{job}/"), (search, f"{search}-")):
            if name is not None and name not in self._tails:
                self._tails[name] = LogTail(self.cloud.client("logs"), TRAINING_JOBS_GROUP, prefix)
        for tail in self._tails.values():
            lines += tail.new_lines()
        if search is not None:
            return Look(status, _state(events), search, self._search_status(search), lines, _waits(events))
        return Look(status, _state(events), job, self._job_status(job), lines, _waits(events))

    def output(self) -> dict[str, Any]:
        """The last state's output of an execution that succeeded."""
        output = json.loads(self._describe()["output"])
        return output if isinstance(output, dict) else {"output": output}

    def failure(self) -> Failure:
        """Why it failed, timed out or was stopped."""
        described, events = self._describe(), self._history()
        return Failure(
            status=described["status"],
            state=_failed_state(events),
            error=described.get("error") or described["status"],
            cause=readable_cause(described.get("cause") or ""),
            job=_training_job(events),
            tuning_job=_tuning_job(events),
        )

    def training_job(self, name: str) -> dict[str, Any]:
        """DescribeTrainingJob."""
        job: dict[str, Any] = self.cloud.client("sagemaker").describe_training_job(TrainingJobName=name)
        return job

    def _describe(self) -> dict[str, Any]:
        described: dict[str, Any] = self.cloud.client("stepfunctions").describe_execution(executionArn=self.arn)
        return described

    def _history(self) -> list[dict[str, Any]]:
        pages = self.cloud.client("stepfunctions").get_paginator("get_execution_history")
        return [event for page in pages.paginate(executionArn=self.arn) for event in page["events"]]

    def _search_status(self, tuning_job: str) -> str | None:
        """`2 of 4 training jobs have ended, the best with eval_accuracy = 0.81`."""
        try:
            job = self.cloud.client("sagemaker").describe_hyper_parameter_tuning_job(
                HyperParameterTuningJobName=tuning_job
            )
        except ClientError as error:
            # Step Functions schedules the job before SageMaker has it.
            if error.response.get("Error", {}).get("Code") in ("ValidationException", "ResourceNotFound"):
                return None
            raise
        counts = job["TrainingJobStatusCounters"]
        ended = sum(counts.get(name, 0) for name in ("Completed", "NonRetryableError", "Stopped"))
        limits = job["HyperParameterTuningJobConfig"]["ResourceLimits"]
        # A grid does not say before how many there will be.
        most = limits.get("MaxNumberOfTrainingJobs")
        said = f"{ended}{f' of {most}' if most else ''} training jobs have ended"
        best = (job.get("BestTrainingJob") or {}).get("FinalHyperParameterTuningJobObjectiveMetric")
        return f"{said}, the best with {best['MetricName']} = {best['Value']:.4g}" if best else said

    def _job_status(self, job: str | None) -> str | None:
        if job is None:
            return None
        try:
            described = self.training_job(job)
        except ClientError as error:
            # Step Functions schedules the job before SageMaker has it.
            if error.response.get("Error", {}).get("Code") in ("ValidationException", "ResourceNotFound"):
                return None
            raise
        return str(described.get("SecondaryStatus") or described["TrainingJobStatus"])


def _state(events: list[dict[str, Any]]) -> str | None:
    entered = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
    return entered[-1] if entered else None


def _waits(events: list[dict[str, Any]]) -> str:
    """`2 runs are ahead of this one`, as the state says that waits now. Empty: none does."""
    for event in reversed(events):
        if "stateEnteredEventDetails" in event:
            break
        failed = event.get("lambdaFunctionFailedEventDetails") or event.get("taskFailedEventDetails") or {}
        if failed.get("error") == "TooManyRuns":
            return readable_cause(failed.get("cause") or "").partition(",")[0]
    return ""


def _failed_state(events: list[dict[str, Any]]) -> str:
    """The last state that did something, other than failing the execution: what it did has led to the end.

    States that only choose or reword follow the one that is to blame.
    """
    tasks: list[str] = []
    for event in events:
        if event["type"] == "TaskStateEntered":
            tasks.append(event["stateEnteredEventDetails"]["name"])
        elif tasks and event.get("taskScheduledEventDetails", {}).get("resourceType") == "aws-sdk:sfn":
            tasks.pop()
    return tasks[-1] if tasks else _state(events) or ""


def _training_job(events: list[dict[str, Any]]) -> str | None:
    """The newest training job that the execution itself has started."""
    return _newest(events, "TrainingJob")


def _tuning_job(events: list[dict[str, Any]]) -> str | None:
    """The newest tuning job."""
    return _newest(events, "HyperParameterTuningJob")


def _newest(events: list[dict[str, Any]], kind: str) -> str | None:
    """Named by the task's parameters, before SageMaker has answered."""
    name: str | None = None
    for event in events:
        details = event.get("taskScheduledEventDetails")
        if details and str(details.get("resource", "")).startswith(f"create{kind}"):
            name = str(json.loads(details["parameters"]).get(f"{kind}Name", "")) or name
    return name


def readable_cause(cause: str) -> str:
    """The sentence for people in a cause: SageMaker and Lambda put it into a JSON document of much else."""
    try:
        document = json.loads(cause)
    except ValueError:
        return cause
    if isinstance(document, dict):
        for field_name in ("errorMessage", "FailureReason", "Cause"):
            if isinstance(document.get(field_name), str):
                return str(document[field_name])
    return cause
