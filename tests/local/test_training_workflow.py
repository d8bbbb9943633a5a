"""The training workflow, run: its transitions, and what a redrive does not repeat. Its faults: test_training_faults."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evaluate_model.registration import describe_version, request_hash
from tests.local.bare_image import bare_image
from tests.local.compute_projects import Projects
from tests.local.embedded_aws import Stacks
from tests.local.training_workflow import Workflow
from tests.local.workflow_machine import GROUP, PARAMETER, PROGRAM, WorkflowMachine, functions
from validate_training_request.data_versions import version


@pytest.fixture(scope="module")
def workflow(localcloud: Any) -> Iterator[Workflow]:
    projects = Projects(localcloud)
    image = bare_image(localcloud, PROGRAM, "tests/workflow")
    projects.s3.put_object(Bucket=projects.bucket, Key="functions.zip", Body=functions())
    localcloud.client("ssm").put_parameter(Name=PARAMETER, Value=image, Type="String", Overwrite=True)
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


def test_what_succeeded_cannot_be_redriven(workflow: Workflow) -> None:
    with pytest.raises(ClientError, match="ExecutionNotRedrivable"):
        workflow.states.redrive_execution(executionArn=workflow.execution("smooth"))
