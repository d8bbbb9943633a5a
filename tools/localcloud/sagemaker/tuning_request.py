"""CreateHyperParameterTuningJob requests: what AWS refuses, and what can only be done there."""

import math
from collections.abc import Mapping
from typing import Any

from moto.sagemaker.exceptions import ValidationError

from localcloud.sagemaker import training_request
from localcloud.sagemaker.job_request import check_shape, name_problems
from localcloud.sagemaker.tuning_search import parameters

LONGEST_NAME = 32
_INFERRED = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
_NOT_HERE = ("AutoParameters",)


def check(request: dict[str, Any]) -> None:
    """ValidationError: all problems of the request, in one message."""
    check_shape("CreateHyperParameterTuningJob", request)
    problems = [
        *name_problems("HyperParameterTuningJobName", request["HyperParameterTuningJobName"], LONGEST_NAME),
        *_local_problems(request),
    ]
    if not problems:
        problems = [*_range_problems(request), *_strategy_problems(request), *_objective_problems(request)]
    if problems:
        raise ValidationError("; ".join(problems))
    training_request.check(child_request(request, "child", {}))


def child_request(request: Mapping[str, Any], name: str, values: Mapping[str, str]) -> dict[str, Any]:
    """The CreateTrainingJob request of a child with these values."""
    definition = dict(request["TrainingJobDefinition"])
    shared = definition.pop("StaticHyperParameters", None) or {}
    definition.pop("DefinitionName", None)
    return {
        **definition,
        "TrainingJobName": name,
        "HyperParameters": {**shared, **values, "_tuning_objective_metric": objective(request)["MetricName"]},
        **({"Tags": request["Tags"]} if request.get("Tags") else {}),
    }


