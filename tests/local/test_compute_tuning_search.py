"""How the embedded AWS chooses hyperparameters, and which children it stops."""

import random
from typing import Any

import pytest
from moto.sagemaker.exceptions import ValidationError

from localcloud.sagemaker import processing_request, transform_request, tuning_request
from localcloud.sagemaker.tuning_search import (
    BayesianSearch,
    GridSearch,
    Halving,
    Observation,
    Parameter,
    RandomSearch,
    falls_behind,
    parameters,
)
from tests.local.compute_projects import ROLE

RANGES = {
    "IntegerParameterRanges": [{"Name": "layers", "MinValue": "1", "MaxValue": "4"}],
    "ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.00001", "MaxValue": "0.1"}],
    "CategoricalParameterRanges": [{"Name": "optimizer", "Values": ['"adamw"', '"sgd"']}],
}


@pytest.mark.parametrize(
    ("kind", "given", "ends"),
    [
        ("Integer", {"MinValue": "1", "MaxValue": "4"}, ("1", "4")),
        ("Integer", {"MinValue": "1", "MaxValue": "1024", "ScalingType": "Logarithmic"}, ("1", "1024")),
        ("Continuous", {"MinValue": "0.5", "MaxValue": "2.0", "ScalingType": "Linear"}, ("0.5", "2.0")),
        ("Continuous", {"MinValue": "0.9", "MaxValue": "0.999", "ScalingType": "ReverseLogarithmic"}, ("0.9", "0.999")),
        ("Categorical", {"Values": ["a", "b", "c"]}, ("a", "c")),
    ],
)
def test_a_range_is_spread_from_its_first_value_to_its_last(
    kind: str, given: dict[str, Any], ends: tuple[str, str]
) -> None:
    parameter = Parameter(kind, {"Name": "p", **given})
    assert (parameter.text(0.0), parameter.text(1.0)) == ends
    # And each value has its place
    for unit in (0.1, 0.5, 0.9):
        text = parameter.text(unit)
        assert parameter.text(parameter.unit(text)) == pytest.approx(text) or parameter.kind == "Continuous"


def test_a_grid_has_every_combination_once() -> None:
    search = GridSearch(parameters({"CategoricalParameterRanges": [_values("a", "1", "2"), _values("b", "x", "y")]}))
    found = [search.next([]) for _ in range(5)]
    assert found[4] is None
    assert {(each["a"], each["b"]) for each in found if each} == {("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")}


def _values(name: str, *values: str) -> dict[str, Any]:
    return {"Name": name, "Values": list(values)}


def test_the_same_seed_makes_the_same_choices() -> None:
    once, twice = (RandomSearch(parameters(RANGES), random.Random(3)) for _ in range(2))
    assert [once.next([]) for _ in range(5)] == [twice.next([]) for _ in range(5)]


def test_a_bayesian_search_is_drawn_to_where_it_was_good() -> None:
    # Given an objective that is best at a rate of 0.3 with one of two optimizers
    ranges = {
        "ContinuousParameterRanges": [
            {"Name": "rate", "MinValue": "0", "MaxValue": "1", "ScalingType": "Linear"},
        ],
        "CategoricalParameterRanges": [_values("optimizer", "good", "bad")],
    }

    def score(values: dict[str, str]) -> float:
        return (1.0 if values["optimizer"] == "good" else 0.0) - abs(float(values["rate"]) - 0.3)

    def mean_of_last(search: Any) -> float:
        seen: list[Observation] = []
        for _ in range(30):
            values = search.next(seen)
            seen.append(Observation(values, score(values)))
        return sum(each.score for each in seen[15:]) / 15

    # When it and chance search, from ten beginnings
    found = [mean_of_last(BayesianSearch(parameters(ranges), random.Random(seed))) for seed in range(10)]
    chance = [mean_of_last(RandomSearch(parameters(ranges), random.Random(seed))) for seed in range(10)]

    # Then it spends its later children in better places
    assert sum(found) / 10 > sum(chance) / 10 + 0.2


def test_of_three_children_at_a_rung_one_goes_on() -> None:
    # Given three children of Hyperband that have come as far as its first rung
    halving = Halving(1, 9)
    assert not halving.ends("first", [0.5])
    assert not halving.ends("second", [0.9])

    # Then a third one that is worse has to stop, and the best may go on to the end
    assert halving.ends("third", [0.1])
    assert not halving.ends("second", [0.9, 0.9, 0.9])
    assert halving.ends("second", [0.9] * 9)


