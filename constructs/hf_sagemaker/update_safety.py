"""How an endpoint's update takes traffic over, and when SageMaker gives it back. Imports no CDK."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hf_sagemaker.endpoint_parts import EndpointMode

Strategy = Literal["canary", "linear", "rolling", "all-at-once"]
"""canary: a part of the new fleet first, then all of it. linear: in equal steps. rolling: instance by instance, without
a second fleet. all-at-once: a whole new fleet, at once."""
RollbackAlarm = Literal["client-faults", "server-faults", "latency", "model-errors", "gpu-memory", "disk"]
"""What gives an update back, and the anchor of its runbook."""

ROLLBACK_ALARMS: tuple[RollbackAlarm, ...] = (
    "server-faults",
    "model-errors",
    "latency",
    "client-faults",
    "gpu-memory",
    "disk",
)
"""In the order in which they count where SageMaker takes no more."""
MOST_ALARMS = 10
"""That SageMaker watches in one update."""
STRATEGIES: Mapping[EndpointMode, tuple[Strategy, ...]] = {
    "real-time": ("canary", "linear", "rolling", "all-at-once"),
    "multi-model": ("canary", "linear", "rolling", "all-at-once"),
    "asynchronous": ("canary", "linear", "rolling", "all-at-once"),
    # SageMaker's guardrails are for real-time and asynchronous endpoints; components have an update of their own.
    "serverless": ("all-at-once",),
    "components": ("rolling", "all-at-once"),
}
"""That SageMaker has for a mode."""
_SIZES: Mapping[Strategy, tuple[int, int, int]] = {
    "canary": (1, 50, 10),
    "linear": (10, 50, 25),
    "rolling": (5, 50, 50),
}
"""Percent of the instances or copies: least, most, and unless told otherwise."""
_LONGEST_WAIT = 3600
_EXECUTION = (600, 28800)


@dataclass(frozen=True, kw_only=True)
class UpdateSafety:
    """What an update does.

    strategy: see Strategy.
    size_percent: of the instances, or copies, of the first part, of each step, or of each batch. Omitted: 10 for
        canary, 25 for linear, 50 for rolling.
    wait: seconds for which the alarms are watched after each part, and after the last one.
    termination_wait: seconds for which the old fleet is kept after that, so that it can be given back at once.
    longest: seconds after which an update is given back. Omitted: all the waits, and an hour for starts.
    rollback_alarms: by which it is given back. Empty: by none.
    """

    strategy: Strategy = "canary"
    size_percent: int | None = None
    wait: int = 300
    termination_wait: int = 0
    longest: int | None = None
    rollback_alarms: tuple[RollbackAlarm, ...] = ROLLBACK_ALARMS

    @classmethod
    def default(cls, mode: EndpointMode, *, disposable: bool, variants: int = 1) -> "UpdateSafety":
        """What an endpoint has unless its settings say otherwise.

        Where people try things, an update is quick, with alarms; elsewhere a part of the traffic goes first. Several
        variants may come and go, which SageMaker refuses under any guardrail: they have none.
        """
        if mode == "serverless" or variants > 1:
            return cls(strategy="all-at-once", wait=0, rollback_alarms=())
        if mode == "components":
            return cls(strategy="rolling", wait=60 if disposable else 300)
        return cls(strategy="all-at-once", wait=60) if disposable else cls()

    @property
    def is_guarded(self) -> bool:
        """Whether SageMaker is told anything: else an update is its own blue/green at once, which asks no alarm."""
        return not (self.strategy == "all-at-once" and not self.rollback_alarms)

    @property
    def size(self) -> int:
        """Percent."""
        return self.size_percent or _SIZES[self.strategy][2]

    @property
    def longest_execution(self) -> int:
        """Seconds."""
        steps = {"canary": 2, "all-at-once": 1}.get(self.strategy) or -(-100 // self.size)
        return self.longest or min(_EXECUTION[1], 3600 + steps * self.wait + self.termination_wait)

    def problems(
        self, mode: EndpointMode, *, variants: int = 1, has_shadow: bool = False, instance_types: Sequence[str] = ()
    ) -> list[tuple[str, str]]:
        """(field, what it must be) for each field that cannot be so."""
        found: list[tuple[str, str]] = []
        if self.strategy not in STRATEGIES[mode]:
            found.append(("strategy", f"must be {' or '.join(STRATEGIES[mode])} for an endpoint of mode {mode}"))
        elif mode == "serverless" and self.rollback_alarms:
            found.append(
                ("rollback_alarms", "must be []: SageMaker watches no alarms in updates of serverless endpoints")
            )
        elif self.strategy == "rolling" and (variants > 1 or has_shadow):
            found.append(("strategy", "must be another one: SageMaker rolls endpoints with one variant and no shadow"))
        elif self.is_guarded and (old := [name for name in instance_types if name.startswith("ml.inf1.")]):
            found.append(
                (
                    "strategy",
                    f"must be all-at-once, with rollback_alarms: []: SageMaker does nothing else for {', '.join(old)}",
                )
            )
        if self.size_percent is not None:
            least, most, _ = _SIZES.get(self.strategy, (0, 0, 0))
            if not most:
                found.append(("size_percent", "must be left out with all-at-once"))
            elif not least <= self.size_percent <= most:
                found.append(("size_percent", f"must be {least} to {most} with {self.strategy}"))
        for field in ("wait", "termination_wait"):
            if not 0 <= getattr(self, field) <= _LONGEST_WAIT:
                found.append((field, f"must be 0 to {_LONGEST_WAIT} seconds"))
        if self.strategy == "rolling" and self.termination_wait:
            found.append(("termination_wait", "must be left out with rolling: no old fleet is left"))
        if self.longest is not None and not _EXECUTION[0] <= self.longest <= _EXECUTION[1]:
            found.append(("longest", f"must be {_EXECUTION[0]} to {_EXECUTION[1]} seconds"))
        return found

    def deployment_config(self, alarm_names: Sequence[str]) -> dict[str, Any] | None:
        """DeploymentConfig of an endpoint, as CloudFormation takes it. None: it has none.

        alarm_names: of those that give the update back; the first ten count.
        """
        if not self.is_guarded:
            return None
        rollback = {"AutoRollbackConfiguration": _alarms(alarm_names)} if alarm_names else {}
        if self.strategy == "rolling":
            return {"RollingUpdatePolicy": self._rolling(), **rollback}
        routing: dict[str, Any] = {
            "Type": self.strategy.replace("-", "_").upper(),
            "WaitIntervalInSeconds": self.wait,
        }
        if self.strategy in ("canary", "linear"):
            step = {"canary": "CanarySize", "linear": "LinearStepSize"}[self.strategy]
            routing[step] = {"Type": "CAPACITY_PERCENT", "Value": self.size}
        policy = {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": self.termination_wait,
            "MaximumExecutionTimeoutInSeconds": self.longest_execution,
        }
        return {"BlueGreenUpdatePolicy": policy, **rollback}

    def component_deployment_config(self, alarm_names: Sequence[str]) -> dict[str, Any] | None:
        """DeploymentConfig of an inference component, which only rolls. None: it has none. alarm_names: as above."""
        if self.strategy != "rolling":
            return None
        rollback = {"AutoRollbackConfiguration": _alarms(alarm_names)} if alarm_names else {}
        return {"RollingUpdatePolicy": self._rolling(), **rollback}

    def _rolling(self) -> dict[str, Any]:
        return {
            "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": self.size},
            "WaitIntervalInSeconds": self.wait,
            "MaximumExecutionTimeoutInSeconds": self.longest_execution,
        }


def _alarms(names: Sequence[str]) -> dict[str, Any]:
    return {"Alarms": [{"AlarmName": name} for name in names[:MOST_ALARMS]]}
