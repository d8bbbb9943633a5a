"""Alarms of an endpoint: they name it, and do not depend on it, so that its deployment can watch them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint_parts import EndpointPart
from hf_sagemaker.runbooks import Runbook, see
from hf_sagemaker.update_safety import ROLLBACK_ALARMS, RollbackAlarm

_HostMetric = tuple[str, str, float, str, Runbook]
_DISK: _HostMetric = ("Disk", "DiskUtilization", 95, "The disk is nearly full", "disk")
_GPU_MEMORY: _HostMetric = ("GpuMemory", "GPUMemoryUtilization", 98, "The GPU's memory is nearly full", "gpu-memory")
_ONE_GPU = re.compile(r"ml\.(g4dn|g5|g6|g6e)\.(2|4|8|16)?xlarge")
_IDS: Mapping[RollbackAlarm, str] = {
    "client-faults": "ClientFaults",
    "server-faults": "ServerFaults",
    "latency": "Latency",
    "model-errors": "ModelErrors",
    "gpu-memory": "GpuMemory",
    "disk": "Disk",
}
"""With which the ids of the alarms' constructs end."""
_FAULTS = 5
"""In a minute, below which they are no matter."""
_QUIET = cloudwatch.TreatMissingData.NOT_BREACHING
"""No traffic gives no data, which is no fault."""


@dataclass(frozen=True, kw_only=True)
class PartAlarms:
    """What goes wrong at a variant or a component.

    The batching server answers 4XX to what no model could answer, 500 when the model fails, and 503 where it has no
    room, no time or no worker. The stock server answers every fault with 400, a model that failed included: there the
    first is no mere client matter.

    Faults are shares of all requests, of at least five: one bad request of a quiet night is no alarm, and a thousand
    good ones hide no broken instance. What has no traffic gives no data, and neither do instances that are not there:
    no data is no fault, of any of them.

    latency: limit of the 99th percentile of model latency.
    prefix: of the constructs' ids. Empty: the endpoint has one part.
    """

    part: EndpointPart
    image: ContainerImage | None
    latency: Duration
    prefix: str = ""

    def create(self, scope: Construct) -> list[cloudwatch.Alarm]:
        """Client faults, server faults, latency, model errors; of instances also disk and, with one GPU, its memory."""
        return [
            *(self._faults(scope, *each) for each in self._kinds_of_faults()[:2]),
            self._latency(scope),
            self._faults(scope, *self._kinds_of_faults()[2]),
            *self._host(scope),
        ]

    def _kinds_of_faults(self) -> list[tuple[str, str, float, str, Runbook]]:
        """Construct id, metric, percent, what it means and its runbook."""
        return [
            ("ClientFaults", "Invocation4XXErrors", 25, _client_faults(self.image), "client-faults"),
            (
                "ServerFaults",
                "Invocation5XXErrors",
                5,
                "A model that failed, or requests too many (5XX)",
                "server-faults",
            ),
            ("ModelErrors", "InvocationModelErrors", 25, "The container gave no good answer, or none", "model-errors"),
        ]

    def _faults(
        self, scope: Construct, construct_id: str, name: str, percent: float, meaning: str, runbook: Runbook
    ) -> cloudwatch.Alarm:
        faults, requests = (part_metric(self.part, each, statistic="Sum") for each in (name, "Invocations"))
        construct_id = f"{self.prefix}{construct_id}"
        return _share(scope, construct_id, faults, requests, percent, meaning, self._where, runbook)

    def _latency(self, scope: Construct) -> cloudwatch.Alarm:
        return part_metric(self.part, "ModelLatency", statistic="p99").create_alarm(
            scope,
            f"{self.prefix}Latency",
            alarm_description=f"99th percentile of model latency at {self._where}. {see('latency')}",
            threshold=self.latency.to_milliseconds() * 1000,  # the metric is in microseconds
            evaluation_periods=3,
            treat_missing_data=_QUIET,
        )

    def _host(self, scope: Construct) -> list[cloudwatch.Alarm]:
        """Of a variant's instances: those of components are their endpoint's, which others share."""
        if self.part.kind == "component" or not self.part.instance_types:
            return []
        # The metric adds the devices up: with several, no limit says that one of them is full.
        has_one_gpu = all(_ONE_GPU.fullmatch(name) for name in self.part.instance_types)
        return [
            metric(
                self.part.metric_dimensions, name, statistic="Average", namespace="/aws/sagemaker/Endpoints"
            ).create_alarm(
                scope,
                f"{self.prefix}{construct_id}",
                alarm_description=f"{meaning} at {self._where}. {see(runbook)}",
                threshold=threshold,
                evaluation_periods=3,
                treat_missing_data=_QUIET,
            )
            for construct_id, name, threshold, meaning, runbook in (_DISK, *([_GPU_MEMORY] if has_one_gpu else []))
        ]

    @property
    def _where(self) -> str:
        where = f"endpoint {self.part.endpoint_name}"
        return f"{self.part.kind} {self.part.name} of {where}" if self.prefix else where


