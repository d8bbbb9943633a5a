"""`hfsm report`: what a training run cost, saved and lost, as the environment wrote it down when the run ended."""

import json
import time
from typing import Any

from botocore.exceptions import ClientError

from hfsm.cloud import Parameters
from hfsm.errors import OperatorError

_LOOKS = 10
"""How often `wait` looks. A report is there some seconds after the run; the events that ask for it are best effort."""


def find(execution: str, parameters: Parameters) -> list[dict[str, Any]]:
    """The reports of an execution, given by name or ARN: the first, then one for each redrive.

    OperatorError: there is none.
    """
    name = execution.rsplit(":", 1)[-1]
    for job_type in parameters.children("training"):
        if found := _of(job_type, name, parameters):
            return found
    raise OperatorError(
        f"There is no report of a run {name} in {parameters.environment}. A report is written when a run has ended; "
        "the name is the execution's, as `hfsm train` prints it."
    )


def wait(job_type: str, name: str, parameters: Parameters) -> dict[str, Any] | None:
    """The report of a run that has just ended. None: it does not come, or whoever asks may not read it."""
    for _ in range(_LOOKS):
        try:
            found = _of(job_type, name, parameters)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "AccessDenied":
                return None
            raise
        if found:
            return found[-1]
        time.sleep(parameters.cloud.poll_seconds)
    return None


def _of(job_type: str, name: str, parameters: Parameters) -> list[dict[str, Any]]:
    s3, bucket = parameters.cloud.client("s3"), parameters.get("data/models-bucket")
    found: list[dict[str, Any]] = []
    while True:
        again = f"-redrive-{len(found)}" if found else ""
        try:
            answer = s3.get_object(Bucket=bucket, Key=f"reports/{job_type}/{name}{again}.json")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "NoSuchKey":
                return found
            raise
        found.append(json.load(answer["Body"]))
