"""What a stack says about the scaling of its endpoint: an SSM parameter, which CloudFormation restores on rollback."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dateutil.tz import gettz  # type: ignore[import-untyped]  # comes with boto3, and brings its time zones

_MINUTES_OF_A_WEEK = 7 * 24 * 60


@dataclass(frozen=True)
class Target:
    """A variant or a component that scales.

    policies: requests of PutScalingPolicy, without the target. alarm: one of PutMetricAlarm, without name and actions,
    whose `Policy` names the policy that it sets off. None: target tracking makes its own alarms.
    actions: requests of PutScheduledAction, without the target, and the minutes of the local `Week`, from Monday 00:00,
    at which each comes.
    """

    resource_id: str
    dimension: str
    minimum: int
    maximum: int
    policies: Sequence[Mapping[str, Any]] = ()
    actions: Sequence[Mapping[str, Any]] = ()
    alarm: Mapping[str, Any] | None = None

    @property
    def identity(self) -> dict[str, str]:
        """As every call of Application Auto Scaling takes it."""
        return {
            "ServiceNamespace": "sagemaker",
            "ResourceId": self.resource_id,
            "ScalableDimension": self.dimension,
        }

    def bounds(self, now: datetime) -> tuple[int, int]:
        """The least and the most that it has at that time: those of the scheduled action that came last, if any.

        A registration in office hours must not wait for the next morning to have the capacity of office hours.
        """
        ago = [(minutes, each) for each in self.actions if (minutes := _minutes_since(each, now)) is not None]
        if not ago:
            return self.minimum, self.maximum
        capacity = min(ago, key=lambda found: found[0])[1]["ScalableTargetAction"]
        return capacity["MinCapacity"], capacity["MaxCapacity"]


@dataclass(frozen=True)
class Declaration:
    """stack: id of the stack that says it."""

    endpoint: str
    stack: str
    targets: Sequence[Target]


def read(ssm: Any, name: str) -> Declaration | None:
    """The one in that parameter. None: there is none."""
    try:
        return parsed(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        return None


def read_all(ssm: Any, path: str) -> Iterator[Declaration]:
    """All of an environment."""
    for page in ssm.get_paginator("get_parameters_by_path").paginate(Path=path):
        for each in page["Parameters"]:
            yield parsed(each["Value"])


def parsed(text: str) -> Declaration:
    """The JSON of a parameter."""
    said = json.loads(text)
    return Declaration(
        endpoint=said["Endpoint"],
        stack=said["Stack"],
        targets=[
            Target(
                resource_id=each["ResourceId"],
                dimension=each["ScalableDimension"],
                minimum=each["MinCapacity"],
                maximum=each["MaxCapacity"],
                policies=each["Policies"],
                actions=each["Actions"],
                alarm=each.get("Alarm"),
            )
            for each in said["Targets"]
        ],
    )


def _minutes_since(action: Mapping[str, Any], now: datetime) -> int | None:
    """It came last. None: it never comes."""
    local = now.astimezone(gettz(action["Timezone"]))
    minute = (local.weekday() * 24 + local.hour) * 60 + local.minute
    return min(((minute - each) % _MINUTES_OF_A_WEEK for each in action["Week"]), default=None)