def objective(request: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    return found


def number_of_children(request: Mapping[str, Any]) -> int:
    """Of a grid, the number of its combinations."""
    config = request["HyperParameterTuningJobConfig"]
    if config["Strategy"] == "Grid":
        return math.prod(len(parameter.values) for parameter in parameters(config["ParameterRanges"]))
    return int(config["ResourceLimits"]["MaxNumberOfTrainingJobs"])


def resources(request: Mapping[str, Any]) -> tuple[int, int]:
    """Hyperband's least and most. KeyError: nothing says how many are most."""
    config = request["HyperParameterTuningJobConfig"].get("StrategyConfig") or {}
    given = config.get("HyperbandStrategyConfig") or {}
    shared = request["TrainingJobDefinition"].get("StaticHyperParameters") or {}
    inferred = next((shared[name] for name in _INFERRED if name in shared), None)
    most = given.get("MaxResource") or inferred
    if most is None:
        raise KeyError("MaxResource")
    return int(given.get("MinResource") or 1), int(str(most).strip('"'))


def parent_problems(request: Mapping[str, Any], parent: Mapping[str, Any]) -> list[str]:
    """Why a job of this request cannot begin with what the parent's has shown."""
    name = parent["HyperParameterTuningJobName"]
    if objective(parent) != objective(request):
        return [f"The parent tuning job {name} has another objective"]
    if request["WarmStartConfig"]["WarmStartType"] != "IdenticalDataAndAlgorithm":
        return []
    one, other = request["TrainingJobDefinition"], parent["TrainingJobDefinition"]
    same_image = one["AlgorithmSpecification"]["TrainingImage"] == other["AlgorithmSpecification"]["TrainingImage"]
    if same_image and one.get("InputDataConfig") == other.get("InputDataConfig"):
        return []
    return [f"WarmStartType IdenticalDataAndAlgorithm: the parent tuning job {name} has another image or other data"]


def _range_problems(request: dict[str, Any]) -> list[str]:
    config = request["HyperParameterTuningJobConfig"]
    given = parameters(config["ParameterRanges"])
    shared = request["TrainingJobDefinition"].get("StaticHyperParameters") or {}
    problems = [] if given else ["At least one hyperparameter range is required"]
    for parameter in given:
        if parameter.kind != "Categorical" and not parameter.low < parameter.high:
            problems.append(f"hyperparameter {parameter.name!r}: MinValue must be less than MaxValue")
        if parameter.name in shared:
            problems.append(f"hyperparameter {parameter.name!r} is both static and tunable")
        if config["Strategy"] == "Grid" and parameter.kind != "Categorical":
            problems.append(f"hyperparameter {parameter.name!r}: the Grid strategy takes categorical ranges only")
    for kind in ("Integer", "Continuous"):
        for each in config["ParameterRanges"].get(f"{kind}ParameterRanges") or []:
            low, high, scaling = float(each["MinValue"]), float(each["MaxValue"]), each.get("ScalingType")
            if scaling == "Logarithmic" and low <= 0:
                problems.append(f"hyperparameter {each['Name']!r}: Logarithmic scaling takes values above 0 only")
            if scaling == "ReverseLogarithmic" and (kind == "Integer" or not 0 <= low < high < 1):
                problems.append(f"hyperparameter {each['Name']!r}: ReverseLogarithmic scaling takes 0 <= x < 1 only")
    return problems


def _strategy_problems(request: dict[str, Any]) -> list[str]:
    config = request["HyperParameterTuningJobConfig"]
    strategy, limits = config["Strategy"], config["ResourceLimits"]
    most = limits.get("MaxNumberOfTrainingJobs")
    problems = []
    if strategy == "Grid":
        if most is not None and most != number_of_children(request):
            problems.append(
                f"MaxNumberOfTrainingJobs is {most}; a grid of these ranges has {number_of_children(request)}"
            )
    elif most is None or most < limits["MaxParallelTrainingJobs"]:
        problems.append(f"MaxNumberOfTrainingJobs is {most}; it must be at least MaxParallelTrainingJobs")
    if strategy != "Hyperband":
        return problems + (["StrategyConfig is Hyperband's only"] if config.get("StrategyConfig") else [])
    if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        problems.append("TrainingJobEarlyStoppingType must be Off to use Hyperband")
    try:
        least, highest = resources(request)
    except KeyError:
        return [*problems, f"Hyperband needs MaxResource, or one of the hyperparameters {', '.join(_INFERRED)}"]
    return problems + (["MaxResource must be at least MinResource"] if highest < least else [])


def _objective_problems(request: dict[str, Any]) -> list[str]:
    definitions = request["TrainingJobDefinition"]["AlgorithmSpecification"].get("MetricDefinitions") or []
    metric = objective(request)["MetricName"]
    if metric in [definition["Name"] for definition in definitions]:
        return []
    return [f"The objective metric {metric!r} is not among the MetricDefinitions of the training job definition"]


def _local_problems(request: dict[str, Any]) -> list[str]:
    """What AWS can do and the embedded one cannot: better said than half done."""
    config = request["HyperParameterTuningJobConfig"]
    definition = request.get("TrainingJobDefinition") or {}
    criteria = config.get("TuningJobCompletionCriteria") or {}
    left_out = {
        "TrainingJobDefinitions": request.get("TrainingJobDefinitions"),
        "Autotune": request.get("Autotune"),
        "HyperParameterRanges": definition.get("HyperParameterRanges"),
        "HyperParameterTuningResourceConfig": definition.get("HyperParameterTuningResourceConfig"),
        "ResourceLimits.MaxRuntimeInSeconds": config["ResourceLimits"].get("MaxRuntimeInSeconds"),
        "TuningJobCompletionCriteria.BestObjectiveNotImproving": criteria.get("BestObjectiveNotImproving"),
        "TuningJobCompletionCriteria.ConvergenceDetected": criteria.get("ConvergenceDetected"),
        **{name: (config.get("ParameterRanges") or {}).get(name) for name in _NOT_HERE},
    }
    problems = [f"{name}: the embedded AWS does not have it" for name, value in left_out.items() if value]
    for name, value in (
        ("TrainingJobDefinition", definition),
        ("HyperParameterTuningJobObjective", config.get("HyperParameterTuningJobObjective")),
        ("ParameterRanges", config.get("ParameterRanges")),
        ("TrainingJobDefinition.ResourceConfig", definition.get("ResourceConfig")),
    ):
        if not value:
            problems.append(f"{name} is missing")
    return problems
