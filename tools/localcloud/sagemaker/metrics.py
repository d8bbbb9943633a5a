"""Metrics: numbers that regular expressions find in a job's log, and counts of an endpoint's invocations."""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.utils import utcnow

TRAINING_NAMESPACE = "/aws/sagemaker/TrainingJobs"
ENDPOINT_NAMESPACE = "AWS/SageMaker"


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


@dataclass
class _Statistics:
    number: int = 0
    total: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    def add(self, value: float) -> None:
        self.number += 1
        self.total += value
        self.least = min(self.least, value)
        self.most = max(self.most, value)


@dataclass
class InvocationMetrics:
    """What CloudWatch shows of a variant's invocations, handed over once per second and not once per request."""

    account: str
    region: str
    endpoint: str
    _open: dict[tuple[str, str, str], _Statistics] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, variant: str, status: int, model_seconds: float, overhead_seconds: float) -> None:
        """status: the container's HTTP status. The two times become microseconds, as AWS counts them."""
        values = {
            ("Invocations", "Count"): 1.0,
            ("Invocation4XXErrors", "Count"): float(400 <= status < 500),
            ("Invocation5XXErrors", "Count"): float(status >= 500),
            ("InvocationModelErrors", "Count"): float(not 200 <= status < 300),
            ("ModelLatency", "Microseconds"): model_seconds * 1e6,
            ("OverheadLatency", "Microseconds"): overhead_seconds * 1e6,
        }
        with self._lock:
            for (name, unit), value in values.items():
                self._open.setdefault((variant, name, unit), _Statistics()).add(value)

    def flush(self) -> None:
        with self._lock:
            statistics, self._open = self._open, {}
        if not statistics:
            return
        now = utcnow()
        data = [
            {
                "MetricName": name,
                "Unit": unit,
                "Timestamp": now,
                "Dimensions": [
                    {"Name": "EndpointName", "Value": self.endpoint},
                    {"Name": "VariantName", "Value": variant},
                ],
                "StatisticValues": {
                    "SampleCount": values.number,
                    "Sum": values.total,
                    "Minimum": values.least,
                    "Maximum": values.most,
                },
            }
            for (variant, name, unit), values in statistics.items()
        ]
        cloudwatch_backends[self.account][self.region].put_metric_data(ENDPOINT_NAMESPACE, data)


def put_training_metric(account: str, region: str, job: str, name: str, value: float) -> None:
    datum = {
        "MetricName": name,
        "Value": value,
        "Timestamp": utcnow(),
        "Dimensions": [{"Name": "TrainingJobName", "Value": job}, {"Name": "Host", "Value": "algo-1"}],
    }
    cloudwatch_backends[account][region].put_metric_data(TRAINING_NAMESPACE, [datum])
