"""The search that a training request may ask for, under the names of the SageMaker SDK's HyperparameterTuner.

The construct library has the same rules for searches that are known at synth (`hf_sagemaker.tuning`), which a function
cannot import. A test holds both against each other: what one refuses or sends, the other does.
"""

import json
import math
from typing import Any

Tuning = dict[str, Any]

_MOST_PARAMETERS = 30
_MOST_VALUES = 30
_MOST_PARENTS = 5
_MOST_RESOURCES = 20_000
_INFERRED = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
"""Hyperparameters from which SageMaker reads max_resource of Hyperband where it is not given."""
_LONGEST_BEGINNING = 14
"""Characters of a tuning job's name before what tells executions, attempts and redrives apart: SageMaker takes 32."""
_ATTEMPTS = {"spot": "s", "on_demand": "d", "warm_spot": "w", "warm_on_demand": "x"}
"""State that runs the tuning job → the letter in its name. An attempt that follows another is another job."""


def tuning_job(request: dict[str, Any], limits: dict[str, Any], lineage: str) -> dict[str, Any]:
    """Of a request with `tuning`: what the states read.

    limits: as `Defaults.tuning`. lineage: a hash of the execution.
    Answer: {config, names: by state}, and `warm_start_config` where there is one.
    """
    tuning = request["tuning"]
    beginning = f"{limits['prefix']}-{request['name']}"[:_LONGEST_BEGINNING].rstrip("-")
    return {
        "config": _config(tuning),
        "names": {state: f"{beginning}-{lineage}-{letter}" for state, letter in _ATTEMPTS.items()},
        **({"warm_start_config": _warm_start(tuning["warm_start_config"])} if "warm_start_config" in tuning else {}),
    }


def tuning_problems(request: dict[str, Any], limits: dict[str, Any], metrics: list[str]) -> list[str]:
    """What SageMaker would refuse, or the environment does not allow. metrics: names of the metric definitions."""
    tuning = request.get("tuning")
    if tuning is None:
        return []
    hyperparameters = request.get("hyperparameters", {})
    found = [
        *(problem for name, each in tuning["hyperparameter_ranges"].items() for problem in _range(name, each)),
        *_strategy(tuning, hyperparameters),
        *_numbers(tuning, limits),
        *(
            f"{name} is given a value and a range"
            for name in tuning["hyperparameter_ranges"]
            if name in hyperparameters
        ),
    ]
    if tuning["objective_metric_name"] not in metrics:
        found.append(
            f"objective_metric_name is {tuning['objective_metric_name']!r}, which is not among the metric definitions: "
            + (", ".join(metrics) or "none")
        )
    parents = tuning.get("warm_start_config", {}).get("parents", [""])
    if not 1 <= len(parents) <= _MOST_PARENTS:
        found.append(f"it has {len(parents)} parents, and must have between 1 and {_MOST_PARENTS}")
    return [f"tuning: {problem}." for problem in found]


def _range(name: str, given: dict[str, Any]) -> list[str]:
    kind = _kind(given)
    numbers = {"min_value", "max_value", "scaling_type"}
    wanted, foreign = ({"values"}, numbers) if kind == "Categorical" else ({"min_value", "max_value"}, {"values"})
    if (missing := wanted - set(given)) or (strange := foreign & set(given)):
        what = f"lacks {', '.join(sorted(missing))}" if missing else f"has {', '.join(sorted(strange))}"
        return [f"the {kind} range of {name} {what}: it is {{values}} or {{type, min_value, max_value, scaling_type}}"]
    if kind == "Categorical":
        count = len(given["values"])
        return (
            []
            if 1 <= count <= _MOST_VALUES
            else [f"{name} has {count} categories, and must have between 1 and {_MOST_VALUES}"]
        )
    low, high, scaling = given["min_value"], given["max_value"], given.get("scaling_type", "Auto")
    found = []
    if kind == "Integer" and (low % 1 or high % 1):
        found.append(f"the Integer range of {name} goes from {low} to {high}, and must be of whole numbers")
    if not low < high:
        found.append(f"the range of {name} goes from {low} to {high}, and must grow")
    if scaling == "Logarithmic" and low <= 0:
        found.append(f"{name} begins at {low}, and Logarithmic scaling takes only values above 0")
    if scaling == "ReverseLogarithmic" and (kind == "Integer" or not 0 <= low < high < 1):
        found.append(f"{name} has ReverseLogarithmic scaling, which takes only Continuous ranges from 0 to below 1")
    return found


def _kind(given: dict[str, Any]) -> str:
    return str(given.get("type") or ("Categorical" if "values" in given else "Continuous"))


