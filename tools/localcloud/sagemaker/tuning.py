"""Tuning jobs that run: children are training jobs like any other, and their metrics decide what comes next."""

import math
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from localcloud.sagemaker import tuning_request
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.running_job import JobFailedError, RunningJob
from localcloud.sagemaker.training import TrainingJob
from localcloud.sagemaker.tuning_search import (
    BayesianSearch,
    GridSearch,
    Halving,
    Observation,
    RandomSearch,
    Search,
    Values,
    falls_behind,
    parameters,
)

_PATIENCE = 5  # children without any success, after which AWS gives up
_ENDED = ("Completed", "Failed", "Stopped")


class Child:
    """One training job of a tuning job, and the values that were chosen for it."""

    def __init__(self, job: TrainingJob, values: Values, objective: dict[str, str], tuning_job: str) -> None:
        self.job = job
        self.values = values
        self._objective = objective
        self._tuning_job = tuning_job

    @property
    def ended(self) -> bool:
        return self.job.training_job_status in _ENDED

    @property
    def scores(self) -> list[float]:
        """The objective so far, better the higher it is."""
        sign = 1 if self._objective["Type"] == "Maximize" else -1
        values = self.job.metrics.history.get(self._objective["MetricName"]) or []
        return [sign * value for value in list(values) if math.isfinite(value)]

    @property
    def score(self) -> float | None:
        """What it ended with. None: it has not, has failed, or never told."""
        scores = self.scores if self.job.training_job_status in ("Completed", "Stopped") else []
        return scores[-1] if scores else None

    def summary(self) -> dict[str, Any]:
        """As ListTrainingJobsForHyperParameterTuningJob shows it."""
        score, sign = self.score, 1 if self._objective["Type"] == "Maximize" else -1
        answer = {
            "TrainingJobName": self.job.training_job_name,
            "TrainingJobArn": self.job.arn,
            "TuningJobName": self._tuning_job,
            "CreationTime": self.job.creation_time,
            "TrainingStartTime": self.job.training_start_time,
            "TrainingEndTime": self.job.training_end_time,
            "TrainingJobStatus": self.job.training_job_status,
            "TunedHyperParameters": self.values,
            "FailureReason": self.job.failure_reason,
            "ObjectiveStatus": self.objective_status,
            "FinalHyperParameterTuningJobObjectiveMetric": None
            if score is None
            else {**self._objective, "Value": sign * score},
        }
        return {name: value for name, value in answer.items() if value is not None}

    @property
    def objective_status(self) -> str:
        if not self.ended:
            return "Pending"
        return "Failed" if self.score is None else "Succeeded"


