"""What people see of one endpoint: the widgets of its dashboard, by mode. Imports no CDK."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hf_sagemaker.dashboard_body import Axis, Line, Widget, expression, graph, metric, text
from hf_sagemaker.endpoint_parts import EndpointMode, EndpointPart
from hf_sagemaker.instance_types import instance_type
from hf_sagemaker.prices import Price

INVOCATIONS, INSTANCES, COMPONENTS = "AWS/SageMaker", "/aws/sagemaker/Endpoints", "/aws/sagemaker/InferenceComponents"
"""Namespaces of CloudWatch."""
_SERVING = "HfSageMaker/Serving"
_HOST = "AllTraffic"
"""The variant whose instances components share."""
_PERCENT = Axis("percent", 100)
_COUNT = Axis("requests")


@dataclass(frozen=True, kw_only=True)
class WatchedEndpoint:
    """What a dashboard has to know of an endpoint.

    name: in SageMaker. parts: what takes requests, each with metrics of its own.
    host_types: instance types that components share, the preferred one first; without components the parts say.
    prices: instance type → price of hosting. region: of the metrics.
    metrics_seconds: how often an instance reports.
    batching: its container writes embedded metrics of its queue and batches, with the endpoint's name.
    """

    name: str
    mode: EndpointMode
    parts: Sequence[EndpointPart]
    prices: Mapping[str, Price]
    region: str
    host_types: Sequence[str] = ()
    metrics_seconds: int = 60
    batching: bool = False

    @property
    def hosts(self) -> Sequence[EndpointPart]:
        """The variants whose instances are paid for. Of a serverless endpoint there are none."""
        if self.mode == "serverless":
            return []
        if self.mode == "components":
            types = tuple(self.host_types)
            return [EndpointPart(kind="variant", endpoint_name=self.name, name=_HOST, instance_types=types)]
        return [part for part in self.parts if part.kind == "variant"]

    @property
    def has_gpu(self) -> bool:
        """Whether an instance of it may have one."""
        types = {name for host in self.hosts for name in host.instance_types}
        return any(instance_type(name, "hosting").accelerator != "none" for name in types)


def rows(watched: WatchedEndpoint) -> list[list[Widget]]:
    """The widgets in rows: what users see, what the instances do, what it costs, and what only this mode has."""
    utilisation = [_accelerators(watched)] if watched.has_gpu else []
    own = _of_the_mode(watched)
    return [
        [_traffic(watched), _latency(watched), _errors(watched)],
        [*utilisation, _instance(watched), *_counts(watched), *_concurrency(watched)],
        [cost(watched), *([_serving(watched)] if watched.batching else []), *own],
    ]


def cost(watched: WatchedEndpoint) -> Widget:
    """US dollars for a thousand requests, by the price table; or why there is no such number."""
    title = "Cost of 1000 requests"
    if not watched.hosts:
        return text(
            f"### {title}\nA serverless endpoint is paid for by the millisecond. The bill tells, by the tag "
            "`hf-sagemaker:endpoint`: docs/costs.md"
        )
    types = [host.instance_types[0] for host in watched.hosts if host.instance_types]
    unpriced = sorted({name for name in types if name not in watched.prices})
    if unpriced or not types:
        return text(
            f"### {title}\nNo hosting price of {', '.join(unpriced) or 'its instances'} is known. `hfsm prices "
            "update` asks AWS and writes `prices.hosting_per_hour` into the settings; the next deployment shows it."
        )
    reports = [_reports(watched, host, f"n{i}") for i, host in enumerate(watched.hosts)]
    requests = [_invocations(watched, part, f"i{i}", visible=False) for i, part in enumerate(_with_requests(watched))]
    # Each report stands for so many seconds of one instance.
    paid = " + ".join(
        f"n{i} * {watched.prices[name].per_hour * watched.metrics_seconds / 3600:.10g}" for i, name in enumerate(types)
    )
    asked = " + ".join(line[-1]["id"] for line in requests)
    days = sorted({watched.prices[name].as_of for name in types})
    math = expression(f"IF(({asked}) > 0, 1000 * ({paid}) / ({asked}))", f"US dollars, prices of {', '.join(days)}")
    return graph(title, [math, *reports, *requests], region=watched.region, axis=Axis("US dollars"), period=300)


def _with_requests(watched: WatchedEndpoint) -> Sequence[EndpointPart]:
    """Those whose requests are counted: of an asynchronous endpoint SageMaker counts them as a whole."""
    return watched.parts[:1] if watched.mode == "asynchronous" else watched.parts


def _reports(watched: WatchedEndpoint, host: EndpointPart, line_id: str) -> Line:
    """How many reports of instances came: SageMaker has no metric of their number, but each reports as often."""
    name = "CPUUtilizationNormalized" if watched.mode == "components" else "CPUUtilization"
    return metric(INSTANCES, name, host.metric_dimensions, id=line_id, stat="SampleCount", visible=False)


def _invocations(watched: WatchedEndpoint, part: EndpointPart, line_id: str, **options: Any) -> Line:
    # Asynchronous endpoints have no Invocations.
    name = "InvocationsProcessed" if watched.mode == "asynchronous" else "Invocations"
    return metric(INVOCATIONS, name, part.metric_dimensions, id=line_id, stat="Sum", **options)


def _traffic(watched: WatchedEndpoint) -> Widget:
    lines = [_invocations(watched, part, f"i{i}", label=part.name) for i, part in enumerate(_with_requests(watched))]
    return graph("Requests a minute", lines, region=watched.region, axis=_COUNT, stacked=True)


def _latency(watched: WatchedEndpoint) -> Widget:
    """Of the model, and of all between SageMaker's door and the container: what is slow decides what to do."""
    names = [("ModelLatency", "model")]
    if watched.mode != "asynchronous":
        names.append(("OverheadLatency", "overhead"))
    lines: list[Line] = []
    for i, part in enumerate(watched.parts):
        for name, what in names:
            for statistic in ("p50", "p99"):
                line_id = f"{what}{i}{statistic}"
                lines.append(expression(f"{line_id}m / 1000", f"{part.name} {what} {statistic}", id=line_id))
                options = {"id": f"{line_id}m", "stat": statistic, "visible": False}
                lines.append(metric(INVOCATIONS, name, part.metric_dimensions, **options))
    return graph("Latency", lines, region=watched.region, axis=Axis("milliseconds"))


