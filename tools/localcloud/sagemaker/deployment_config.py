"""DeploymentConfig: in which steps an update takes traffic over, and which alarms send it back.

https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.sagemaker.exceptions import ValidationError

_DEFAULT_EXECUTION_SECONDS = 28_800.0  # of AWS; its longest


@dataclass(frozen=True)
class Step:
    """A part of the traffic goes to the new fleet, and then bakes.

    share: of the requests, 0 < share ≤ 1. instances: how many that stands for. seconds: of AWS, in which alarms may
    send it back. waits_for: the member of the request that says so many.
    """

    share: float
    instances: int
    seconds: float
    waits_for: str


class DeploymentConfig:
    """One request's. request: the member, or nothing: all at once, without a wait."""

    def __init__(self, request: Mapping[str, Any] | None) -> None:
        self.request = dict(request or {})
        self._rolling = self.request.get("RollingUpdatePolicy") or {}
        self._blue_green = self.request.get("BlueGreenUpdatePolicy") or {}

    @property
    def is_rolling(self) -> bool:
        return bool(self._rolling)

    @property
    def alarms(self) -> list[str]:
        """Names of the alarms that send an update back."""
        alarms = (self.request.get("AutoRollbackConfiguration") or {}).get("Alarms") or []
        return [alarm["AlarmName"] for alarm in alarms]

    @property
    def longest(self) -> float:
        """Seconds of AWS that an update may take."""
        policy = self._rolling or self._blue_green
        return float(policy.get("MaximumExecutionTimeoutInSeconds") or _DEFAULT_EXECUTION_SECONDS)

    @property
    def batch_seconds(self) -> float:
        """Seconds of AWS that a batch of a rolling update bakes."""
        return float(self._rolling["WaitIntervalInSeconds"])

    def steps(self, instances: int) -> list[Step]:
        """Of a blue/green update of that many instances."""
        routing = self._blue_green.get("TrafficRoutingConfiguration") or {"Type": "ALL_AT_ONCE"}
        size = routing.get("CanarySize") or routing.get("LinearStepSize")
        wait = float(routing.get("WaitIntervalInSeconds") or 0)
        shares: list[float] = []
        if size and routing["Type"] != "ALL_AT_ONCE":
            share = _share(size, instances)
            count = 1 if routing["Type"] == "CANARY" else math.ceil(1 / share - 1e-9) - 1
            shares = [share * number for number in range(1, count + 1)]
        steps = [Step(share, math.ceil(share * instances), wait, "WaitIntervalInSeconds") for share in shares]
        last = float(self._blue_green.get("TerminationWaitInSeconds") or 0)
        return [*steps, Step(1.0, instances, last, "TerminationWaitInSeconds")]

    def batch(self, instances: int) -> int:
        """How many instances a rolling update replaces at a time."""
        return _instances(self._rolling["MaximumBatchSize"], instances)

    def rollback_batch(self, instances: int) -> int:
        """How many a rolling update brings back at a time: all, unless it says otherwise."""
        size = self._rolling.get("RollbackMaximumBatchSize")
        return _instances(size, instances) if size else max(instances, 1)

    def check(self, variants: list[dict[str, Any]], instances: int, before: set[str] | None = None) -> None:
        """What UpdateEndpoint and CreateEndpoint refuse. ValidationError: and why.

        variants: of the new configuration. instances: how many they have. before: names of the endpoint's variants.
        """
        if self._rolling and self._blue_green:
            raise ValidationError("DeploymentConfig has BlueGreenUpdatePolicy or RollingUpdatePolicy, not both.")
        names = {variant["VariantName"] for variant in variants}
        if self.request and before and names != before:
            raise ValidationError(
                f"DeploymentConfig needs the variants that the endpoint has ({', '.join(sorted(before))}), not "
                f"{', '.join(sorted(names))}."
            )
        if self._rolling:
            if len(variants) > 1:
                raise ValidationError("RollingUpdatePolicy is for endpoints with one production variant.")
            _check_size("MaximumBatchSize", self._rolling["MaximumBatchSize"], instances, 5, 50)
            if size := self._rolling.get("RollbackMaximumBatchSize"):
                _check_size("RollbackMaximumBatchSize", size, instances, 5, 100)
        routing = self._blue_green.get("TrafficRoutingConfiguration") or {}
        for kind, member, least in (("CANARY", "CanarySize", 1), ("LINEAR", "LinearStepSize", 10)):
            if (routing.get("Type") == kind) != bool(routing.get(member)):
                raise ValidationError(
                    f"TrafficRoutingConfiguration of type {kind} has {member}, and no other type has."
                )
            if size := routing.get(member):
                _check_size(member, size, instances, least, 50)


def _check_size(member: str, size: Mapping[str, Any], instances: int, least: int, most: int) -> None:
    value, by_percent = int(size["Value"]), size["Type"] == "CAPACITY_PERCENT"
    if by_percent and not least <= value <= most:
        raise ValidationError(f"{member} must be {least} to {most} percent of the variant's capacity, not {value}.")
    if not by_percent and value > instances * most / 100:
        raise ValidationError(
            f"{member} must be at most {most} percent of the variant's {instances} instance(s), not {value} of them."
        )


def _share(size: Mapping[str, Any], instances: int) -> float:
    value = float(size["Value"])
    return min(1.0, value / 100 if size["Type"] == "CAPACITY_PERCENT" else value / max(instances, 1))


def _instances(size: Mapping[str, Any], instances: int) -> int:
    return max(1, math.ceil(_share(size, instances) * instances - 1e-9))
