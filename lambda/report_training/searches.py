"""The tuning jobs of a run: which training jobs each has started, and which was best."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError


@dataclass(frozen=True, kw_only=True)
class Search:
    """One tuning job.

    redrive: which redrive of the run has started it, 0 for none.
    children: as ListTrainingJobsForHyperParameterTuningJob shows them, in the order in which they were started.
    """

    name: str
    redrive: int
    children: Sequence[dict[str, Any]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Of its training jobs."""
        return [child["TrainingJobName"] for child in self.children]

    @property
    def best(self) -> dict[str, Any] | None:
        """{job, objective, value} of the best. None: none has reported the objective."""
        told = [child["FinalHyperParameterTuningJobObjectiveMetric"] | child for child in self.children if _told(child)]
        if not told:
            return None
        found = (min if told[0].get("Type") == "Minimize" else max)(told, key=lambda each: float(each["Value"]))
        return {"job": found["TrainingJobName"], "objective": found["MetricName"], "value": found["Value"]}

    def summary(self) -> dict[str, Any]:
        """Of the report."""
        return {"name": self.name, "redrive": self.redrive, "training_jobs": len(self.children), "best": self.best}


def _told(child: dict[str, Any]) -> bool:
    return child.get("ObjectiveStatus") == "Succeeded" and "FinalHyperParameterTuningJobObjectiveMetric" in child


def searches(sagemaker: Any, names: dict[str, int]) -> list[Search]:
    """What SageMaker says of them; one that it refused to create has no children."""
    return [Search(name=name, redrive=redrive, children=_children(sagemaker, name)) for name, redrive in names.items()]


def _children(sagemaker: Any, name: str) -> list[dict[str, Any]]:
    pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    try:
        return [
            child
            for page in pages.paginate(HyperParameterTuningJobName=name, SortBy="CreationTime", SortOrder="Ascending")
            for child in page["TrainingJobSummaries"]
        ]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFound", "ValidationException"):
            return []
        raise
