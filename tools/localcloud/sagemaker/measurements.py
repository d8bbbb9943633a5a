"""Metrics of what an endpoint's variant is not: its queue, a serverless variant, a component's copies."""

import threading

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.utils import utcnow

from localcloud.sagemaker.endpoint_metrics import REQUESTS


class Measurements:
    """Values under one set of dimensions, handed to CloudWatch together. dimensions: by name, without `Name`."""

    def __init__(self, account: str, region: str, dimensions: dict[str, str]) -> None:
        self._account = account
        self._region = region
        self._dimensions = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        self._open: dict[tuple[str, str], list[float]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, value: float, unit: str = "Count") -> None:
        with self._lock:
            self._open.setdefault((name, unit), []).append(value)

    def flush(self) -> None:
        """Hands over what was added since the last time."""
        with self._lock:
            measured, self._open = self._open, {}
        now = utcnow()
        data = [
            {
                "MetricName": name,
                "Unit": unit,
                "Timestamp": now,
                "Dimensions": self._dimensions,
                "Values": values,  # not StatisticValues, of which there is no percentile
            }
            for (name, unit), values in measured.items()
        ]
        if data:
            cloudwatch_backends[self._account][self._region].put_metric_data(REQUESTS, data)
