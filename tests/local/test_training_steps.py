"""The optional steps of the training workflow, run: preparation, search, evaluation, and what a redrive does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.bare_image import bare_image
from tests.local.compute_projects import Projects, log_lines
from tests.local.embedded_aws import Stacks
from tests.local.step_program import FILES, PROGRAM
from tests.local.test_training_workflow import Workflow
from tests.local.workflow_machine import WorkflowMachine, functions

PARAMETER, GROUP = "/tests/steps/digest", "tests-steps"

SEARCH = {
    "objective_metric_name": "accuracy",
    "strategy": "Random",
    "hyperparameter_ranges": {"rate": {"type": "Continuous", "min_value": 0.2, "max_value": 0.9}},
    "max_jobs": 3,
    "max_parallel_jobs": 2,
    "random_seed": 7,
}


class Steps(Workflow):
    """Starts runs with more in their requests."""

    def ask(self, name: str, mode: str, **fields: Any) -> dict[str, Any]:
        """Runs a request with these fields to its end."""
        self.does(name, mode)
        request = self.request(name) | fields
        self.states.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(request))
        return self.ended(self.execution(name))

    def searches(self, name: str) -> list[dict[str, Any]]:
        """The tuning jobs of the run, described, the oldest first."""
        found = self.sagemaker.list_hyper_parameter_tuning_jobs(NameContains=f"dev-{name}")
        names = [job["HyperParameterTuningJobName"] for job in found["HyperParameterTuningJobSummaries"]]
        describe = self.sagemaker.describe_hyper_parameter_tuning_job
        return [describe(HyperParameterTuningJobName=each) for each in sorted(names)]

    def put_test(self, name: str, **content: Any) -> None:
        """Data on which the model of that run is evaluated."""
        body = json.dumps(content).encode()
        self.s3.put_object(Bucket=self.bucket, Key=f"{name}-test/test.json", Body=body)

    def processing(self, name: str) -> dict[str, str]:
        """Name → status of the processing jobs of the run."""
        found = self.sagemaker.list_processing_jobs(NameContains=f"dev-{name}-")["ProcessingJobSummaries"]
        return {job["ProcessingJobName"].split("-", 3)[3]: job["ProcessingJobStatus"] for job in found}

    def package(self, execution: dict[str, Any]) -> dict[str, Any]:
        """The model that the run has registered."""
        arn = json.loads(execution["output"])["model_package_arn"]
        described: dict[str, Any] = self.sagemaker.describe_model_package(ModelPackageName=arn)
        return described


@pytest.fixture(scope="module")
def steps(localcloud: Any) -> Iterator[Steps]:
    projects = Projects(localcloud)
    image = bare_image(localcloud, PROGRAM, "tests/steps", FILES)
    projects.s3.put_object(Bucket=projects.bucket, Key="functions.zip", Body=functions())
    localcloud.client("ssm").put_parameter(Name=PARAMETER, Value=image, Type="String")
    localcloud.client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
    stacks = Stacks(localcloud)
    template = WorkflowMachine(
        repository=image.partition("@")[0], bucket=projects.bucket, parameter=PARAMETER, group=GROUP
    ).template
    stack = stacks.create("workflow-steps", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons("workflow-steps", "CREATE_FAILED")
    yield Steps(localcloud, stacks.outputs("workflow-steps")["Arn"], projects.bucket, image)
    stacks.delete_all()


def test_the_best_of_a_search_is_registered(steps: Steps) -> None:
    # When a request asks for a search of three, on spot
    execution = steps.ask("search", "work", tuning=SEARCH)
    assert execution["status"] == "SUCCEEDED", execution
    # Then a tuning job has run as many children on spot, with checkpoints
    (job,) = steps.searches("search")
    assert len(job["HyperParameterTuningJobName"]) <= 32
    assert job["TrainingJobStatusCounters"]["Completed"] == 3
    assert job["TrainingJobDefinition"]["EnableManagedSpotTraining"] is True
    assert job["TrainingJobDefinition"]["CheckpointConfig"]["LocalPath"] == "/opt/ml/checkpoints"
    # And the one with the highest objective is the run's, with its model and its metric
    output, best = json.loads(execution["output"]), job["BestTrainingJob"]
    value = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    listed = steps.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=job["HyperParameterTuningJobName"]
    )["TrainingJobSummaries"]
    assert value == max(each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for each in listed)
    assert output["training"]["job_name"] == best["TrainingJobName"]
    assert output["evaluation"]["value"] == value
    (container,) = steps.package(execution)["InferenceSpecification"]["Containers"]
    assert best["TrainingJobName"] in container["ModelDataUrl"]


def test_a_search_begins_with_what_another_has_found(steps: Steps) -> None:
    # Given the tuning job of another run, on demand
    parent = steps.ask("parent", "work", tuning=SEARCH | {"max_jobs": 2}, use_spot_instances=False)
    assert parent["status"] == "SUCCEEDED", parent
    (first,) = steps.searches("parent")
    # When a request names it
    warm = {"parents": [first["HyperParameterTuningJobName"]], "warm_start_type": "TransferLearning"}
    execution = steps.ask(
        "warm", "work", tuning=SEARCH | {"max_jobs": 2, "warm_start_config": warm}, use_spot_instances=False
    )
    # Then the tuning job began with it
    assert execution["status"] == "SUCCEEDED", execution
    (second,) = steps.searches("warm")
    assert second["WarmStartConfig"]["WarmStartType"] == "TransferLearning"
    assert "TuneWarmOnDemand" in steps.entered(execution["executionArn"])


def test_a_search_that_failed_says_why_and_a_redrive_searches_again(steps: Steps) -> None:
    # Given a search all of whose jobs fail
    search = SEARCH | {"max_jobs": 1, "max_parallel_jobs": 1}
    execution = steps.ask("again", "fail", tuning=search)
    assert (execution["status"], execution["error"]) == ("FAILED", "TuningJobFailed"), execution
    assert "list-training-jobs-for-hyper-parameter-tuning-job" in execution["cause"]
    # When the cause is gone, and it is redriven
    steps.does("again", "work")
    ended = steps.redriven(execution["executionArn"])
    # Then another tuning job has found something
    assert ended["status"] == "SUCCEEDED", ended
    jobs = steps.searches("again")
    assert [job["HyperParameterTuningJobStatus"] for job in jobs] == ["Failed", "Completed"]


def test_a_request_that_searches_wrongly_starts_nothing(steps: Steps) -> None:
    execution = steps.ask("refused", "work", tuning=SEARCH | {"max_jobs": 5, "objective_metric_name": "f1"})
    assert execution["error"] == "InvalidTrainingRequest"
    assert "at most 4" in execution["cause"]
    assert "objective_metric_name is 'f1'" in execution["cause"]
    assert not steps.searches("refused")


def test_the_gate_reads_what_the_model_did_on_data(steps: Steps) -> None:
    # Given data that training does not get
    steps.put_test("scored", factor=0.5)
    evaluation = {"metric": "eval_accuracy", "minimum": 0.2, "s3_data": f"s3://{steps.bucket}/scored-test/"}
    # When a run is evaluated on it
    execution = steps.ask("scored", "work", evaluation=evaluation, hyperparameters={"rate": 0.6})
    # Then the gate and the registry have those metrics, and not the job's own
    assert execution["status"] == "SUCCEEDED", execution
    output = json.loads(execution["output"])
    assert output["evaluation"]["metrics"] == {"eval_accuracy": 0.3, "eval_rows": 2}
    assert steps.package(execution)["CustomerMetadataProperties"]["eval_accuracy"] == "0.3"
    # And all of it lies beside the model
    model = output["training"]["model_data"].removeprefix(f"s3://{steps.bucket}/")
    key = model.replace("output/model.tar.gz", "evaluation/evaluation.json")
    assert json.load(steps.s3.get_object(Bucket=steps.bucket, Key=key)["Body"])["eval_accuracy"] == 0.3


def test_the_best_of_a_search_is_evaluated_on_data_too(steps: Steps) -> None:
    steps.put_test("both", factor=0.1)
    evaluation = {"metric": "eval_accuracy", "minimum": 0.5, "s3_data": f"s3://{steps.bucket}/both-test/"}
    execution = steps.ask(
        "both", "work", evaluation=evaluation, tuning=SEARCH | {"max_jobs": 1, "max_parallel_jobs": 1}
    )
    assert execution["error"] == "EvaluationGateFailed", execution
    assert steps.searches("both")[0]["BestTrainingJob"]["TrainingJobName"] in execution["cause"]


def test_a_redrive_after_a_failed_evaluation_does_not_train_again(steps: Steps) -> None:
    # Given a run whose evaluation fails
    steps.put_test("mend", refuse="the labels are wrong")
    evaluation = {"metric": "eval_accuracy", "minimum": 0.1, "s3_data": f"s3://{steps.bucket}/mend-test/"}
    execution = steps.ask("mend", "work", evaluation=evaluation)
    # Then the script's own words are in its cause
    assert (execution["status"], execution["error"]) == ("FAILED", "ProcessingJobFailed"), execution
    assert "the labels are wrong" in execution["cause"]
    # When the data is mended, and it is redriven
    steps.put_test("mend", factor=1)
    ended = steps.redriven(execution["executionArn"])
    # Then it is evaluated, and the model of the one job is registered
    assert ended["status"] == "SUCCEEDED", ended
    assert list(steps.jobs("mend").values()) == ["Completed"]
    assert json.loads(ended["output"])["evaluation"]["metrics"]["eval_accuracy"] == 0.5


def test_a_run_is_prepared_trained_and_evaluated(steps: Steps) -> None:
    # Given files that training cannot read as they are, and an evaluation that fails at first
    steps.put_test("whole", refuse="not yet")
    evaluation = {"metric": "eval_accuracy", "minimum": 0.1, "s3_data": f"s3://{steps.bucket}/whole-test/"}
    execution = steps.ask("whole", "raw work", preparation={"hyperparameters": {"level": 3}}, evaluation=evaluation)
    assert execution["error"] == "ProcessingJobFailed", execution
    # Then training has read what was prepared
    (job,) = steps.jobs("whole")
    (channel,) = steps.sagemaker.describe_training_job(TrainingJobName=job)["InputDataConfig"]
    assert "/prepared/text/dev-whole-" in channel["DataSource"]["S3DataSource"]["S3Uri"]
    said = log_lines(steps.running.client("logs"), "/aws/sagemaker/ProcessingJobs", "dev-whole-")
    assert "prepares --channels train --level 3" in said
    # When it is redriven, then what was prepared and trained is not done again
    steps.put_test("whole", factor=1)
    ended = steps.redriven(execution["executionArn"])
    assert ended["status"] == "SUCCEEDED", ended
    assert steps.processing("whole") == {"prep-0": "Completed", "score-0": "Failed", "score-1": "Completed"}
    assert steps.jobs("whole") == {job: "Completed"}
