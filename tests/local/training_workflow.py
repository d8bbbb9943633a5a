"""The deployed states of a training run, and what tests do with them."""

import json
from dataclasses import dataclass
from typing import Any

from tests.local.compute_projects import log_lines, until
from tests.local.workflow_machine import DEFAULTS
from validate_training_request.defaults import Defaults
from validate_training_request.logic import training_job


@dataclass
class Workflow:
    """The deployed state machine."""

    running: Any
    arn: str
    bucket: str
    image: str

    def __post_init__(self) -> None:
        self.sagemaker = self.running.client("sagemaker")
        self.states = self.running.client("stepfunctions")
        self.s3 = self.running.client("s3")

    def request(self, name: str, **changes: Any) -> dict[str, Any]:
        channels = {"train": f"s3://{self.bucket}/{name}/"}
        return {"schema_version": "1", "name": name, "channels": channels, **changes}

    def execution(self, name: str) -> str:
        """The ARN that an execution of that name has."""
        return f"{self.arn.replace(':stateMachine:', ':execution:')}:{name}"

    def job(self, name: str) -> dict[str, Any]:
        """What the request of that execution becomes."""
        buckets = {"checkpoints_bucket": self.bucket, "data_buckets": [self.bucket], "models_bucket": self.bucket}
        return training_job(self.request(name), Defaults(**DEFAULTS, **buckets), self.execution(name))

    def does(self, name: str, mode: str) -> None:
        """What the jobs of that execution do from now on."""
        self.s3.put_object(Bucket=self.bucket, Key=f"{name}/mode.txt", Body=mode.encode())

    def start(self, name: str, mode: str, **changes: Any) -> str:
        """ARN of the execution. changes: of the request."""
        self.does(name, mode)
        request = json.dumps(self.request(name, **changes))
        self.states.start_execution(stateMachineArn=self.arn, name=name, input=request)
        return self.execution(name)

    def run(self, name: str, mode: str) -> dict[str, Any]:
        return self.ended(self.start(name, mode))

    def ended(self, arn: str, seconds: float = 90) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            described: dict[str, Any] = self.states.describe_execution(executionArn=arn)
            return described

        return until(look, lambda execution: execution["status"] != "RUNNING", seconds=seconds)

    def redriven(self, arn: str) -> dict[str, Any]:
        self.states.redrive_execution(executionArn=arn)
        return self.ended(arn)

    def entered(self, arn: str) -> list[str]:
        """The states, in their order."""
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=arn)
        events = [event for page in pages for event in page["events"]]
        return [e["stateEnteredEventDetails"]["name"] for e in events if "stateEnteredEventDetails" in e]

    def jobs(self, name: str) -> dict[str, str]:
        """Name → status of the execution's jobs."""
        found = self.sagemaker.list_training_jobs(NameContains=f"dev-{name}-")["TrainingJobSummaries"]
        return {job["TrainingJobName"]: job["TrainingJobStatus"] for job in found}

    def log(self, job: str) -> list[str]:
        return log_lines(self.running.client("logs"), "/aws/sagemaker/TrainingJobs", f"{job}/")

    def resumed(self, job: str) -> bool:
        return "resumed=True" in self.log(job)
