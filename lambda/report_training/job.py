"""What a training job's description says about its time and its money."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any


class Job:
    """One training job, from the answer of DescribeTrainingJob.

    instances: instance type → how many. checkpoints: their S3 prefix, or None.
    """

    def __init__(self, described: Mapping[str, Any]) -> None:
        self._described = described
        self.name: str = described["TrainingJobName"]
        resources = described["ResourceConfig"]
        groups = resources.get("InstanceGroups") or [resources]
        self.instances: dict[str, int] = {}
        for group in groups:
            kind = group["InstanceType"]
            self.instances[kind] = self.instances.get(kind, 0) + group["InstanceCount"]
        self.checkpoints: str | None = (described.get("CheckpointConfig") or {}).get("S3Uri")

    @property
    def instance_types(self) -> list[str]:
        return list(self.instances)

    @property
    def training_seconds(self) -> float | None:
        """Seconds of all its instances. None: not known before it ends. A job that never got an instance has none."""
        return self._seconds("TrainingTimeInSeconds")

    @property
    def billable_seconds(self) -> float | None:
        """As training_seconds, of what is billed: on managed spot, as many seconds of the on-demand price."""
        return self._seconds("BillableTimeInSeconds")

    @property
    def transitions(self) -> list[tuple[str, datetime]]:
        """Secondary statuses, and when each began."""
        return [(each["Status"], each["StartTime"]) for each in self._described.get("SecondaryStatusTransitions", [])]

    @property
    def interruptions(self) -> int:
        return sum(status == "Interrupted" for status, _ in self.transitions)

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        return {each["MetricName"]: each["Value"] for each in self._described.get("FinalMetricDataList", [])}

    def money(self, seconds: float | None, prices: Mapping[str, Mapping[str, Any]]) -> float:
        """What so many seconds of its instances cost. SageMaker bills them per second."""
        count = sum(self.instances.values())
        per_hour = sum(prices[name]["per_hour"] * number for name, number in self.instances.items())
        return float((seconds or 0) / count * per_hour / 3600)

    def summary(self, prices: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Of the report."""
        priced = all(name in prices for name in self.instances) and self.billable_seconds is not None
        return {
            "name": self.name,
            "status": self._described["TrainingJobStatus"],
            "secondary_status": self._described.get("SecondaryStatus"),
            "spot": bool(self._described.get("EnableManagedSpotTraining")),
            "instances": self.instances,
            "training_seconds": self.training_seconds,
            "billable_seconds": self.billable_seconds,
            "interruptions": self.interruptions,
            "cost": round(self.money(self.billable_seconds, prices), 4) if priced else None,
        }

    def _seconds(self, member: str) -> float | None:
        value = self._described.get(member)
        if value is None:
            # Failed and stopped before it had an instance: SageMaker leaves the member out, and bills nothing.
            return None if self._described["TrainingJobStatus"] in ("InProgress", "Stopping") else 0
        return float(value * sum(self.instances.values()))