def _errors(watched: WatchedEndpoint) -> Widget:
    names = ["Invocation4XXErrors", "Invocation5XXErrors"]
    if watched.mode not in ("asynchronous", "serverless"):
        names.append("InvocationModelErrors")
    lines = [
        metric(INVOCATIONS, name, part.metric_dimensions, stat="Sum", label=f"{part.name} {name}")
        for part in watched.parts
        for name in names
    ]
    if watched.mode == "asynchronous":
        failures = ("InvocationFailures", "ExpiredRequests", "NotificationFailures")
        lines += [
            metric(INVOCATIONS, name, part.metric_dimensions, stat="Sum") for part in watched.parts for name in failures
        ]
    return graph("Errors a minute", lines, region=watched.region, axis=_COUNT)


def _accelerators(watched: WatchedEndpoint) -> Widget:
    names = ("GPUUtilization", "GPUMemoryUtilization")
    return graph("GPU", _utilisation(watched, names), region=watched.region, axis=Axis("percent, of each GPU 100"))


def _instance(watched: WatchedEndpoint) -> Widget:
    names = ("MemoryUtilization",) if watched.mode == "serverless" else ("MemoryUtilization", "DiskUtilization")
    return graph("Memory and disk", _utilisation(watched, names), region=watched.region, axis=_PERCENT)


def _utilisation(watched: WatchedEndpoint, names: Sequence[str]) -> list[Line]:
    parts = watched.parts if watched.mode == "serverless" else watched.hosts
    lines = [
        metric(INSTANCES, name, part.metric_dimensions, stat="Maximum", label=f"{part.name} {name}")
        for part in parts
        for name in names
    ]
    if watched.mode == "components":
        lines += [
            metric(COMPONENTS, f"{name}Normalized", part.metric_dimensions, stat="Maximum", label=f"{part.name} {name}")
            for part in watched.parts
            for name in names
            if name != "DiskUtilization"
        ]
    return lines


