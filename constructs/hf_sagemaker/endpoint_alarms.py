"""Alarms of an endpoint: they name it, and do not depend on it, so that its deployment can watch them."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint_parts import EndpointPart

_QUIET = cloudwatch.TreatMissingData.NOT_BREACHING
"""No traffic gives no data, which is no fault."""


@dataclass(frozen=True, kw_only=True)
class PartAlarms:
    """What goes wrong at a variant or a component: client faults (4XX), server faults (5XX) and latency.

    The batching server answers 4XX to what no model could answer, 500 when the model fails, and 503 where it has no
    room, no time or no worker. The stock server answers every fault with 400, a model that failed included: there the
    first is no mere client matter.

    latency: limit of the 99th percentile of model latency.
    prefix: of the constructs' ids. Empty: the endpoint has one part.
    """

    part: EndpointPart
    image: ContainerImage | None
    latency: Duration
    prefix: str = ""

    def create(self, scope: Construct) -> list[cloudwatch.Alarm]:
        """Client faults, server faults, latency."""
        where = f"endpoint {self.part.endpoint_name}"
        if self.prefix:
            where = f"{self.part.kind} {self.part.name} of {where}"
        faults = [
            part_metric(self.part, name, statistic="Sum").create_alarm(
                scope,
                f"{self.prefix}{construct_id}",
                alarm_description=f"{description} at {where}",
                threshold=5,
                evaluation_periods=3,
                datapoints_to_alarm=2,
                treat_missing_data=_QUIET,
            )
            for construct_id, name, description in (
                ("ClientFaults", "Invocation4XXErrors", _client_faults(self.image)),
                ("ServerFaults", "Invocation5XXErrors", "A model that failed, or requests too many (5XX)"),
            )
        ]
        slow = part_metric(self.part, "ModelLatency", statistic="p99").create_alarm(
            scope,
            f"{self.prefix}Latency",
            alarm_description=f"99th percentile of model latency at {where}",
            threshold=self.latency.to_milliseconds() * 1000,  # the metric is in microseconds
            evaluation_periods=3,
            treat_missing_data=_QUIET,
        )
        return [*faults, slow]


def queue_alarms(scope: Construct, endpoint_name: str, backlog: int) -> list[cloudwatch.Alarm]:
    """Of an asynchronous endpoint: failed requests, those that expired unanswered, and more than `backlog` waiting for
    a quarter of an hour."""
    dimensions = {"EndpointName": endpoint_name}
    found = []
    for construct_id, name, statistic, threshold, periods, description in (
        ("Failures", "InvocationFailures", "Sum", 1, 1, "A request that could not be answered"),
        ("Expired", "ExpiredRequests", "Sum", 1, 1, "A request that nobody got to in time"),
        ("Backlog", "ApproximateBacklogSize", "Minimum", backlog, 3, f"{backlog} requests and more wait"),
    ):
        found.append(
            metric(dimensions, name, statistic=statistic, period=Duration.minutes(5)).create_alarm(
                scope,
                construct_id,
                alarm_description=f"{description} at endpoint {endpoint_name}",
                threshold=threshold,
                evaluation_periods=periods,
                # Without a queue SageMaker reports none.
                treat_missing_data=_QUIET,
            )
        )
    return found


def part_metric(part: EndpointPart, name: str, *, statistic: str, period: Duration | None = None) -> cloudwatch.Metric:
    """A metric of a variant or a component in namespace AWS/SageMaker. period: omitted: a minute."""
    return metric(part.metric_dimensions, name, statistic=statistic, period=period)


def metric(
    dimensions: Mapping[str, str], name: str, *, statistic: str, period: Duration | None = None
) -> cloudwatch.Metric:
    """A metric in namespace AWS/SageMaker. period: omitted: a minute."""
    return cloudwatch.Metric(
        namespace="AWS/SageMaker",
        metric_name=name,
        dimensions_map=dict(dimensions),
        statistic=statistic,
        period=period or Duration.minutes(1),
    )


def tell(topic: sns.ITopic | None, alarms: list[cloudwatch.Alarm]) -> None:
    """Lets the alarms publish to the topic, where there is one."""
    for alarm in alarms:
        if topic:
            alarm.add_alarm_action(actions.SnsAction(topic))


def _client_faults(image: ContainerImage | None) -> str:
    if image and image.serving and image.serving.server == "batching":
        return "Requests that no model could answer (4XX)"
    return "Requests refused, or a model that failed (4XX)"
