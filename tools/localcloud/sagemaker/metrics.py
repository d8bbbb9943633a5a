"""Metrics: numbers that regular expressions find in a job's log."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.utils import utcnow

TRAINING_NAMESPACE = "/aws/sagemaker/TrainingJobs"


class LogMetrics:
    """Values that a job's metric definitions find in its log lines.

    definitions: [{"Name", "Regex"}] of the request; the first group is the number. A text that is no number is
    ignored, as SageMaker does.

    history: every value so far, by name, oldest first.
    """

    def __init__(self, definitions: Sequence[Mapping[str, str]]) -> None:
        self._patterns = [(definition["Name"], re.compile(definition["Regex"])) for definition in definitions]
        self._last: dict[str, tuple[float, datetime]] = {}
        self.history: dict[str, list[float]] = {name: [] for name, _ in self._patterns}

    def find(self, line: str) -> dict[str, float]:
        """What this line says, by name; remembered as the newest values."""
        found = {}
        for name, pattern in self._patterns:
            match = pattern.search(line)
            if not match or not match.groups() or match[1] is None:
                continue
            try:
                found[name] = float(match[1])
            except ValueError:
                continue
            self._last[name] = (found[name], utcnow())
            self.history[name].append(found[name])
        return found

    @property
    def final(self) -> list[dict[str, Any]]:
        """FinalMetricDataList: the last value of each metric."""
        return [{"MetricName": name, "Value": value, "Timestamp": at} for name, (value, at) in self._last.items()]


def put_training_metric(account: str, region: str, job: str, name: str, value: float) -> None:
    datum = {
        "MetricName": name,
        "Value": value,
        "Timestamp": utcnow(),
        "Dimensions": [{"Name": "TrainingJobName", "Value": job}, {"Name": "Host", "Value": "algo-1"}],
    }
    cloudwatch_backends[account][region].put_metric_data(TRAINING_NAMESPACE, [datum])
