"""What CloudWatch shows of an endpoint's variants: their requests, and what their containers use of the machine.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.utils import utcnow

from localcloud.sagemaker.container_usage import usage
from localcloud.sagemaker.fleet import Variant

REQUESTS = "AWS/SageMaker"
MACHINES = "/aws/sagemaker/Endpoints"
CONCURRENCY_SECONDS = 10.0  # of AWS, between two values of the concurrency
_DEFAULT_PUBLISH_SECONDS = 60.0  # of AWS, between two values of a machine's use, unless MetricsConfig says otherwise
_LEAST_PUBLISH_SECONDS = 1.0  # here: to look at all processes takes a while


@dataclass
class EndpointMetrics:
    """Handed over with `flush`, once per second or so and not once per request.

    seconds: how long this embedded AWS waits where AWS waits that long.
    """

    account: str
    region: str
    endpoint: str
    seconds: Callable[[float], float]
    _open: dict[tuple[str, str, str], Counter[float]] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(
        self, variant: str, status: int, model_seconds: float, overhead_seconds: float, instances: int
    ) -> None:
        """status: the container's HTTP status. The two times become microseconds, as AWS counts them.

        instances: how many containers the variant has.
        """
        values = {
            ("Invocations", "Count"): 1.0,
            ("InvocationsPerInstance", "None"): 1.0 / max(instances, 1),
            ("Invocation4XXErrors", "Count"): float(400 <= status < 500),
            ("Invocation5XXErrors", "Count"): float(status >= 500),
            ("InvocationModelErrors", "Count"): float(not 200 <= status < 300),
            ("ModelLatency", "Microseconds"): model_seconds * 1e6,
            ("OverheadLatency", "Microseconds"): overhead_seconds * 1e6,
        }
        with self._lock:
            for (name, unit), value in values.items():
                self._open.setdefault((variant, name, unit), Counter())[value] += 1

    def flush(self, variants: Iterable[Variant] = (), publish_seconds: float | None = None) -> None:
        """Gives everything to CloudWatch.

        variants: that serve: how busy they are is told too, where it is time. publish_seconds:
        MetricPublishFrequencyInSeconds. Omitted: 60.
        """
        with self._lock:
            counted, self._open = self._open, {}
        data = [self._datum(*key, values) for key, values in counted.items()]
        variants = list(variants)
        if self._is_due("concurrency", self.seconds(CONCURRENCY_SECONDS)):
            data += [self._concurrency(variant) for variant in variants if variant.containers]
        self._put(REQUESTS, data)
        interval = self.seconds(publish_seconds or _DEFAULT_PUBLISH_SECONDS)
        if self._is_due("machines", max(_LEAST_PUBLISH_SECONDS, interval)):
            self._put(MACHINES, [each for variant in variants for each in self._usage(variant)])

    def _is_due(self, what: str, interval: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + interval
        return True

    def _concurrency(self, variant: Variant) -> dict[str, Any]:
        """A value of each instance, as each one tells its own: the average is what an instance has to do."""
        most = Counter(float(container.most_requests()) for container in variant.containers)
        return self._datum(variant.name, "ConcurrentRequestsPerModel", "Count", most)

    def _usage(self, variant: Variant) -> list[dict[str, Any]]:
        found: dict[str, Counter[float]] = {}
        for serving in variant.containers:
            for name, percent in usage(serving.container).items():
                found.setdefault(name, Counter())[percent] += 1
        return [self._datum(variant.name, name, "Percent", values) for name, values in found.items()]

    def _datum(self, variant: str, name: str, unit: str, values: Counter[float]) -> dict[str, Any]:
        return {
            "MetricName": name,
            "Unit": unit,
            "Timestamp": utcnow(),
            "Dimensions": [
                {"Name": "EndpointName", "Value": self.endpoint},
                {"Name": "VariantName", "Value": variant},
            ],
            "Values": list(values),  # and not only their sums: alarms ask for percentiles
            "Counts": [float(count) for count in values.values()],
        }

    def _put(self, namespace: str, data: list[dict[str, Any]]) -> None:
        if data:
            cloudwatch_backends[self.account][self.region].put_metric_data(namespace, data)
