"""Asynchronous endpoints: requests wait in a queue until an instance has time, and their answers go to S3.

Contract: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html
"""

import http.client
import logging
import threading
import time
from collections import Counter, deque
from typing import Any

from localcloud.sagemaker.asynchronous_request import AsynchronousRequest, InvocationFailedError, Outcome
from localcloud.sagemaker.endpoint import Endpoint
from localcloud.sagemaker.invocations import Invocation
from localcloud.sagemaker.measurements import Measurements
from localcloud.sagemaker.refusal import InvocationRefusedError
from localcloud.sagemaker.serving_container import DrainingError, ServingContainer

# Where a configuration does not say how many requests an instance gets at once, AWS chooses, and does not say.
CONCURRENT_REQUESTS = 4
_SERVING = ("InService", "Updating", "RollingBack", "UpdateRollbackFailed")
_PUBLISHED_EVERY = 10.0  # seconds on AWS's clock: below the shortest period of an alarm
_logger = logging.getLogger(__name__)


class AsynchronousEndpoint(Endpoint):
    """Its variant may have no instance: then requests wait.

    A request whose container was being ended when it came goes back to the head of the queue.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._waiting: deque[AsynchronousRequest] = deque()
        self._working: Counter[ServingContainer] = Counter()  # requests that each has
        self._changed = threading.Condition()
        self._backlog = Measurements(self.account, self.region, {"EndpointName": self.endpoint_name})
        self._processing: dict[str, Measurements] = {}
        threading.Thread(target=self._dispatch, name=f"queue-of-{self.endpoint_name}", daemon=True).start()

    @property
    def configuration(self) -> dict[str, Any]:
        """The AsyncInferenceConfig in effect."""
        assert self.fleet
        configuration: dict[str, Any] = self.fleet.config["AsyncInferenceConfig"]
        return configuration

    def containers(self) -> list[ServingContainer]:
        """Those that serve now."""
        return [each for fleet in self.traffic.fleets for variant in fleet.production for each in variant.containers]

    def invoke(
        self, body: bytes, headers: dict[str, str], target_variant: str | None = None, *, began: float | None = None
    ) -> Invocation | None:
        """InvocationRefusedError, always: requests come by `enqueue`."""
        raise InvocationRefusedError(
            f"Endpoint {self.endpoint_name} of account {self.account} is asynchronous: call InvokeEndpointAsync."
        )

    def enqueue(self, request: AsynchronousRequest) -> None:
        """InvocationRefusedError: the endpoint does not serve."""
        if self.endpoint_status not in _SERVING:
            raise InvocationRefusedError(
                f"Endpoint {self.endpoint_name} of account {self.account} is {self.endpoint_status}, not InService."
            )
        with self._changed:
            self._waiting.append(request)
            self._changed.notify()

    def _dispatch(self) -> None:
        published = 0.0
        every = self.compute.cloud.seconds(_PUBLISHED_EVERY)
        while not (self.deleted.is_set() or self.compute.stopping.is_set()):
            with self._changed:
                self._changed.wait(min(every, 0.25))
                while (serving := self._free()) and self._waiting:
                    self._begin_request(self._waiting.popleft(), serving)
                expired = [request for request in self._waiting if request.is_expired]
                for request in expired:
                    self._waiting.remove(request)
            for request in expired:
                self._expire(request)
            if time.monotonic() - published >= every and self.endpoint_status in _SERVING:
                published = time.monotonic()
                self._publish()

    def _free(self) -> ServingContainer | None:
        """The container with the fewest requests, while it may have another one."""
        containers = self.containers()
        if not containers:
            return None
        client = self.configuration.get("ClientConfig") or {}
        most = client.get("MaxConcurrentInvocationsPerInstance") or CONCURRENT_REQUESTS
        serving = min(containers, key=lambda each: self._working[each])
        return serving if self._working[serving] < most else None

    def _begin_request(self, request: AsynchronousRequest, serving: ServingContainer) -> None:
        self._working[serving] += 1
        name = f"{self.endpoint_name}-{request.inference_id}"
        threading.Thread(target=self._process, args=(request, serving), name=name, daemon=True).start()

    def _process(self, request: AsynchronousRequest, serving: ServingContainer) -> None:
        measured = self._measured(serving.variant)
        measured.add("TimeInBacklog", request.age * 1e6, "Microseconds")
        try:
            outcome = request.process(serving, self.compute.client("s3", self.region), measured)
        except DrainingError:
            outcome = None
            with self._changed:
                self._waiting.appendleft(request)
        except (http.client.HTTPException, OSError) as error:
            reason = f"ClientError: The container closed the connection: {type(error).__name__}: {error}"
            outcome = Outcome(reason, body=reason.encode(), status=0)
        except InvocationFailedError as error:
            outcome = Outcome(str(error), body=str(error).encode())
        except Exception as error:
            if self.compute.stopping.is_set():
                return
            _logger.exception("asynchronous request %s", request.inference_id)
            outcome = Outcome(f"InternalServerError: {error}", body=str(error).encode())
        finally:
            with self._changed:
                self._working -= Counter([serving])  # which keeps no zeros
                self._changed.notify()
        if outcome:
            self._finish(request, outcome, measured)

    def _expire(self, request: AsynchronousRequest) -> None:
        reason = "ClientError: The request was in the queue for longer than its RequestTTLSeconds."
        assert self.fleet
        measured = self._measured(self.fleet.production[0].name)
        measured.add("ExpiredRequests", 1)
        self._finish(request, Outcome(reason, body=reason.encode()), measured)

    def _finish(self, request: AsynchronousRequest, outcome: Outcome, measured: Measurements) -> None:
        s3, sns = (self.compute.client(service, self.region) for service in ("s3", "sns"))
        problems = request.finish(outcome, s3, sns, self.region)
        for metric in problems:
            measured.add(metric, 1)
        if outcome.status is not None:
            measured.add("Invocation4XXErrors", float(400 <= outcome.status < 500), "None")
            measured.add("Invocation5XXErrors", float(outcome.status >= 500), "None")
        measured.add("InvocationsProcessed", 1)
        measured.add("InvocationFailures", float(outcome.failure is not None))
        measured.add("TotalProcessingTime", request.age * 1e3, "Milliseconds")

    def _measured(self, variant: str) -> Measurements:
        dimensions = {"EndpointName": self.endpoint_name, "VariantName": variant}
        return self._processing.setdefault(variant, Measurements(self.account, self.region, dimensions))

    def _publish(self) -> None:
        with self._changed:
            size = len(self._waiting) + sum(self._working.values())
            oldest = max((request.age for request in self._waiting), default=0.0)
        instances = len(self.containers())
        self._backlog.add("ApproximateBacklogSize", size)
        self._backlog.add("ApproximateBacklogSizePerInstance", size / max(1, instances))
        self._backlog.add("ApproximateAgeOfOldestRequest", oldest, "Seconds")
        self._backlog.add("HasBacklogWithoutCapacity", float(size > 0 and instances == 0))
        for measured in (self._backlog, *self._processing.values()):
            measured.flush()
