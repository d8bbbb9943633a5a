"""Requests that search for hyperparameters, and that the function's rules are those of the construct library."""

import itertools
from typing import Any

import pytest

from hf_sagemaker.state_input import rendered
from hf_sagemaker.tuning import ParameterRange, Strategy, Tuning, WarmStart
from validate_training_request.defaults import Defaults
from validate_training_request.logic import InvalidTrainingRequest, training_job
from validate_training_request.tuning import tuning_job, tuning_problems

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:machine:run-1"
LIMITS = {"prefix": "dev", "max_jobs": 8, "max_parallel_jobs": 2}
METRICS = ["eval_accuracy", "loss"]
RATE = {"type": "Continuous", "min_value": 1e-5, "max_value": 1e-3, "scaling_type": "Logarithmic"}
SEARCH: dict[str, Any] = {
    "objective_metric_name": "eval_accuracy",
    "hyperparameter_ranges": {"learning_rate": RATE},
    "max_jobs": 4,
}


def _request(**changes: Any) -> dict[str, Any]:
    return {"schema_version": "1", "name": "sentiment", "channels": {"train": "s3://data/train"}} | changes


def _job(request: dict[str, Any], **changes: Any) -> dict[str, Any]:
    defaults = {
        "job_type": "text",
        "environment": "dev",
        "image": "training",
        "images": {"training": "/digest"},
        "unfit_images": {},
        "instance_type": "ml.g4dn.xlarge",
        "instance_types": {"ml.g4dn.xlarge": False},
        "max_instance_count": 1,
        "volume_size": 50,
        "use_spot_instances": True,
        "checkpoints": True,
        "max_run": 3600,
        "max_wait": 7200,
        "metric_definitions": [{"Name": name, "Regex": f"{name}=([0-9.]+)"} for name in METRICS],
        "evaluation": {"metric": "eval_accuracy", "minimum": 0.5},
        "checkpoints_bucket": "checkpoints",
        "data_buckets": ["data"],
        "models_bucket": "models",
        "volume_key": "key",
        "tuning": LIMITS,
    }
    return training_job(request, Defaults(**(defaults | changes)), EXECUTION)


def _problems(**changes: Any) -> str:
    return " ".join(tuning_problems({"tuning": SEARCH | changes}, LIMITS, METRICS))


def test_a_run_without_a_search_is_one_job() -> None:
    assert "tuning" not in _job(_request())


def test_a_search_becomes_a_tuning_jobs_configuration() -> None:
    ranges = {
        "learning_rate": RATE,
        "layers": {"type": "Integer", "min_value": 2, "max_value": 6.0},
        "optimizer": {"values": ["adamw", "sgd"]},
    }
    tuning = _job(_request(tuning=SEARCH | {"hyperparameter_ranges": ranges, "objective_type": "Minimize"}))["tuning"]
    assert tuning["config"]["HyperParameterTuningJobObjective"] == {"Type": "Minimize", "MetricName": "eval_accuracy"}
    assert tuning["config"]["ResourceLimits"] == {"MaxParallelTrainingJobs": 1, "MaxNumberOfTrainingJobs": 4}
    found = tuning["config"]["ParameterRanges"]
    assert found["CategoricalParameterRanges"] == [{"Name": "optimizer", "Values": ['"adamw"', '"sgd"']}]
    (layers,) = found["IntegerParameterRanges"]
    assert (layers["MinValue"], layers["MaxValue"]) == ("2", "6")
    assert "warm_start_config" not in tuning


def test_names_fit_are_one_for_each_attempt_and_begin_as_the_permissions_say() -> None:
    # Given names as long as settings and requests take them
    limits = LIMITS | {"prefix": "e" * 13}
    first = tuning_job(_request(name="n" * 31, tuning=SEARCH), limits, "0" * 12)["names"]
    again = tuning_job(_request(name="n" * 31, tuning=SEARCH), limits, "0" * 12)["names"]
    other = tuning_job(_request(name="n" * 31, tuning=SEARCH), limits, "1" * 12)["names"]
    # Then what SageMaker takes is not exceeded by the number of redrives behind a name
    assert all(len(f"{name}-99") <= 32 for name in first.values())
    assert all(name.startswith("e" * 13 + "-") for name in first.values())
    assert len(set(first.values())) == 4
    assert first == again
    assert not set(first.values()) & set(other.values())


def test_all_problems_are_told_at_once() -> None:
    request = _request(
        hyperparameters={"learning_rate": 0.1},
        tuning=SEARCH | {"objective_metric_name": "f1", "max_jobs": 9, "max_parallel_jobs": 3},
        channels={"test": "s3://data/test"},
    )
    with pytest.raises(InvalidTrainingRequest) as refused:
        _job(request)
    for words in (
        "learning_rate is given a value and a range",
        "objective_metric_name is 'f1', which is not among the metric definitions: eval_accuracy, loss",
        "asks for 9 training jobs; this job type allows at most 8",
        "max_parallel_jobs is 3; this job type allows at most 2",
        "channels must hold 'train'",
    ):
        assert words in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"hyperparameter_ranges": {"a": {"type": "Integer", "min_value": 1.5, "max_value": 3}}}, "whole numbers"),
        ({"hyperparameter_ranges": {"a": {"min_value": 1}}}, "lacks max_value"),
        ({"hyperparameter_ranges": {"a": {"values": [1], "min_value": 1}}}, "has min_value"),
        ({"strategy_config": {"min_resource": 1}}, "Hyperband only"),
        ({"strategy": "Grid", "hyperparameter_ranges": {"a": {"values": [1, 2, 3]}, "b": {"values": [1, 2, 3]}}}, "9"),
    ],
)
def test_what_a_range_or_a_strategy_lacks_is_said(changes: dict[str, Any], word: str) -> None:
    assert word in _problems(**changes)


