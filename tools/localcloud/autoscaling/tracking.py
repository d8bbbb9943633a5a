"""The alarms that target tracking makes for itself, as AWS makes them: one above the target, one a tenth below it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.applicationautoscaling.exceptions import AWSValidationException
from moto.applicationautoscaling.models import FakeApplicationAutoscalingPolicy
from moto.cloudwatch.models import Dimension, Metric, MetricDataQuery, MetricStat, cloudwatch_backends

from localcloud.autoscaling.capacity import dimensions_of

HIGH, LOW = "-AlarmHigh-", "-AlarmLow-"
_LOW_SHARE = 0.9
"""Of the target: below it there is too much capacity."""
_HIGH_PERIODS, _LOW_SECONDS = 3, 900
"""Data points in a row above the target, and how long it must be below: as AWS makes its alarms."""


@dataclass(frozen=True)
class Predefined:
    """A metric of SageMaker. period: seconds between its data points."""

    name: str
    statistic: str
    period: int


PREDEFINED = {
    "SageMakerVariantInvocationsPerInstance": Predefined("InvocationsPerInstance", "Sum", 60),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": Predefined("ConcurrentRequestsPerModel", "Average", 10),
    "SageMakerVariantProvisionedConcurrencyUtilization": Predefined(
        "ServerlessProvisionedConcurrencyUtilization", "Maximum", 60
    ),
    "SageMakerInferenceComponentInvocationsPerCopy": Predefined("InvocationsPerCopy", "Sum", 60),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": Predefined(
        "ConcurrentRequestsPerCopy", "Average", 10
    ),
}


def make_alarms(policy: FakeApplicationAutoscalingPolicy) -> list[Any]:
    """Both of them; with DisableScaleIn only the high one. Raises AWSValidationException."""
    configuration = policy.target_tracking_scaling_policy_configuration
    assert configuration
    target, (period, metric) = float(configuration["TargetValue"]), _metric(policy.resource_id, configuration)
    wanted = [(HIGH, "GreaterThanThreshold", target, _HIGH_PERIODS)]
    if not configuration.get("DisableScaleIn"):
        wanted.append((LOW, "LessThanThreshold", target * _LOW_SHARE, _LOW_SECONDS // period))
    cloudwatch = cloudwatch_backends[policy.account_id][policy.region_name]
    return [
        cloudwatch.put_metric_alarm(
            name=f"TargetTracking-{policy.resource_id}{kind}{uuid.uuid4()}",
            comparison_operator=comparison,
            threshold=threshold,
            evaluation_periods=periods,
            description=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.policy_arn}.",
            alarm_actions=[policy.policy_arn],
            **metric,
        )
        for kind, comparison, threshold, periods in wanted
    ]


def _metric(resource_id: str, configuration: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Its period, and the arguments of an alarm on it."""
    if predefined := configuration.get("PredefinedMetricSpecification"):
        known = PREDEFINED.get(predefined["PredefinedMetricType"])
        if known is None:
            raise AWSValidationException(f"SageMaker has no metric {predefined['PredefinedMetricType']} to scale by.")
        return known.period, _arguments("AWS/SageMaker", known.name, known.statistic, known.period, resource_id)
    own = configuration.get("CustomizedMetricSpecification")
    if not own:
        raise AWSValidationException("A target tracking policy needs a predefined or a customized metric.")
    if queries := own.get("Metrics"):
        none = dict.fromkeys(("namespace", "metric_name", "statistic", "period"))
        return 60, {**none, "dimensions": [], "metric_data_queries": [_query(each) for each in queries]}
    arguments = _arguments(own["Namespace"], own["MetricName"], own["Statistic"], 60, "")
    return 60, {**arguments, "dimensions": own.get("Dimensions") or [], "unit": own.get("Unit")}


def _arguments(namespace: str, name: str, statistic: str, period: int, resource_id: str) -> dict[str, Any]:
    return {
        "namespace": namespace,
        "metric_name": name,
        "statistic": statistic,
        "period": period,
        "dimensions": dimensions_of(resource_id) if resource_id else [],
    }


def _query(request: Mapping[str, Any]) -> MetricDataQuery:
    returned: Any = request.get("ReturnData", True)
    stat = None
    if asked := request.get("MetricStat"):
        dimensions = [Dimension(each["Name"], each["Value"]) for each in asked["Metric"].get("Dimensions") or ()]
        metric = Metric(asked["Metric"]["MetricName"], asked["Metric"]["Namespace"], dimensions)
        stat = MetricStat(metric, "60", asked["Stat"], asked.get("Unit"))
    return MetricDataQuery(request["Id"], request.get("Label", ""), "60", returned, request.get("Expression"), stat)