def test_a_child_below_the_median_of_the_others_averages_falls_behind() -> None:
    completed = [[0.2, 0.4], [0.4, 0.6], [0.6, 0.8]]
    assert falls_behind([0.5, 0.4], completed)
    assert not falls_behind([0.5, 0.6], completed)
    assert not falls_behind([0.0], completed[:2])  # too few to judge by


def request(**config: Any) -> dict[str, Any]:
    """A tuning request that is right."""
    return {
        "HyperParameterTuningJobName": "tune",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "accuracy"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": RANGES,
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


def test_a_child_is_told_the_objective() -> None:
    tuning_request.check(request())
    child = tuning_request.child_request(request(), "tune-001-0", {"layers": "2"})
    assert child["HyperParameters"] == {"layers": "2", "_tuning_objective_metric": "accuracy"}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"Strategy": "Grid"}, "the Grid strategy takes categorical ranges only"),
        ({"Strategy": "Hyperband"}, "Hyperband needs MaxResource"),
        (
            {
                "Strategy": "Hyperband",
                "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}},
                "TrainingJobEarlyStoppingType": "Auto",
            },
            "must be Off to use Hyperband",
        ),
        ({"HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "f1"}}, "'f1' is not among"),
        ({"ResourceLimits": {"MaxParallelTrainingJobs": 2}}, "MaxNumberOfTrainingJobs is None"),
        (
            {
                "ResourceLimits": {
                    "MaxParallelTrainingJobs": 1,
                    "MaxNumberOfTrainingJobs": 1,
                    "MaxRuntimeInSeconds": 120,
                }
            },
            "ResourceLimits.MaxRuntimeInSeconds: the embedded AWS does not have it",
        ),
    ],
)
def test_wrong_tuning_requests_are_refused(config: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        tuning_request.check(request(**config))


def test_lines_become_requests_that_fit_and_answers_become_lines() -> None:
    # Given three lines of a megabyte less two bytes each, and requests of two megabytes
    line = b"x" * (1024 * 1024 - 2)
    given = {
        "TransformInput": {"SplitType": "Line"},
        "TransformOutput": {"AssembleWith": "Line"},
        "BatchStrategy": "MultiRecord",
        "MaxPayloadInMB": 2,
    }
    content = b"\n".join([line, line, line, b""])

    # Then two lines go together, or each by itself, and one that is too large is named
    assert [payload.count(b"\n") for payload in transform_request.payloads(content, given)] == [1, 0]
    alone = {**given, "BatchStrategy": "SingleRecord"}
    assert len(list(transform_request.payloads(content, alone))) == 3
    with pytest.raises(ValueError, match="MaxPayloadInMB allows"):
        list(transform_request.payloads(line * 3, given))
    assert transform_request.assembled([b"a\n", b"b"], given) == b"a\nb\n"


@pytest.mark.parametrize(
    ("request_says", "container_says", "concurrency", "megabytes", "records"),
    [
        ({}, {}, 1, 6, 1),
        ({}, {"MaxConcurrentTransforms": 8, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 10}, 8, 10, 3),
        ({"MaxConcurrentTransforms": 2}, {"MaxConcurrentTransforms": 8}, 2, 6, 1),
        ({}, {"MaxConcurrentTransforms": 50, "MaxPayloadInMB": 50}, 1, 6, 1),
        ({}, {"MaxConcurrentTransforms": "many", "BatchStrategy": "any"}, 1, 6, 1),
    ],
    ids=["neither", "the container alone", "both", "more than AWS allows", "nonsense"],
)
def test_what_a_request_leaves_open_the_container_decides(
    request_says: dict[str, Any], container_says: dict[str, Any], concurrency: int, megabytes: int, records: int
) -> None:
    asked = transform_request.completed({"TransformInput": {"SplitType": "Line"}, **request_says}, container_says)

    assert transform_request.concurrency(asked) == concurrency
    assert transform_request.max_payload(asked) == megabytes * 1024 * 1024
    assert len(list(transform_request.payloads(b"a\nb\nc\n", asked))) == records


def test_a_processing_job_reads_and_writes_below_its_own_folder() -> None:
    output = {
        "OutputName": "rows",
        "S3Output": {"S3Uri": "s3://b/", "LocalPath": "/tmp/x", "S3UploadMode": "EndOfJob"},
    }
    given = {
        "ProcessingJobName": "job",
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30}
        },
        "AppSpecification": {"ImageUri": "image"},
        "RoleArn": ROLE,
        "ProcessingOutputConfig": {"Outputs": [output]},
    }
    with pytest.raises(ValidationError, match="must be an absolute path that begins with /opt/ml/processing/"):
        processing_request.check(given)
