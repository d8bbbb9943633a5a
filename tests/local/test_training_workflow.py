"""The training workflow, run: its transitions, and what a redrive, a lost answer and a stop do to its jobs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evaluate_model.registration import describe_version, request_hash
from tests.local.bare_image import bare_image
from tests.local.compute_projects import ROLE, Projects, log_lines, until
from tests.local.embedded_aws import Stacks
from tests.local.workflow_machine import DEFAULTS, GROUP, PARAMETER, PROGRAM, WorkflowMachine, functions
from validate_training_request.data_versions import version
from validate_training_request.logic import Defaults, training_job


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

    def request(self, name: str) -> dict[str, Any]:
        channels = {"train": f"s3://{self.bucket}/{name}/"}
        return {"schema_version": "1", "name": name, "channels": channels}

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

    def start(self, name: str, mode: str) -> str:
        self.does(name, mode)
        self.states.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(self.request(name)))
        return self.execution(name)

    def run(self, name: str, mode: str) -> dict[str, Any]:
        return self.ended(self.start(name, mode))

    def ended(self, arn: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            described: dict[str, Any] = self.states.describe_execution(executionArn=arn)
            return described

        return until(look, lambda execution: execution["status"] != "RUNNING", seconds=90)

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


@pytest.fixture(scope="module")
def workflow(localcloud: Any) -> Iterator[Workflow]:
    projects = Projects(localcloud)
    image = bare_image(localcloud, PROGRAM, "tests/workflow")
    projects.s3.put_object(Bucket=projects.bucket, Key="functions.zip", Body=functions())
    localcloud.client("ssm").put_parameter(Name=PARAMETER, Value=image, Type="String")
    localcloud.client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
    stacks = Stacks(localcloud)
    template = WorkflowMachine(repository=image.partition("@")[0], bucket=projects.bucket).template
    stack = stacks.create("workflow-machine", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons("workflow-machine", "CREATE_FAILED")
    yield Workflow(localcloud, stacks.outputs("workflow-machine")["Arn"], projects.bucket, image)
    stacks.delete_all()


def test_a_run_without_trouble_takes_twelve_transitions_at_most(workflow: Workflow) -> None:
    execution = workflow.run("smooth", "work")

    assert execution["status"] == "SUCCEEDED", execution
    entered = workflow.entered(execution["executionArn"])
    assert len(entered) <= 12, entered
    # And its job is named after the execution, which cannot be started twice
    assert list(workflow.jobs("smooth")) == [f"{workflow.job('smooth')['spot_job_name']}-0"]
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        workflow.start("smooth", "work")


def test_the_registry_knows_what_the_model_was_made_of(workflow: Workflow) -> None:
    # Given the run of before
    described = workflow.states.describe_execution(executionArn=workflow.execution("smooth"))
    output = json.loads(described["output"])
    # When its model is looked up
    package = workflow.sagemaker.describe_model_package(ModelPackageName=output["model_package_arn"])
    metadata, card = package["CustomerMetadataProperties"], json.loads(package["ModelCard"]["ModelCardContent"])
    # Then the data is there as it was, and the image by its digest
    now = version(workflow.s3, f"s3://{workflow.bucket}/smooth/")
    assert metadata["data.train"] == describe_version(now)
    assert metadata["training-image-uri"] == workflow.image
    assert metadata["request-sha256"] == request_hash(workflow.request("smooth"))
    assert metadata["execution"] == workflow.execution("smooth")
    # And so is what people are to know of it
    assert card["intended_uses"]["purpose_of_model"] == "Tests of the workflow."
    assert card["training_details"]["training_job_details"]["training_arn"].endswith(metadata["training-job"])
    # And data that is changed afterwards shows
    workflow.does("smooth", "other")
    assert metadata["data.train"] != describe_version(version(workflow.s3, f"s3://{workflow.bucket}/smooth/"))
    workflow.does("smooth", "work")
    # And below approve_at a person decides
    assert package["ModelApprovalStatus"] == output["model_approval_status"] == "PendingManualApproval"


def test_a_redrive_goes_on_with_the_training_from_its_checkpoint(workflow: Workflow) -> None:
    # Given a run whose script fails after it has saved a checkpoint
    execution = workflow.run("mended", "fail")
    assert (execution["status"], execution["error"]) == ("FAILED", "TrainingJobFailed")
    # Then the script's own words are in its cause
    assert "ValueError: the column is missing" in execution["cause"]
    # When it fails again after a redrive, then its words are new
    workflow.does("mended", "memory")
    again = workflow.redriven(execution["executionArn"])
    assert (again["status"], again["error"]) == ("FAILED", "TrainingOutOfMemory")
    assert "gradient_checkpointing" in again["cause"]
    # When the cause is gone, and it is redriven
    workflow.does("mended", "work")
    before = len(workflow.entered(execution["executionArn"]))
    ended = workflow.redriven(execution["executionArn"])
    # Then it succeeds, behind the validation, with a job of another name and the same checkpoints
    assert (ended["status"], ended["redriveCount"]) == ("SUCCEEDED", 2), ended
    name = workflow.job("mended")["spot_job_name"]
    assert workflow.jobs("mended") == {f"{name}-0": "Failed", f"{name}-1": "Failed", f"{name}-2": "Completed"}
    assert [workflow.resumed(f"{name}-{i}") for i in range(3)] == [False, True, True]
    after = workflow.entered(execution["executionArn"])[before:]
    assert after[:2] == ["Failed", "WhereToGoOn"]
    assert "Validate" not in after


def test_a_redrive_does_not_train_again_what_was_trained(workflow: Workflow) -> None:
    # Given a registry that is gone when a model is to be registered
    registered = workflow.sagemaker.list_model_packages(ModelPackageGroupName=GROUP)["ModelPackageSummaryList"]
    for package in registered:
        workflow.sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
    workflow.sagemaker.delete_model_package_group(ModelPackageGroupName=GROUP)
    execution = workflow.run("registered", "work")
    assert execution["status"] == "FAILED"
    # When it is there again, and the run is redriven
    workflow.sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)
    ended = workflow.redriven(execution["executionArn"])
    # Then the model of the one job is registered
    assert ended["status"] == "SUCCEEDED", ended
    assert list(workflow.jobs("registered").values()) == ["Completed"]
    assert json.loads(ended["output"])["model_package_arn"]


def test_a_refused_request_cannot_pass_for_a_validated_one(workflow: Workflow) -> None:
    # Given a request that holds what the states write
    request = workflow.request("forged") | {"job": workflow.job("forged")}
    arn = workflow.states.start_execution(stateMachineArn=workflow.arn, name="forged", input=json.dumps(request))[
        "executionArn"
    ]
    refused = workflow.ended(arn)
    assert refused["error"] == "InvalidTrainingRequest", refused["cause"]
    # When it is redriven
    ended = workflow.redriven(arn)
    # Then it is refused again
    assert ended["error"] == "InvalidTrainingRequest"
    assert workflow.entered(arn).count("Validate") == 2
    assert not workflow.jobs("forged")


def test_a_job_whose_creation_was_not_answered_is_waited_for(workflow: Workflow) -> None:
    # Given a job that CreateTrainingJob has made for the execution, whose answer got lost
    workflow.does("lost", "work")
    job = workflow.job("lost")
    name = f"{job['spot_job_name']}-0"
    workflow.sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": workflow.image,
            "TrainingInputMode": "File",
            "MetricDefinitions": job["metric_definitions"],
        },
        RoleArn=ROLE,
        InputDataConfig=job["input_data"],
        OutputDataConfig={"S3OutputPath": f"s3://{workflow.bucket}/models"},
        ResourceConfig=job["resources"],
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
        EnableManagedSpotTraining=True,
        CheckpointConfig={"S3Uri": job["checkpoint_s3_uri"], "LocalPath": "/opt/ml/checkpoints"},
    )
    until(lambda: workflow.jobs("lost"), lambda jobs: jobs == {name: "Completed"}, seconds=60)
    # When the state asks for it again
    execution = workflow.run("lost", "work")
    # Then the run goes on with that job, and starts no second
    assert execution["status"] == "SUCCEEDED", execution
    assert "DescribeSpotJob" in workflow.entered(execution["executionArn"])
    assert workflow.jobs("lost") == {name: "Completed"}


def test_stopping_an_execution_stops_its_job_and_a_redrive_trains_on(workflow: Workflow) -> None:
    # Given an execution in the middle of its training
    execution = workflow.start("stopped", "sleep")
    name = workflow.job("stopped")["spot_job_name"]
    until(lambda: workflow.log(f"{name}-0"), len)
    # When it is stopped
    workflow.states.stop_execution(executionArn=execution)
    # Then its job is
    until(lambda: workflow.jobs("stopped"), lambda jobs: jobs == {f"{name}-0": "Stopped"}, seconds=30)
    assert workflow.ended(execution)["status"] == "ABORTED"
    # And a redrive goes on in that state
    workflow.does("stopped", "work")
    ended = workflow.redriven(execution)
    assert ended["status"] == "SUCCEEDED", ended
    assert workflow.jobs("stopped")[f"{name}-1"] == "Completed"
    assert workflow.resumed(f"{name}-1")


def test_what_succeeded_cannot_be_redriven(workflow: Workflow) -> None:
    with pytest.raises(ClientError, match="ExecutionNotRedrivable"):
        workflow.states.redrive_execution(executionArn=workflow.execution("smooth"))