class TuningJob(RunningJob):
    """One tuning job. train: starts a training job. parents: what it warms up with, ended all of them.

    Attributes that begin with its kind are those that moto's ListHyperParameterTuningJobs and tagging read.
    """

    kind = "hyper-parameter-tuning-job"

    def __init__(
        self,
        compute: Compute,
        request: dict[str, Any],
        account: str,
        region: str,
        arn: str,
        train: Callable[[dict[str, Any], str], TrainingJob],
        parents: Sequence["TuningJob"],
    ) -> None:
        super().__init__(compute, request, account, region, request["HyperParameterTuningJobName"], arn)
        self.hyper_parameter_tuning_job_name = self.name
        self.parents = parents
        self.children: list[Child] = []
        self._train = train
        self._config: dict[str, Any] = request["HyperParameterTuningJobConfig"]
        self._search = _search(self._config)
        self._halving = Halving(*tuning_request.resources(request)) if self._config["Strategy"] == "Hyperband" else None

    @property
    def hyper_parameter_tuning_job_status(self) -> str:
        return self.status

    def work(self) -> None:
        self.begin()
        try:
            while self._advance():
                self.check_limits()
                time.sleep(0.2)
        finally:
            for child in self.children:
                child.job.stop()
            while not all(child.ended for child in self.children):
                time.sleep(0.1)
        if reason := self._hopeless(at_end=True):
            raise JobFailedError(reason)

    def _advance(self) -> bool:
        """Starts and stops children. False: there is nothing left to do."""
        self.check_limits()
        if reason := self._hopeless():
            raise JobFailedError(reason)
        running = [child for child in self.children if not child.ended]
        for child in self.children:
            if self._must_stop(child) and not child.ended:
                child.job.stop()
        if self._target_reached():
            return False
        limits = self._config["ResourceLimits"]
        while (
            len(running) < limits["MaxParallelTrainingJobs"]
            and len(self.children) < tuning_request.number_of_children(self.request)
            and (values := self._search.next(self._seen())) is not None
        ):
            running.append(self._launch(values))
        return bool(running)

    def _launch(self, values: Values) -> Child:
        name = f"{self.name}-{len(self.children) + 1:03d}-{uuid.uuid4().hex[:8]}"
        job = self._train(tuning_request.child_request(self.request, name, values), self.arn)
        child = Child(job, values, tuning_request.objective(self.request), self.name)
        self.children.append(child)
        return child

    def _seen(self) -> list[Observation]:
        children = [*self.children, *(child for parent in self.parents for child in parent.children)]
        return [Observation(child.values, child.score) for child in children if child.score is not None]

    def _must_stop(self, child: Child) -> bool:
        scores = child.scores
        if self._halving:
            return self._halving.ends(child.job.training_job_name, scores)
        if self._config.get("TrainingJobEarlyStoppingType") != "Auto":
            return False
        completed = [other.scores for other in self.children if other.job.training_job_status == "Completed"]
        return falls_behind(scores, completed)

    def _target_reached(self) -> bool:
        criteria = self._config.get("TuningJobCompletionCriteria") or {}
        target, best = criteria.get("TargetObjectiveMetricValue"), self.best(self.children)
        if target is None or best is None or best.score is None:
            return False
        sign = 1 if tuning_request.objective(self.request)["Type"] == "Maximize" else -1
        return best.score >= sign * float(target)

    def _hopeless(self, *, at_end: bool = False) -> str | None:
        """Why the tuning job has failed, where none of enough children came to anything."""
        ended = [child for child in self.children if child.ended]
        if any(child.score is not None for child in ended) or (len(ended) < _PATIENCE and not at_end):
            return None
        failed = [child for child in ended if child.job.training_job_status == "Failed"]
        if failed:
            return (
                f"No training job succeeded after {len(ended)} attempts. For additional details, please take a look at "
                f"the training job failures by listing training jobs for the hyperparameter tuning job. The first "
                f"one's: {failed[0].job.failure_reason}"
            )
        return (
            f"No objective metrics found after running {len(ended)} training jobs. Please ensure that the custom "
            "algorithm is emitting the objective metric as defined by the regular expression provided."
        )

    @staticmethod
    def best(children: Sequence[Child]) -> Child | None:
        """The one with the best objective; the earlier one of equals."""
        scored = [(child.score, -number, child) for number, child in enumerate(children) if child.score is not None]
        return max(scored, key=lambda each: each[:2])[2] if scored else None

    def describe(self) -> dict[str, Any]:
        """DescribeHyperParameterTuningJob's answer."""
        statuses = Counter(child.job.training_job_status for child in self.children)
        objectives = Counter(child.objective_status for child in self.children)
        best = self.best(self.children)
        family = [*self.children, *(child for parent in self.parents for child in parent.children)]
        overall = self.best(family) if self.parents else None
        return self.described(
            {
                "HyperParameterTuningJobArn": self.arn,
                "HyperParameterTuningJobStatus": self.status,
                "HyperParameterTuningEndTime": self.end_time,
                "TrainingJobStatusCounters": {
                    "Completed": statuses["Completed"],
                    "InProgress": statuses["InProgress"] + statuses["Stopping"],
                    "RetryableError": 0,
                    "NonRetryableError": statuses["Failed"],
                    "Stopped": statuses["Stopped"],
                },
                "ObjectiveStatusCounters": {name: objectives[name] for name in ("Succeeded", "Pending", "Failed")},
                "BestTrainingJob": best.summary() if best else None,
                "OverallBestTrainingJob": overall.summary() if overall else None,
            }
        )

    def summary(self) -> dict[str, Any]:
        """As ListHyperParameterTuningJobs shows it."""
        described = self.describe()
        wanted = (
            "HyperParameterTuningJobName",
            "HyperParameterTuningJobArn",
            "HyperParameterTuningJobStatus",
            "CreationTime",
            "LastModifiedTime",
            "HyperParameterTuningEndTime",
            "TrainingJobStatusCounters",
            "ObjectiveStatusCounters",
        )
        limits = {"Strategy": self._config["Strategy"], "ResourceLimits": self._config["ResourceLimits"]}
        return {**limits, **{name: described[name] for name in wanted if name in described}}


def _search(config: dict[str, Any]) -> Search:
    given = parameters(config["ParameterRanges"])
    if config["Strategy"] == "Grid":
        return GridSearch(given)
    chance = random.Random(config.get("RandomSeed"))
    return BayesianSearch(given, chance) if config["Strategy"] == "Bayesian" else RandomSearch(given, chance)
