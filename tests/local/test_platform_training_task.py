"""`createTrainingJob.sync` in the interpreter, against a SageMaker whose jobs end as the test wants."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from localcloud.settings import LocalCloud
from localcloud.stepfunctions import install, sagemaker_task

CREATED = datetime(2026, 1, 2, tzinfo=UTC)
DEFINITION = {
    "StartAt": "Train",
    "States": {
        "Train": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
            "Parameters": {"TrainingJobName.$": "$.job"},
            "End": True,
        }
    },
}


class SageMaker:
    """Answers describe with the statuses in turn, and the last for ever."""

    def __init__(self, *statuses: str, refuses: str | None = None) -> None:
        self.statuses = list(statuses)
        self.refuses = refuses
        self.stopped: list[str] = []

    def create_training_job(self, **request: Any) -> dict[str, Any]:
        if self.refuses:
            answer = {
                "Error": {"Code": self.refuses, "Message": "refused"},
                "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "r-1"},
            }
            raise ClientError(answer, "CreateTrainingJob")
        return {"TrainingJobArn": f"arn:job/{request['TrainingJobName']}", "ResponseMetadata": {}}

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:  # noqa: N803 the API's name
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {
            "TrainingJobName": TrainingJobName,
            "TrainingJobStatus": status,
            "SecondaryStatus": status,
            "CreationTime": CREATED,
            "SecondaryStatusTransitions": [{"Status": "Starting", "StartTime": CREATED}],
            "ResponseMetadata": {},
        }

    def stop_training_job(self, TrainingJobName: str) -> None:  # noqa: N803
        self.stopped.append(TrainingJobName)


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[SageMaker], Any]:
    """Starts an execution against the SageMaker and answers it."""
    folders = {name: tmp_path / name for name in ("state_dir", "image_store", "requirements_dir")}
    install(LocalCloud(port=1, **folders))
    backend = StepFunctionsParserBackend("us-east-1", "123456789012")
    machine = backend.create_state_machine("train", json.dumps(DEFINITION), "arn:aws:iam::123456789012:role/states")

    def start(sagemaker: SageMaker) -> Any:
        monkeypatch.setattr(sagemaker_task, "boto_client_for", lambda **_: sagemaker)
        return backend.start_execution(machine.arn, "run", json.dumps({"job": "job-1"}))

    return start


def ended(execution: Any) -> Any:
    deadline = time.monotonic() + 20
    while execution.exec_status == "RUNNING":
        assert time.monotonic() < deadline, "the execution still runs"
        time.sleep(0.05)
    return execution


def test_waits_for_the_job_and_answers_its_description(execute: Callable[[SageMaker], Any]) -> None:
    execution = ended(execute(SageMaker("InProgress", "Completed")))

    # Times are milliseconds, at every depth
    milliseconds = int(CREATED.timestamp() * 1000)
    assert execution.exec_status == "SUCCEEDED"
    assert execution.output["TrainingJobStatus"] == "Completed"
    assert execution.output["CreationTime"] == milliseconds
    assert execution.output["SecondaryStatusTransitions"][0]["StartTime"] == milliseconds
    assert "ResponseMetadata" not in execution.output


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_job_that_did_not_complete_fails_the_task(execute: Callable[[SageMaker], Any], status: str) -> None:
    execution = ended(execute(SageMaker("InProgress", status)))

    assert (execution.exec_status, execution.error) == ("FAILED", "States.TaskFailed")
    assert json.loads(execution.cause)["TrainingJobStatus"] == status


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ResourceLimitExceeded", "SageMaker.ResourceLimitExceededException"),
        ("ResourceInUse", "SageMaker.ResourceInUseException"),
        ("ValidationException", "SageMaker.AmazonSageMakerException"),
        ("ThrottlingException", "SageMaker.AmazonSageMakerException"),
    ],
)
def test_a_refused_request_is_an_error_of_sagemaker(execute: Callable[[SageMaker], Any], code: str, error: str) -> None:
    execution = ended(execute(SageMaker("InProgress", refuses=code)))

    assert (execution.exec_status, execution.error) == ("FAILED", error)
    assert f"Error Code: {code}" in execution.cause


def test_stopping_the_execution_stops_the_job(execute: Callable[[SageMaker], Any]) -> None:
    # Given an execution that waits for its job
    sagemaker = SageMaker("InProgress")
    execution = execute(sagemaker)
    time.sleep(1)

    # When it is stopped, then so is the job
    execution.stop(datetime.now(UTC), error=None, cause=None)
    assert ended(execution).exec_status == "ABORTED"
    assert sagemaker.stopped == ["job-1"]
