"""What Application Auto Scaling is told of a variant or a component: which metric suits its mode, and the requests.

Imports no CDK: settings are checked with it. Names are those of botocore's service model, which a test compares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal
from zoneinfo import available_timezones

from hf_sagemaker import schedule_expression
from hf_sagemaker.endpoint_parts import EndpointMode, EndpointPart
from hf_sagemaker.instance_types import instance_type

ScalingMetric = Literal[
    "concurrent-requests",
    "invocations",
    "gpu-utilization",
    "gpu-memory",
    "cpu-utilization",
    "backlog",
    "provisioned-concurrency",
]
"""concurrent-requests: in flight per instance or copy, every 10 seconds. invocations: per minute, per instance or copy.
gpu-utilization, gpu-memory, cpu-utilization: percent; of several devices the sum, so that 4 GPUs have up to 400.
backlog: requests that wait, per instance. provisioned-concurrency: its share that is used, 0.1 to 0.9."""

_HOST: tuple[ScalingMetric, ...] = ("gpu-utilization", "gpu-memory", "cpu-utilization")
METRICS: dict[EndpointMode, tuple[ScalingMetric, ...]] = {
    "real-time": ("concurrent-requests", "invocations", *_HOST),
    "multi-model": ("invocations", *_HOST),
    "components": ("concurrent-requests", "invocations"),
    "asynchronous": ("backlog",),
    "serverless": ("provisioned-concurrency",),
}
"""Those that a mode has; the first is what it scales by unless told otherwise. The concurrency of a multi-model
endpoint is counted per model, of which one container has many: it says nothing about the instance."""
TARGETS: dict[ScalingMetric, tuple[float, float, float]] = {
    "concurrent-requests": (0.1, 1000, 5),
    "invocations": (1, 1_000_000, 600),
    "gpu-utilization": (1, 800, 70),
    "gpu-memory": (1, 800, 80),
    "cpu-utilization": (1, 19200, 70),
    "backlog": (0.1, 10_000, 5),
    "provisioned-concurrency": (0.1, 0.9, 0.7),
}
"""Least, most, and what is aimed at unless told otherwise."""
LEAST: dict[EndpointMode, int] = {
    "real-time": 1,
    "multi-model": 1,
    "components": 0,
    "asynchronous": 0,
    "serverless": 1,
}
"""Instances, copies, or provisioned concurrency."""
POLICY, FROM_ZERO = "Target", "FromZero"
"""Names of the policies."""
_PREDEFINED: dict[tuple[str, ScalingMetric], str] = {
    ("variant", "concurrent-requests"): "SageMakerVariantConcurrentRequestsPerModelHighResolution",
    ("component", "concurrent-requests"): "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution",
    ("variant", "invocations"): "SageMakerVariantInvocationsPerInstance",
    ("component", "invocations"): "SageMakerInferenceComponentInvocationsPerCopy",
    ("variant", "provisioned-concurrency"): "SageMakerVariantProvisionedConcurrencyUtilization",
}
_HOST_METRICS = {
    "gpu-utilization": "GPUUtilization",
    "gpu-memory": "GPUMemoryUtilization",
    "cpu-utilization": "CPUUtilization",
}
_MOST_TIMES_A_WEEK = 50
_TO_START = 300
"""Seconds that the first instance or copy needs at least."""


@dataclass(frozen=True, kw_only=True)
class ScheduledCapacity:
    """From a time on, other bounds; until the next scheduled capacity comes.

    cron: as Application Auto Scaling takes it, without `cron()`: `0 8 ? * MON-FRI *`. It has to come each week.
    time_zone: its name, for example Europe/Berlin. minimum, maximum: as in EndpointScaling.
    """

    name: str
    cron: str
    time_zone: str
    minimum: int
    maximum: int


@dataclass(frozen=True, kw_only=True)
class EndpointScaling:
    """How much of a variant or component there is, and what moves that.

    minimum, maximum: instances, copies, or provisioned concurrency. From 0, a request that finds none brings the first.
    metric: omitted: the first that its mode has. target: its value that is aimed at. Omitted: see TARGETS.
    scale_out_cooldown, scale_in_cooldown: seconds after a change before the next. Omitted: one minute out, five minutes
        in: a model takes minutes to load.
    scale_in: False: it only grows, until somebody or a schedule says otherwise.
    schedule: bounds by the clock. Omitted: always the same.
    """

    minimum: int = 1
    maximum: int = 2
    metric: ScalingMetric | None = None
    target: float | None = None
    scale_out_cooldown: int = 60
    scale_in_cooldown: int = 300
    scale_in: bool = True
    schedule: tuple[ScheduledCapacity, ...] = ()


def problems(mode: EndpointMode, scaling: EndpointScaling, instance_types: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(field, what it must be) for each field that cannot be so. instance_types: that the endpoint runs on."""
    known, least = METRICS[mode], LEAST[mode]
    metric = scaling.metric or known[0]
    found: list[tuple[str, str]] = []
    if metric not in known:
        found.append(("metric", f"must be one that an endpoint of mode {mode} has: {', '.join(known)}"))
    elif without := _without_gpu(metric, instance_types):
        found.append(("metric", f"must be another one: {', '.join(without)} has no GPU"))
    lowest, highest, _ = TARGETS[metric]
    if scaling.target is not None and not lowest <= scaling.target <= highest:
        found.append(("target", f"must be {lowest:g} to {highest:g} for the metric {metric}"))
    for field in ("scale_out_cooldown", "scale_in_cooldown"):
        if not 0 <= getattr(scaling, field) <= 3600:
            found.append((field, "must be 0 to 3600 seconds"))
    found += _bounds_problems("", scaling.minimum, scaling.maximum, least, mode)
    names = [each.name for each in scaling.schedule]
    for i, each in enumerate(scaling.schedule):
        if each.name in names[:i]:
            found.append((f"schedule.{i}.name", "must be a name that no earlier entry has"))
        found += _bounds_problems(f"schedule.{i}.", each.minimum, each.maximum, least, mode)
        if each.time_zone not in available_timezones():
            found.append((f"schedule.{i}.time_zone", "must be a time zone's name, for example Europe/Berlin or UTC"))
        try:
            _week(each.cron)
        except ValueError as error:
            found.append((f"schedule.{i}.cron", str(error)))
    return found