def _counts(watched: WatchedEndpoint) -> list[Widget]:
    if watched.mode == "serverless":
        return []
    lines = []
    for i, host in enumerate(watched.hosts):
        lines.append(expression(f"n{i} * {watched.metrics_seconds} / PERIOD(n{i})", f"instances of {host.name}"))
        lines.append(_reports(watched, host, f"n{i}"))
    if watched.mode == "components":
        for i, part in enumerate(watched.parts):
            lines.append(expression(f"c{i} * {watched.metrics_seconds} / PERIOD(c{i})", f"copies of {part.name}"))
            options = {"id": f"c{i}", "stat": "SampleCount", "visible": False}
            lines.append(metric(COMPONENTS, "CPUUtilizationNormalized", part.metric_dimensions, **options))
    title = "Instances and copies" if watched.mode == "components" else "Instances"
    return [graph(title, lines, region=watched.region, axis=Axis("number"))]


def _concurrency(watched: WatchedEndpoint) -> list[Widget]:
    if watched.mode == "serverless":
        name = "ServerlessConcurrentExecutionsUtilization"
        lines = [
            metric(INVOCATIONS, name, part.metric_dimensions, stat="Maximum", label=part.name) for part in watched.parts
        ]
        return [graph("Concurrency in use", lines, region=watched.region, axis=Axis("1 is all", 1))]
    if watched.mode == "asynchronous":
        dimensions = {"EndpointName": watched.name}
        lines = [
            metric(INVOCATIONS, "ApproximateBacklogSize", dimensions, stat="Maximum", label="waiting"),
            metric(INVOCATIONS, "ApproximateBacklogSizePerInstance", dimensions, stat="Maximum", label="per instance"),
            metric(
                INVOCATIONS,
                "ApproximateAgeOfOldestRequest",
                dimensions,
                stat="Maximum",
                label="age of the oldest",
                yAxis="right",
            ),
        ]
        return [graph("Backlog", lines, region=watched.region, axis=_COUNT, right="seconds")]
    name = "ConcurrentRequestsPerCopy" if watched.mode == "components" else "ConcurrentRequestsPerModel"
    lines = [
        metric(INVOCATIONS, name, part.metric_dimensions, stat="Maximum", label=part.name) for part in watched.parts
    ]
    return [graph("Requests in flight", lines, region=watched.region, axis=_COUNT)]


def _serving(watched: WatchedEndpoint) -> Widget:
    dimensions = {"EndpointName": watched.name}
    lines = [
        metric(_SERVING, "QueueTime", dimensions, stat="p99", label="queue time p99"),
        metric(_SERVING, "BatchSize", dimensions, stat="Average", label="batch size", yAxis="right"),
        metric(_SERVING, "Overloaded", dimensions, stat="Sum", label="refused, the queue was full", yAxis="right"),
    ]
    return graph("Queue and batches", lines, region=watched.region, axis=Axis("milliseconds"), right="number")


def _of_the_mode(watched: WatchedEndpoint) -> list[Widget]:
    region = watched.region
    if watched.mode == "components":
        name = "NoCapacityInvocationFailures"
        lines = [metric(INVOCATIONS, name, p.metric_dimensions, stat="Sum", label=p.name) for p in watched.parts]
        return [graph("Requests without a copy", lines, region=region, axis=_COUNT)]
    if watched.mode == "multi-model":
        lines = []
        for part in watched.parts:
            lines.append(
                metric(INVOCATIONS, "ModelCacheHit", part.metric_dimensions, stat="Average", label="cache hits")
            )
            loaded = metric(INSTANCES, "LoadedModelCount", part.metric_dimensions, stat="Maximum", yAxis="right")
            lines.append(loaded)
        return [graph("Models", lines, region=region, axis=Axis("1 is always", 1), right="loaded models")]
    if watched.mode == "serverless":
        lines = [metric(INVOCATIONS, "ModelSetupTime", p.metric_dimensions, stat="p99") for p in watched.parts]
        return [graph("Cold starts", lines, region=region, axis=Axis("microseconds"))]
    return []