def _share(
    scope: Construct,
    construct_id: str,
    faults: cloudwatch.Metric,
    requests: cloudwatch.Metric,
    percent: float,
    meaning: str,
    where: str,
    runbook: Runbook,
) -> cloudwatch.Alarm:
    return cloudwatch.MathExpression(
        expression=f"IF(faults >= {_FAULTS}, 100 * faults / requests, 0)",
        using_metrics={"faults": faults, "requests": requests},
        period=Duration.minutes(1),
        label="Percent of requests",
    ).create_alarm(
        scope,
        construct_id,
        alarm_description=f"{meaning}: {percent:g} % of the requests and more at {where}. {see(runbook)}",
        threshold=percent,
        evaluation_periods=3,
        datapoints_to_alarm=2,
        treat_missing_data=_QUIET,
    )


def queue_alarms(scope: Construct, endpoint_name: str, backlog: int) -> list[cloudwatch.Alarm]:
    """Of an asynchronous endpoint: failed requests, those that expired unanswered, more than `backlog` waiting for a
    quarter of an hour, and a share of failures that is the model's and no request's."""
    dimensions = {"EndpointName": endpoint_name}
    found: list[cloudwatch.Alarm] = []
    for construct_id, name, statistic, threshold, periods, description in (
        ("Failures", "InvocationFailures", "Sum", 1, 1, "A request that could not be answered"),
        ("Expired", "ExpiredRequests", "Sum", 1, 1, "A request that nobody got to in time"),
        ("Backlog", "ApproximateBacklogSize", "Minimum", backlog, 3, f"{backlog} requests and more wait"),
    ):
        found.append(
            metric(dimensions, name, statistic=statistic, period=Duration.minutes(5)).create_alarm(
                scope,
                construct_id,
                alarm_description=f"{description} at endpoint {endpoint_name}. {see('backlog')}",
                threshold=threshold,
                evaluation_periods=periods,
                # Without a queue SageMaker reports none.
                treat_missing_data=_QUIET,
            )
        )
    failures, processed = (
        metric(dimensions, name, statistic="Sum") for name in ("InvocationFailures", "InvocationsProcessed")
    )
    where = f"endpoint {endpoint_name}"
    found.append(_share(scope, "ModelErrors", failures, processed, 25, "Requests fail", where, "model-errors"))
    return found


def part_metric(part: EndpointPart, name: str, *, statistic: str, period: Duration | None = None) -> cloudwatch.Metric:
    """A metric of a variant or a component in namespace AWS/SageMaker. period: omitted: a minute."""
    return metric(part.metric_dimensions, name, statistic=statistic, period=period)


def metric(
    dimensions: Mapping[str, str],
    name: str,
    *,
    statistic: str,
    period: Duration | None = None,
    namespace: str = "AWS/SageMaker",
) -> cloudwatch.Metric:
    """A metric of SageMaker's. period: omitted: a minute."""
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dict(dimensions),
        statistic=statistic,
        period=period or Duration.minutes(1),
    )


def rollback_names(
    alarms: Sequence[cloudwatch.Alarm], kinds: Sequence[RollbackAlarm], prefix: str | None = None
) -> list[str]:
    """Of those of the alarms that give an update back, the weightiest kinds first.

    prefix: of the one part that is updated, as PartAlarms has it. Omitted: all parts are.
    Names are references, so that what is updated comes after its alarms.
    """
    return [
        alarm.alarm_name
        for kind in ROLLBACK_ALARMS
        if kind in kinds
        for alarm in alarms
        if (alarm.node.id.endswith(_IDS[kind]) if prefix is None else alarm.node.id == prefix + _IDS[kind])
    ]


def tell(topic: sns.ITopic | None, alarms: list[cloudwatch.Alarm]) -> None:
    """Lets the alarms publish to the topic, where there is one."""
    for alarm in alarms:
        if topic:
            alarm.add_alarm_action(actions.SnsAction(topic))


def _client_faults(image: ContainerImage | None) -> str:
    if image and image.serving and image.serving.server == "batching":
        return "Requests that no model could answer (4XX)"
    return "Requests refused, or a model that failed (4XX)"
