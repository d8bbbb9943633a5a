"""What a tuning job searches, how, and for what. Imports no CDK."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hf_sagemaker.state_input import Text

Scaling = Literal["Auto", "Linear", "Logarithmic", "ReverseLogarithmic"]

_MOST_PARAMETERS = 30
_MOST_VALUES = 30
_MOST_PARENTS = 5
_MOST_RESOURCES = 20_000
_INFERRED = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
"""Hyperparameters from which SageMaker reads MaxResource of Hyperband where it is not given."""


@dataclass(frozen=True, kw_only=True)
class ParameterRange:
    """The values that one hyperparameter may take: made by `integer`, `continuous` or `categorical`."""

    kind: Literal["Integer", "Continuous", "Categorical"]
    low: float = 0
    high: float = 0
    scaling: Scaling = "Auto"
    values: Sequence[str | int | float | bool] = ()

    @classmethod
    def integer(cls, low: int, high: int, *, scaling: Scaling = "Auto") -> "ParameterRange":
        """Whole numbers from low to high, both included."""
        return cls(kind="Integer", low=low, high=high, scaling=scaling)

    @classmethod
    def continuous(cls, low: float, high: float, *, scaling: Scaling = "Auto") -> "ParameterRange":
        """Numbers from low to high."""
        return cls(kind="Continuous", low=low, high=high, scaling=scaling)

    @classmethod
    def categorical(cls, *values: str | int | float | bool) -> "ParameterRange":
        """Exactly these."""
        return cls(kind="Categorical", values=values)

    def rendered(self, name: str) -> dict[str, Any]:
        """As SageMaker's request has it. Categories are JSON text, as hyperparameters are, so that types survive."""
        if self.kind == "Categorical":
            return {"Name": name, "Values": [json.dumps(value) for value in self.values]}
        low, high = str(self.low), str(self.high)
        return {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": self.scaling}

    def problems(self, name: str) -> list[str]:
        """Why SageMaker would refuse it."""
        found = []
        if self.kind == "Categorical":
            if not 1 <= len(self.values) <= _MOST_VALUES:
                found.append(f"{name} has {len(self.values)} categories, and must have between 1 and {_MOST_VALUES}")
            return found
        if not self.low < self.high:
            found.append(f"the range of {name} goes from {self.low} to {self.high}, and must grow")
        if self.scaling == "Logarithmic" and self.low <= 0:
            found.append(f"{name} begins at {self.low}, and Logarithmic scaling takes only values above 0")
        if self.scaling == "ReverseLogarithmic" and (self.kind == "Integer" or not 0 <= self.low < self.high < 1):
            found.append(f"{name} has ReverseLogarithmic scaling, which takes only continuous ranges from 0 to below 1")
        return found


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """How values are chosen: made by `bayesian`, `random`, `grid` or `hyperband`."""

    name: Literal["Bayesian", "Random", "Grid", "Hyperband"]
    min_resource: int | None = None
    max_resource: int | None = None

    @classmethod
    def bayesian(cls) -> "Strategy":
        """By what earlier children have shown."""
        return cls(name="Bayesian")

    @classmethod
    def random(cls) -> "Strategy":
        """By chance; as many children in parallel as one likes, at no loss."""
        return cls(name="Random")

    @classmethod
    def grid(cls) -> "Strategy":
        """Every combination; categorical ranges only."""
        return cls(name="Grid")

    @classmethod
    def hyperband(cls, *, min_resource: int, max_resource: int | None = None) -> "Strategy":
        """By chance, and children that fall behind are stopped.

        min_resource, max_resource: times that a child prints the objective (mostly epochs) before it may be stopped,
            and after which it is. max_resource omitted: what the hyperparameter `epochs` says.
        """
        return cls(name="Hyperband", min_resource=min_resource, max_resource=max_resource)

    def problems(self, hyperparameters: Sequence[str]) -> list[str]:
        """Why SageMaker would refuse it. hyperparameters: names of those that all children share."""
        if self.name != "Hyperband":
            return []
        least, most = self.min_resource, self.max_resource
        found = []
        if least is None or least < 1:
            found.append(f"Hyperband needs a min_resource of at least 1, not {least}")
        if most is None and not set(_INFERRED) & set(hyperparameters):
            found.append(f"Hyperband needs max_resource, or one of the hyperparameters {', '.join(_INFERRED)}")
        if most is not None and (most > _MOST_RESOURCES or most < (least or 1)):
            found.append(
                f"max_resource of Hyperband is {most}, and must be at least min_resource ({least}) and at most "
                f"{_MOST_RESOURCES}"
            )
        return found


@dataclass(frozen=True, kw_only=True)
class WarmStart:
    """Earlier tuning jobs whose results this one begins with.

    parents: their names, at most 5. Each must have ended, and have had the same objective.
    same_data: data and image are the same as theirs. False: they may have changed (transfer learning).
    """

    parents: Sequence[Text]
    same_data: bool = True


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """One search.

    metric: the objective, one of the children's metric definitions. maximize: False: less is better.
    ranges: hyperparameter → its values, at most 30. None may be among the children's own hyperparameters.
    strategy: Omitted: Bayesian.
    max_jobs: children altogether; must be omitted for a grid, whose number follows from its ranges.
    max_parallel: children at a time. Few make a Bayesian search better, many make it faster.
    early_stopping: SageMaker stops children that will not be the best. Not for Hyperband, which does so by itself.
    warm_start: Omitted: it begins with nothing.
    seed: the same seed makes the same choices. Omitted: SageMaker's own.
    target: the search ends when the objective reaches this value. Omitted: it goes on to its last child.
    """

    metric: str
    ranges: Mapping[str, ParameterRange]
    max_parallel: int = 1
    max_jobs: int | None = None
    maximize: bool = True
    strategy: Strategy = Strategy(name="Bayesian")
    early_stopping: bool = False
    warm_start: WarmStart | None = None
    seed: int | None = None
    target: float | None = None

    @property
    def config(self) -> dict[str, Any]:
        """`HyperParameterTuningJobConfig`."""
        strategy = self.strategy
        return {
            "Strategy": strategy.name,
            "StrategyConfig": {
                "HyperbandStrategyConfig": {"MinResource": strategy.min_resource, "MaxResource": strategy.max_resource}
            }
            if strategy.name == "Hyperband"
            else None,
            "HyperParameterTuningJobObjective": {
                "Type": "Maximize" if self.maximize else "Minimize",
                "MetricName": self.metric,
            },
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": self.max_jobs,
                "MaxParallelTrainingJobs": self.max_parallel,
            },
            "ParameterRanges": {
                f"{kind}ParameterRanges": [
                    parameter.rendered(name) for name, parameter in self.ranges.items() if parameter.kind == kind
                ]
                for kind in ("Integer", "Continuous", "Categorical")
            },
            "TrainingJobEarlyStoppingType": "Auto" if self.early_stopping else "Off",
            "TuningJobCompletionCriteria": None if self.target is None else {"TargetObjectiveMetricValue": self.target},
            "RandomSeed": self.seed,
        }

    @property
    def warm_start_config(self) -> dict[str, Any] | None:
        """`WarmStartConfig`."""
        if not self.warm_start:
            return None
        return {
            "ParentHyperParameterTuningJobs": [
                {"HyperParameterTuningJobName": parent} for parent in self.warm_start.parents
            ],
            "WarmStartType": "IdenticalDataAndAlgorithm" if self.warm_start.same_data else "TransferLearning",
        }

    def problems(self, *, hyperparameters: Sequence[str], metrics: Sequence[str] | None) -> list[str]:
        """Why SageMaker would refuse it, or would wait for an objective that never comes.

        hyperparameters: names of those that all children share. metrics: names that their definitions have; None:
        known only when the state runs.
        """
        return [
            *(problem for name, parameter in self.ranges.items() for problem in parameter.problems(name)),
            *self.strategy.problems(hyperparameters),
            *self._limits(),
            *self._grid(),
            *(f"{name} is given a value and a range" for name in self.ranges if name in hyperparameters),
            *(
                [f"its objective {self.metric!r} is not among the metric definitions: {', '.join(metrics) or 'none'}"]
                if metrics is not None and self.metric not in metrics
                else []
            ),
            *(
                ["Hyperband stops children by itself: early_stopping must be False"]
                if self.strategy.name == "Hyperband" and self.early_stopping
                else []
            ),
            *(
                [f"it has {len(self.warm_start.parents)} parents, and must have between 1 and {_MOST_PARENTS}"]
                if self.warm_start and not 1 <= len(self.warm_start.parents) <= _MOST_PARENTS
                else []
            ),
        ]

    def _limits(self) -> list[str]:
        found = []
        if not 1 <= len(self.ranges) <= _MOST_PARAMETERS:
            found.append(f"it has {len(self.ranges)} ranges, and must have between 1 and {_MOST_PARAMETERS}")
        if self.max_parallel < 1:
            found.append(f"max_parallel is {self.max_parallel}, and must be at least 1")
        if self.strategy.name != "Grid" and (self.max_jobs is None or self.max_jobs < self.max_parallel):
            found.append(f"max_jobs is {self.max_jobs}, and must be at least max_parallel ({self.max_parallel})")
        return found

    def _grid(self) -> list[str]:
        if self.strategy.name != "Grid":
            return []
        others = [name for name, parameter in self.ranges.items() if parameter.kind != "Categorical"]
        found = []
        if others:
            found.append(f"a grid takes categorical ranges only, and {', '.join(others)} is none")
        if self.max_jobs is not None:
            found.append(f"max_jobs is {self.max_jobs}, and must be omitted: a grid runs every combination")
        return found