def declared(mode: EndpointMode, part: EndpointPart, scaling: EndpointScaling) -> dict[str, Any]:
    """What the function that scales is told of a part, as `scale_endpoint.declaration` reads it.

    Raises ValueError with all problems.
    """
    if found := problems(mode, scaling, part.instance_types):
        raise ValueError(f"{part.name}: " + "; ".join(f"{field} {problem}" for field, problem in found))
    metric = scaling.metric or METRICS[mode][0]
    policies = [_target_tracking(part, scaling, metric)]
    alarm = None
    if 0 in (scaling.minimum, *(each.minimum for each in scaling.schedule)):
        policies.append(_from_zero(scaling))
        alarm = _alarm_from_zero(part)
    return {
        "ResourceId": part.resource_id,
        "ScalableDimension": dimension(mode),
        "MinCapacity": scaling.minimum,
        "MaxCapacity": scaling.maximum,
        "Policies": policies,
        "Actions": [
            {
                "ScheduledActionName": each.name,
                "Schedule": f"cron({each.cron})",
                "Timezone": each.time_zone,
                "ScalableTargetAction": {"MinCapacity": each.minimum, "MaxCapacity": each.maximum},
                "Week": _week(each.cron),
            }
            for each in scaling.schedule
        ],
        "Alarm": alarm,
    }


def dimension(mode: EndpointMode) -> str:
    """What is scaled, as Application Auto Scaling names it."""
    if mode == "components":
        return "sagemaker:inference-component:DesiredCopyCount"
    if mode == "serverless":
        return "sagemaker:variant:DesiredProvisionedConcurrency"
    return "sagemaker:variant:DesiredInstanceCount"


