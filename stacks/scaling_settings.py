"""By what an endpoint scales. Never imports aws_cdk, see stacks/settings.py."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from hf_sagemaker.endpoint_parts import EndpointMode
from hf_sagemaker.scaling_policies import EndpointScaling, ScalingMetric, ScheduledCapacity, problems
from stacks.settings_base import Name, Problem, Settings

_Count = Annotated[int, Field(ge=0, le=1000)]
_Seconds = Annotated[int, Field(ge=0, le=3600)]
_FIELDS = {
    "minimum": "min_instances",
    "maximum": "max_instances",
    "scale_out_cooldown": "scale_out_cooldown_seconds",
    "scale_in_cooldown": "scale_in_cooldown_seconds",
}


class ScheduledCapacitySettings(Settings):
    """Other limits from a time of the week on, until the next entry's time comes."""

    name: Name
    cron: str
    """Minutes, hours, ?, *, days of the week, *: for example `0 8 ? * MON-FRI *`."""
    time_zone: str
    """For example Europe/Berlin: its summer time counts."""
    min_instances: _Count
    max_instances: _Count


class ScalingSettings(Settings):
    """What moves the number of instances, of a component's copies, or the provisioned concurrency."""

    metric: ScalingMetric | None = None
    """Omitted: concurrent-requests for real-time and components, invocations for multi-model, backlog for
    asynchronous, provisioned-concurrency for serverless."""
    target: float | None = None
    """The metric's value that is aimed at. Omitted: 5 concurrent requests, 600 invocations a minute, 70 % of GPU or
    CPU, 80 % of GPU memory, a backlog of 5, 0.7 of the provisioned concurrency."""
    scale_out_cooldown_seconds: _Seconds = 60
    scale_in_cooldown_seconds: _Seconds = 300
    scale_in: bool = True
    """False: it only grows; to shrink it takes a schedule, or a person."""
    schedule: list[ScheduledCapacitySettings] = []

    def resolve(self, minimum: int, maximum: int, target: float | None = None) -> EndpointScaling:
        """As the constructs take it. minimum, maximum: the endpoint's or the component's. target: where none is said
        here. Omitted: the metric's."""
        return EndpointScaling(
            minimum=minimum,
            maximum=maximum,
            metric=self.metric,
            target=target if self.target is None else self.target,
            scale_out_cooldown=self.scale_out_cooldown_seconds,
            scale_in_cooldown=self.scale_in_cooldown_seconds,
            scale_in=self.scale_in,
            schedule=tuple(
                ScheduledCapacity(
                    name=each.name,
                    cron=each.cron,
                    time_zone=each.time_zone,
                    minimum=each.min_instances,
                    maximum=each.max_instances,
                )
                for each in self.schedule
            ),
        )


def scaling_problems(
    path: str,
    settings: ScalingSettings,
    *,
    mode: EndpointMode,
    minimum: int,
    maximum: int,
    instance_types: Sequence[str] = (),
) -> list[Problem]:
    """What no field can know. path: of `scaling` in the file. minimum, maximum: checked where they stand."""
    found: list[Problem] = []
    for field, problem in problems(mode, settings.resolve(minimum, maximum), instance_types):
        if field in ("minimum", "maximum"):
            continue
        *entry, name = field.split(".")
        where = ".".join([*entry, _FIELDS.get(name, name)])
        found.append((f"{path}.{where}", _value(settings, where), problem))
    return found


def _value(settings: ScalingSettings, where: str) -> object:
    value: object = settings
    for each in where.split("."):
        value = value[int(each)] if isinstance(value, list) else getattr(value, each)
    return value
