"""What AWS knows about a run: the execution, its training jobs, and what the jobs said about their steps."""

import json
import time
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

TRAINING_JOBS_GROUP = "/aws/sagemaker/TrainingJobs"
_UNFINISHED = ("InProgress", "Stopping")
_WAIT_SECONDS = 210
"""A job that is stopped with its execution has 120 s to save, and then uploads."""
_LOOK_EVERY_SECONDS = 5
_MOST_PAGES = 50
_STEP_LINES = '?"hfsm.start" ?"hfsm.step" ?"hfsm.interrupted"'


def execution(step_functions: Any, arn: str) -> tuple[dict[str, Any], dict[str, int], dict[str, int]]:
    """DescribeExecution's answer, and the names of its training jobs and of its tuning jobs.

    With each name: which redrive, 0 for none, has started it.
    """
    described: dict[str, Any] = step_functions.describe_execution(executionArn=arn)
    pages = step_functions.get_paginator("get_execution_history").paginate(executionArn=arn)
    events = [event for page in pages for event in page["events"]]
    return described, started(events, "TrainingJob"), started(events, "HyperParameterTuningJob")


def started(events: Iterable[dict[str, Any]], kind: str) -> dict[str, int]:
    """Of an execution's history: name of each job of a kind → which redrive has started it.

    kind: `TrainingJob` or `HyperParameterTuningJob`. A job is named by what its task was scheduled with, whatever the
    state is called.
    """
    found: dict[str, int] = {}
    redrives = 0
    for event in events:
        redrives += event["type"] == "ExecutionRedriven"
        details = event.get("taskScheduledEventDetails") or {}
        if str(details.get("resource", "")).startswith(f"create{kind}"):
            name = json.loads(details["parameters"]).get(f"{kind}Name")
            if name:
                found.setdefault(str(name), redrives)
    return found


def ended_jobs(sagemaker: Any, names: list[str]) -> list[dict[str, Any]]:
    """DescribeTrainingJob of each that was created. Waits for those that are being stopped, but not for ever."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        jobs = [job for name in names if (job := _job(sagemaker, name))]
        running = any(job["TrainingJobStatus"] in _UNFINISHED for job in jobs)
        if not running or time.monotonic() > deadline:
            return jobs
        time.sleep(_LOOK_EVERY_SECONDS)


def _job(sagemaker: Any, name: str) -> dict[str, Any] | None:
    """None: SageMaker refused to create it, or Step Functions did not get that far."""
    try:
        described: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFound", "ValidationException"):
            return None
        raise
    return described


def progress(logs: Any, jobs: list[dict[str, Any]]) -> list[str]:
    """What the jobs said about their steps, in the order of time. Nothing is read unless steps can have been lost."""
    if len(jobs) < 2 and not any(_was_interrupted(job) for job in jobs):
        return []
    said = [event for job in jobs for event in _said(logs, f"{job['TrainingJobName']}/")]
    return [line for _, line in sorted(said, key=lambda each: each[0])]


def _said(logs: Any, prefix: str) -> list[tuple[int, str]]:
    """Time in milliseconds and line, of the streams of one job; of as many as one question takes."""
    try:
        found = logs.describe_log_streams(logGroupName=TRAINING_JOBS_GROUP, logStreamNamePrefix=prefix)["logStreams"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":  # no job has logged yet
            return []
        raise
    if not found:
        return []
    names = [stream["logStreamName"] for stream in found]
    request = {"logGroupName": TRAINING_JOBS_GROUP, "logStreamNames": names, "filterPattern": _STEP_LINES}
    said: list[tuple[int, str]] = []
    for _ in range(_MOST_PAGES):
        page = logs.filter_log_events(**request)
        said += [(event["timestamp"], event["message"]) for event in page["events"]]
        if not page.get("nextToken"):
            break
        request["nextToken"] = page["nextToken"]
    return said


def _was_interrupted(job: dict[str, Any]) -> bool:
    return any(each["Status"] == "Interrupted" for each in job.get("SecondaryStatusTransitions", []))
