"""A tuning job's decisions, with children that answer at once: which are started, which are stopped, which is best."""

import threading
from typing import Any

import pytest

from localcloud.sagemaker import tuning_request
from localcloud.sagemaker.tuning import TuningJob
from tests.local.compute_projects import ROLE, until


class Compute:
    """All that a tuning job needs of it."""

    def __init__(self) -> None:
        self.stopping = threading.Event()


class Metrics:
    def __init__(self, values: list[float]) -> None:
        self.history = {"accuracy": values}


class ChildJob:
    """A training job that has printed these values and ended, or still runs."""

    def __init__(self, name: str, values: list[float], status: str, reason: str | None = None) -> None:
        self.training_job_name = name
        self.arn = f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}"
        self.metrics = Metrics(values)
        self.training_job_status = status
        self.failure_reason = reason
        self.creation_time = self.training_start_time = self.training_end_time = None

    def stop(self) -> None:
        if self.training_job_status == "InProgress":
            self.training_job_status = "Stopped"


class Children:
    """Starts a child with the next outcome each time."""

    def __init__(self, *outcomes: tuple[list[float], str]) -> None:
        self.outcomes = list(outcomes)
        self.jobs: list[ChildJob] = []

    def __call__(self, request: dict[str, Any], tuning_job_arn: str) -> Any:
        values, status = self.outcomes.pop(0) if self.outcomes else ([0.0], "Completed")
        reason = "AlgorithmError: no" if status == "Failed" else None
        self.jobs.append(ChildJob(request["TrainingJobName"], values, status, reason))
        return self.jobs[-1]


def request(name: str = "tune", **config: Any) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "accuracy"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 4},
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.1", "MaxValue": "0.9"}]},
            **config,
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"}],
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        },
    }


def tuned(given: dict[str, Any], children: Children, parents: list[TuningJob] | None = None) -> TuningJob:
    """Runs the job to its end."""
    tuning_request.check(given)
    compute: Any = Compute()
    name = given["HyperParameterTuningJobName"]
    job = TuningJob(compute, given, "123456789012", "us-east-1", f"arn:{name}", children, parents or [])
    job.start()
    until(lambda: job.end_time, lambda ended: ended, seconds=20)
    return job


def test_the_best_of_those_that_came_to_something_is_named() -> None:
    children = Children(([0.5], "Completed"), ([0.9], "Failed"), ([0.8, 0.7], "Completed"), ([], "Completed"))
    described = tuned(request(), children).describe()

    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["BestTrainingJob"]["TrainingJobName"] == children.jobs[2].training_job_name
    assert described["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 0.7
    assert described["TrainingJobStatusCounters"]["NonRetryableError"] == 1
    assert described["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 0, "Failed": 2}


def test_less_is_better_where_the_objective_is_minimised() -> None:
    objective = {"Type": "Minimize", "MetricName": "accuracy"}
    children = Children(([0.5], "Completed"), ([0.2], "Completed"), ([0.9], "Completed"), ([0.4], "Completed"))
    described = tuned(request(HyperParameterTuningJobObjective=objective), children).describe()
    assert described["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 0.2


def test_a_child_that_falls_behind_is_stopped_early() -> None:
    # Given three children that have ended, and one that is worse than all of them
    done = [([0.8, 0.9], "Completed")] * 3
    children = Children(*done, ([0.1, 0.2], "InProgress"))

    # When early stopping is on
    described = tuned(request(TrainingJobEarlyStoppingType="Auto"), children).describe()

    # Then it is stopped, and the others are not
    assert [job.training_job_status for job in children.jobs] == ["Completed"] * 3 + ["Stopped"]
    assert described["TrainingJobStatusCounters"]["Stopped"] == 1


def test_hyperband_stops_two_of_three() -> None:
    config = {
        "Strategy": "Hyperband",
        "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 3}},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 3},
    }
    children = Children(([0.9, 0.9, 0.9], "InProgress"), ([0.5], "Completed"), ([0.1], "InProgress"))
    described = tuned(request(**config), children).describe()
    assert [job.training_job_status for job in children.jobs] == ["Stopped", "Completed", "Stopped"]
    assert described["BestTrainingJob"]["TrainingJobName"] == children.jobs[0].training_job_name


def test_a_target_ends_the_search() -> None:
    config = {
        "TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 0.6},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 1},
    }
    children = Children(([0.5], "Completed"), ([0.7], "Completed"))
    assert tuned(request(**config), children).status == "Completed"
    assert len(children.jobs) == 2


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (([], "Failed"), "No training job succeeded after 5 attempts"),
        (([], "Completed"), "No objective metrics found after running 5 training jobs"),
    ],
)
def test_it_gives_up_after_five_children_in_vain(outcome: tuple[list[float], str], reason: str) -> None:
    limits = {"MaxNumberOfTrainingJobs": 50, "MaxParallelTrainingJobs": 5}
    children = Children(*[outcome] * 50)
    job = tuned(request(ResourceLimits=limits), children)
    assert job.status == "Failed"
    assert reason in str(job.failure_reason)
    assert len(children.jobs) == 5


def test_a_warm_start_compares_with_its_parents() -> None:
    # Given a tuning job that has ended
    parent = tuned(request("parent"), Children(([0.95], "Completed")))

    # When another one begins with what it has shown, and finds nothing better
    given = request("child")
    given["WarmStartConfig"] = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    assert tuning_request.parent_problems(given, parent.request) == []
    described = tuned(given, Children(([0.5], "Completed")), [parent]).describe()

    # Then the best of all is the parent's
    best = parent.children[0].job.training_job_name
    assert described["OverallBestTrainingJob"]["TrainingJobName"] == best
    assert described["BestTrainingJob"]["TrainingJobName"] != best


def test_parents_must_be_comparable() -> None:
    given = {**request("child"), "WarmStartConfig": {"WarmStartType": "IdenticalDataAndAlgorithm"}}
    other = request("parent", HyperParameterTuningJobObjective={"Type": "Minimize", "MetricName": "accuracy"})
    assert "another objective" in tuning_request.parent_problems(given, other)[0]
    image = request("parent")
    image["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"] = "another"
    assert "another image" in tuning_request.parent_problems(given, image)[0]
    given["WarmStartConfig"]["WarmStartType"] = "TransferLearning"
    assert tuning_request.parent_problems(given, image) == []