def _target_tracking(part: EndpointPart, scaling: EndpointScaling, metric: ScalingMetric) -> dict[str, Any]:
    target = TARGETS[metric][2] if scaling.target is None else scaling.target
    if predefined := _PREDEFINED.get((part.kind, metric)):
        specification: dict[str, Any] = {"PredefinedMetricSpecification": {"PredefinedMetricType": predefined}}
    elif metric == "backlog":
        specification = _customized(
            "AWS/SageMaker", "ApproximateBacklogSizePerInstance", EndpointName=part.endpoint_name
        )
    else:
        specification = _customized(
            "/aws/sagemaker/Endpoints", _HOST_METRICS[metric], EndpointName=part.endpoint_name, VariantName=part.name
        )
    return {
        "PolicyName": POLICY,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": target,
            **specification,
            "ScaleOutCooldown": scaling.scale_out_cooldown,
            "ScaleInCooldown": scaling.scale_in_cooldown,
            "DisableScaleIn": not scaling.scale_in,
        },
    }


def _customized(namespace: str, name: str, **dimensions: str) -> dict[str, Any]:
    return {
        "CustomizedMetricSpecification": {
            "MetricName": name,
            "Namespace": namespace,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            "Statistic": "Average",
        }
    }


def _from_zero(scaling: EndpointScaling) -> dict[str, Any]:
    """Target tracking divides by what is there, and cannot leave zero.

    The alarm stays until the first instance answers: sooner than that, the step would be taken again.
    """
    return {
        "PolicyName": FROM_ZERO,
        "PolicyType": "StepScaling",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Maximum",
            "Cooldown": max(scaling.scale_out_cooldown, _TO_START),
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    }


def _alarm_from_zero(part: EndpointPart) -> dict[str, Any]:
    """As PutMetricAlarm takes it. Where nothing is asked there is no data, which is no reason for an instance."""
    if part.kind == "component":
        name, dimensions = "NoCapacityInvocationFailures", {"InferenceComponentName": part.name}
        statistic, period, periods = "Maximum", 30, 1  # a caller waits
    else:
        name, dimensions = "HasBacklogWithoutCapacity", {"EndpointName": part.endpoint_name}
        statistic, period, periods = "Average", 60, 2
    return {
        "Policy": FROM_ZERO,
        "AlarmDescription": f"Requests wait for {part.name} of {part.endpoint_name}, which has nothing to answer them",
        "Namespace": "AWS/SageMaker",
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "Statistic": statistic,
        "Period": period,
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": periods,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }


def _without_gpu(metric: ScalingMetric, instance_types: Sequence[str]) -> list[str]:
    if not metric.startswith("gpu-"):
        return []
    return [name for name in instance_types if instance_type(name, "hosting").accelerator != "gpu"]


def _bounds_problems(path: str, minimum: int, maximum: int, least: int, mode: EndpointMode) -> list[tuple[str, str]]:
    found = []
    if minimum < least:
        zero = " (asynchronous endpoints and components can go to 0)" if minimum == 0 else ""
        found.append((f"{path}minimum", f"must be at least {least} in mode {mode}{zero}"))
    if maximum < max(1, minimum):
        found.append((f"{path}maximum", f"must be at least {max(1, minimum)}, as the minimum is {minimum}"))
    return found


def _week(cron: str) -> list[int]:
    """Minutes of the week, from Monday 00:00, at which it comes. Raises ValueError with what it must be."""
    schedule = schedule_expression.parse(f"cron({cron})")
    fields = cron.split(" ")
    if fields[2] != "?" or fields[3] != "*" or fields[5] != "*" or any(sign in fields[4] for sign in "L#"):
        raise ValueError(
            "must come every week: ? as day of month, * as month and as year, and days of the week, as in "
            "0 8 ? * MON-FRI *"
        )
    assert schedule.is_day is not None
    monday = date(2024, 1, 1)
    days = [day for day in range(7) if schedule.is_day(monday + timedelta(days=day))]
    week = [1440 * day + minute for day in days for minute in schedule.minutes]
    if len(week) > _MOST_TIMES_A_WEEK:
        raise ValueError(f"must come at most {_MOST_TIMES_A_WEEK} times a week, and comes {len(week)} times")
    return week