def test_a_job_type_may_refuse_searches() -> None:
    with pytest.raises(InvalidTrainingRequest, match="at most 0"):
        _job(_request(tuning=SEARCH), tuning=LIMITS | {"max_jobs": 0})


def test_a_shape_that_is_wrong_is_told_by_its_place() -> None:
    with pytest.raises(InvalidTrainingRequest, match=r"tuning\.strategy is 'Best': it must be Bayesian, Random"):
        _job(_request(tuning=SEARCH | {"strategy": "Best"}))
    with pytest.raises(InvalidTrainingRequest, match=r"tuning\.objective_metric_name is missing"):
        _job(_request(tuning={"hyperparameter_ranges": {}}))


# --- the same rules as the construct library's -----------------------------------------------------------------------

RANGES: list[dict[str, Any]] = [
    {},
    {"rate": RATE},
    {"rate": {"type": "Continuous", "min_value": 0, "max_value": 1, "scaling_type": "Logarithmic"}},
    {"rate": {"type": "Continuous", "min_value": 0.1, "max_value": 0.9, "scaling_type": "ReverseLogarithmic"}},
    {"layers": {"type": "Integer", "min_value": 1, "max_value": 4, "scaling_type": "ReverseLogarithmic"}},
    {"layers": {"type": "Integer", "min_value": 4, "max_value": 4}},
    {"kind": {"values": ["a", 1, 0.5, True]}},
    {"kind": {"values": []}},
    {"kind": {"values": list(range(31))}},
    {"kind": {"values": ["a"]}, "layers": {"type": "Integer", "min_value": 1, "max_value": 4}},
    {f"p{i}": {"values": [1]} for i in range(31)},
]
STRATEGIES: list[dict[str, Any]] = [
    {},
    {"strategy": "Random"},
    {"strategy": "Grid"},
    {"strategy": "Hyperband"},
    {"strategy": "Hyperband", "strategy_config": {"min_resource": 1}},
    {"strategy": "Hyperband", "strategy_config": {"min_resource": 3, "max_resource": 9}},
    {"strategy": "Hyperband", "strategy_config": {"min_resource": 3, "max_resource": 2}},
    {"strategy": "Hyperband", "strategy_config": {"min_resource": 0, "max_resource": 20_001}},
]
OTHERS: list[dict[str, Any]] = [
    {},
    {"max_jobs": 4, "max_parallel_jobs": 2, "random_seed": 7},
    {"max_jobs": 1, "max_parallel_jobs": 2},
    {"max_jobs": 4, "early_stopping_type": "Auto", "objective_type": "Minimize"},
    {"max_jobs": 4, "warm_start_config": {"parents": ["one"], "warm_start_type": "TransferLearning"}},
    {"max_jobs": 4, "warm_start_config": {"parents": []}},
    {"max_jobs": 4, "warm_start_config": {"parents": ["one"] * 6}},
    {"max_jobs": 4, "objective_metric_name": "f1"},
    {"max_jobs": 4, "completion_criteria_config": {"target_objective_metric_value": 0.9}},
]
HYPERPARAMETERS: list[dict[str, Any]] = [{}, {"epochs": 3}, {"rate": 0.5}]


def _range_of_the_library(given: dict[str, Any]) -> ParameterRange:
    if "values" in given:
        return ParameterRange.categorical(*given["values"])
    scaling = given.get("scaling_type", "Auto")
    make = ParameterRange.integer if given["type"] == "Integer" else ParameterRange.continuous
    return make(given["min_value"], given["max_value"], scaling=scaling)


def _of_the_library(search: dict[str, Any]) -> Tuning:
    warm = search.get("warm_start_config")
    return Tuning(
        metric=search["objective_metric_name"],
        ranges={name: _range_of_the_library(each) for name, each in search["hyperparameter_ranges"].items()},
        max_parallel=search.get("max_parallel_jobs", 1),
        max_jobs=search.get("max_jobs"),
        maximize=search.get("objective_type", "Maximize") == "Maximize",
        strategy=Strategy(name=search.get("strategy", "Bayesian"), **search.get("strategy_config", {})),
        early_stopping=search.get("early_stopping_type") == "Auto",
        warm_start=WarmStart(parents=warm["parents"], same_data="warm_start_type" not in warm) if warm else None,
        seed=search.get("random_seed"),
        target=search.get("completion_criteria_config", {}).get("target_objective_metric_value"),
    )


def test_the_function_refuses_and_sends_what_the_library_does() -> None:
    generous = LIMITS | {"max_jobs": 10**6, "max_parallel_jobs": 100}
    sent = refused = 0
    for ranges, strategy, other, given in itertools.product(RANGES, STRATEGIES, OTHERS, HYPERPARAMETERS):
        search = {"objective_metric_name": "loss", "hyperparameter_ranges": ranges, **strategy, **other}
        request = _request(tuning=search, hyperparameters=given)
        library = _of_the_library(search)
        theirs = library.problems(hyperparameters=list(given), metrics=METRICS)
        ours = tuning_problems(request, generous, METRICS)
        assert bool(ours) == bool(theirs), (search, given, ours, theirs)
        if ours:
            refused += 1
            continue
        made = tuning_job(request, generous, "0" * 12)
        assert made["config"] == rendered(library.config), search
        assert made.get("warm_start_config") == library.warm_start_config
        sent += 1
    assert sent > 100
    assert refused > 100
