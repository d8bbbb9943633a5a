"""What CloudWatch shows of an inference component.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

import threading
from collections.abc import Sequence

from localcloud.sagemaker.measurements import Measurements
from localcloud.sagemaker.serving_container import Answer, ServingContainer


class ComponentMetrics:
    """Handed over with `publish`."""

    def __init__(self, account: str, region: str, component: str) -> None:
        """component: its name."""
        self._measured = Measurements(account, region, {"InferenceComponentName": component})
        self._most = 0  # requests at a time, since it was told last
        self._lock = threading.Lock()

    def refused(self) -> None:
        """A request came, and there was no copy."""
        self._measured.add("NoCapacityInvocationFailures", 1)

    def asked(self, copies: Sequence[ServingContainer]) -> None:
        """A request came. copies: that there are."""
        with self._lock:
            self._most = max(self._most, 1 + sum(copy.requests for copy in copies))

    def answered(self, answer: Answer, seconds: float, copies: int) -> None:
        """answer.status is 0 where the container did not answer."""
        status = answer.status
        self._measured.add("Invocations", 1)
        self._measured.add("InvocationsPerCopy", 1 / max(1, copies), "None")
        self._measured.add("Invocation4XXErrors", float(400 <= status < 500))
        self._measured.add("Invocation5XXErrors", float(status >= 500))
        self._measured.add("InvocationModelErrors", float(not 200 <= status < 300))
        self._measured.add("ModelLatency", seconds * 1e6, "Microseconds")

    def publish(self, copies: Sequence[ServingContainer]) -> None:
        """Also how busy the copies are."""
        with self._lock:
            most, self._most = self._most, sum(copy.requests for copy in copies)
        if copies:
            self._measured.add("ConcurrentRequestsPerCopy", most / len(copies))
        self._measured.flush()