def _strategy(tuning: Tuning, hyperparameters: dict[str, Any]) -> list[str]:
    if tuning.get("strategy", "Bayesian") != "Hyperband":
        return ["strategy_config is for the strategy Hyperband only"] if "strategy_config" in tuning else []
    given = tuning.get("strategy_config", {})
    least, most = given.get("min_resource"), given.get("max_resource")
    found = []
    if least is None or least < 1:
        found.append(f"Hyperband needs strategy_config.min_resource of at least 1, not {least}")
    if most is None and not set(_INFERRED) & set(hyperparameters):
        found.append(
            f"Hyperband needs strategy_config.max_resource, or one of the hyperparameters {', '.join(_INFERRED)}"
        )
    if most is not None and (most > _MOST_RESOURCES or most < (least or 1)):
        found.append(
            f"strategy_config.max_resource is {most}, and must be at least min_resource ({least}) and at most "
            f"{_MOST_RESOURCES}"
        )
    if tuning.get("early_stopping_type", "Off") != "Off":
        found.append("Hyperband stops children by itself: early_stopping_type must be Off")
    return found


def _numbers(tuning: Tuning, limits: dict[str, Any]) -> list[str]:
    """How many ranges, children, and children at a time."""
    ranges, most, parallel = tuning["hyperparameter_ranges"], tuning.get("max_jobs"), tuning.get("max_parallel_jobs", 1)
    grid = tuning.get("strategy", "Bayesian") == "Grid"
    found = []
    if not 1 <= len(ranges) <= _MOST_PARAMETERS:
        found.append(f"it has {len(ranges)} ranges, and must have between 1 and {_MOST_PARAMETERS}")
    if not grid and (most is None or most < parallel):
        found.append(f"max_jobs is {most}, and must be at least max_parallel_jobs ({parallel})")
    if grid and (others := [name for name, each in ranges.items() if _kind(each) != "Categorical"]):
        found.append(f"a Grid takes Categorical ranges only, and {', '.join(others)} is none")
    if grid and most is not None:
        found.append(f"max_jobs is {most}, and must be omitted: a Grid runs every combination")
    children = math.prod(len(each.get("values", [0])) for each in ranges.values()) if grid else most or 0
    if children > (allowed := limits.get("max_jobs", 0)):
        found.append(f"it asks for {children} training jobs; this job type allows at most {allowed}")
    if parallel > (allowed := limits.get("max_parallel_jobs", 0)):
        found.append(f"max_parallel_jobs is {parallel}; this job type allows at most {allowed} at a time")
    return found


def _config(tuning: Tuning) -> dict[str, Any]:
    """`HyperParameterTuningJobConfig`."""
    ranges = tuning["hyperparameter_ranges"]
    limits = {"MaxParallelTrainingJobs": int(tuning.get("max_parallel_jobs", 1))}
    if "max_jobs" in tuning:
        limits["MaxNumberOfTrainingJobs"] = int(tuning["max_jobs"])
    config: dict[str, Any] = {
        "Strategy": tuning.get("strategy", "Bayesian"),
        "HyperParameterTuningJobObjective": {
            "Type": tuning.get("objective_type", "Maximize"),
            "MetricName": tuning["objective_metric_name"],
        },
        "ResourceLimits": limits,
        "ParameterRanges": {
            f"{kind}ParameterRanges": [_rendered(name, each) for name, each in ranges.items() if _kind(each) == kind]
            for kind in ("Integer", "Continuous", "Categorical")
        },
        "TrainingJobEarlyStoppingType": tuning.get("early_stopping_type", "Off"),
    }
    if config["Strategy"] == "Hyperband":
        given = tuning["strategy_config"]
        names = {"min_resource": "MinResource", "max_resource": "MaxResource"}
        config["StrategyConfig"] = {"HyperbandStrategyConfig": {names[key]: int(value) for key, value in given.items()}}
    if "completion_criteria_config" in tuning:
        target = tuning["completion_criteria_config"]["target_objective_metric_value"]
        config["TuningJobCompletionCriteria"] = {"TargetObjectiveMetricValue": target}
    if "random_seed" in tuning:
        config["RandomSeed"] = int(tuning["random_seed"])
    return config


def _rendered(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Categories are JSON text, as hyperparameters are, so that types survive."""
    if _kind(given) == "Categorical":
        return {"Name": name, "Values": [json.dumps(value) for value in given["values"]]}
    low, high = given["min_value"], given["max_value"]
    if _kind(given) == "Integer":
        low, high = int(low), int(high)
    scaling = given.get("scaling_type", "Auto")
    return {"Name": name, "MinValue": str(low), "MaxValue": str(high), "ScalingType": scaling}


def _warm_start(given: dict[str, Any]) -> dict[str, Any]:
    """`WarmStartConfig`."""
    return {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent} for parent in given["parents"]],
        "WarmStartType": given.get("warm_start_type", "IdenticalDataAndAlgorithm"),
    }
