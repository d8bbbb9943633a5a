"""One inference component: copies of a model's container on the instances of an endpoint."""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.utils import utcnow
from moto.sagemaker.exceptions import ValidationError

from localcloud.images.store import UnknownImageError
from localcloud.sagemaker.component_instances import Instance, Instances, NoRoomError
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.instance_capacity import required_by
from localcloud.sagemaker.launching import end
from localcloud.sagemaker.measurements import Measurements
from localcloud.sagemaker.s3 import NoSuchDataError
from localcloud.sagemaker.serving_container import Answer, NotServingError, ServingContainer

_LONGEST_REASON = 1024
_LOOK_EVERY = 0.1  # seconds
_logger = logging.getLogger(__name__)


class RolledBackError(Exception):
    """An alarm went off while copies were replaced. The text is a FailureReason."""


@dataclass(eq=False)
class Copy:
    """One container, and the instance that it is on."""

    serving: ServingContainer
    instance: Instance


class Host(Protocol):
    """What a component needs of its endpoint. variant_name, arn: the endpoint's."""

    compute: Compute
    account: str
    region: str
    endpoint_name: str
    arn: str
    instances: Instances

    @property
    def variant_name(self) -> str: ...

    def launch_copy(self, component: str, specification: dict[str, Any], instance: Instance) -> ServingContainer:
        """A container that has begun."""

    def wait_for(
        self, containers: list[ServingContainer], specification: dict[str, Any], deleted: threading.Event
    ) -> None:
        """Until they are healthy. NotServingError: one does not become so."""


class InferenceComponent:
    """Every change runs in a thread; the request that asked for it is answered at once."""

    def __init__(self, host: Host, request: dict[str, Any], arn: str) -> None:
        """request: CreateInferenceComponent's."""
        self.name: str = request["InferenceComponentName"]
        self.arn = arn
        self.tags: list[dict[str, str]] = request.get("Tags") or []
        self.specification: dict[str, Any] = request["Specification"]
        self.desired = int(request["RuntimeConfig"]["CopyCount"])
        self.status = "Creating"
        self.failure_reason: str | None = None
        self.creation_time = self.last_modified_time = utcnow()
        self.deleted = threading.Event()
        self._host = host
        self._copies: list[Copy] = []
        self._lock = threading.Lock()
        self._measured = Measurements(host.account, host.region, {"InferenceComponentName": self.name})

    # Changes. Each returns at once.

    def create(self) -> None:
        self._change("Creating", lambda: self._bring(self.desired), after_failure="Failed")

    def set_count(self, count: int) -> None:
        """CopyCount of UpdateInferenceComponentRuntimeConfig; may be 0."""

        def bring() -> None:
            self._bring(count)
            self.desired = count

        self._change("Updating", bring, after_failure="InService")

    def update(
        self, specification: dict[str, Any] | None, count: int | None, deployment: dict[str, Any] | None
    ) -> None:
        """UpdateInferenceComponent. Omitted members stay as they are. deployment: DeploymentConfig."""
        wanted = self.desired if count is None else count

        def replace() -> None:
            if specification is None or specification == self.specification:
                self._bring(wanted)
            else:
                self._replace(specification, wanted, deployment or {})
                self.specification = specification
            self.desired = wanted

        self._change("Updating", replace, after_failure="InService")

    def delete(self, then: Callable[[], object]) -> None:
        with self._lock:
            if self.status == "Deleting":
                return
            self._set_status("Deleting")
            self.deleted.set()

        def remove() -> None:
            self._retire(list(self._copies))
            self._measured.flush()
            then()

        threading.Thread(target=remove, name=f"component-{self.name}", daemon=True).start()

    # Requests

    def choose(self) -> ServingContainer | None:
        """The copy with the fewest requests. None: there is no copy, which is counted."""
        copies = self._copies
        if not copies:
            self._measured.add("NoCapacityInvocationFailures", 1)
            return None
        return min((copy.serving for copy in copies), key=lambda each: each.requests)

    def answered(self, answer: Answer, seconds: float) -> None:
        """Counts it."""
        status = answer.status
        self._measured.add("Invocations", 1)
        self._measured.add("InvocationsPerCopy", 1 / max(1, len(self._copies)), "None")
        self._measured.add("Invocation4XXErrors", float(400 <= status < 500))
        self._measured.add("Invocation5XXErrors", float(status >= 500))
        self._measured.add("InvocationModelErrors", float(not 200 <= status < 300))
        self._measured.add("ModelLatency", seconds * 1e6, "Microseconds")

    def publish(self) -> None:
        """Hands the metrics over."""
        if copies := self._copies:
            requests = sum(copy.serving.requests for copy in copies)
            self._measured.add("ConcurrentRequestsPerCopy", requests / len(copies))
        self._measured.flush()

    # Descriptions

    def summary(self) -> dict[str, Any]:
        return {
            "InferenceComponentName": self.name,
            "InferenceComponentArn": self.arn,
            "EndpointName": self._host.endpoint_name,
            "EndpointArn": self._host.arn,
            "VariantName": self._host.variant_name,
            "InferenceComponentStatus": self.status,
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
        }

    def describe(self) -> dict[str, Any]:
        """DescribeInferenceComponent's answer."""
        specification = dict(self.specification)
        if container := specification.pop("Container", None):
            container = dict(container)
            image = container.pop("Image", None)
            deployed = {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": self.creation_time}
            specification["Container"] = {**container, "DeployedImage": deployed}
        return {
            **self.summary(),
            "Specification": specification,
            "RuntimeConfig": {"DesiredCopyCount": self.desired, "CurrentCopyCount": len(self._copies)},
            **({"FailureReason": self.failure_reason} if self.failure_reason else {}),
        }

    # What the threads do

    def _change(self, status: str, change: Callable[[], None], *, after_failure: str) -> None:
        with self._lock:
            if status == "Updating" and self.status not in ("InService", "Failed"):
                raise ValidationError(
                    f'Cannot update inference component "{self.arn}": its status is {self.status}, not InService.'
                )
            self._set_status(status)
        thread = threading.Thread(
            target=self._run, args=(change, after_failure), name=f"component-{self.name}", daemon=True
        )
        thread.start()

    def _run(self, change: Callable[[], None], after_failure: str) -> None:
        reason = None
        try:
            change()
        except ValidationError as error:
            reason = error.message
        except (NotServingError, NoSuchDataError, UnknownImageError, NoRoomError, RolledBackError) as error:
            reason = str(error)
        except Exception as error:
            if not self._host.compute.stopping.is_set():
                _logger.exception("inference component %s", self.name)
            reason = f"Request to service failed. {type(error).__name__}: {error}"
        with self._lock:
            if not self.deleted.is_set():
                self.failure_reason = reason[:_LONGEST_REASON] if reason else None
                self._set_status(after_failure if reason else "InService")

    def _bring(self, count: int) -> None:
        missing = count - len(self._copies)
        self._serve(self._start(self.specification, missing))
        self._retire(self._copies[count:])

    def _replace(self, specification: dict[str, Any], count: int, deployment: dict[str, Any]) -> None:
        """New copies serve before as many old ones end; all at once, or batch by batch. All of it, or nothing."""
        policy = deployment.get("RollingUpdatePolicy")
        old, new = list(self._copies), list[Copy]()
        size = _batch(policy["MaximumBatchSize"], len(old)) if policy else max(count, 1)
        try:
            while len(new) < count:
                batch = self._start(specification, min(size, count - len(new)))
                self._serve(batch)
                new += batch
                left = len(old) * (count - len(new)) // count
                self._retire([copy for copy in old if copy in self._copies][left:])
                if policy:
                    self._watch_alarms(deployment, self._host.compute.cloud.seconds(policy["WaitIntervalInSeconds"]))
            self._retire([copy for copy in old if copy in self._copies])
        except BaseException:
            gone = sum(copy not in self._copies for copy in old)
            self._serve(self._start(self.specification, gone))
            self._retire(new)
            raise

    def _watch_alarms(self, deployment: dict[str, Any], seconds: float) -> None:
        """Waits. RolledBackError: an alarm went off meanwhile."""
        alarms = (deployment.get("AutoRollbackConfiguration") or {}).get("Alarms") or []
        deadline = time.monotonic() + seconds
        while not self.deleted.is_set():
            known = cloudwatch_backends[self._host.account][self._host.region].alarms
            for name in (alarm["AlarmName"] for alarm in alarms):
                if name in known and known[name].state_value == "ALARM":
                    raise RolledBackError(f"The update was rolled back: the alarm {name} went off.")
            if time.monotonic() >= deadline:
                return
            time.sleep(_LOOK_EVERY)

    def _start(self, specification: dict[str, Any], count: int) -> list[Copy]:
        """Healthy copies; all, or none."""
        started: list[Copy] = []
        needed = required_by(specification)
        try:
            for _ in range(count):
                key = object()
                instance = self._host.instances.take(key, needed)
                try:
                    serving = self._host.launch_copy(self.name, specification, instance)
                except BaseException:
                    self._host.instances.give_back(instance, key)
                    raise
                instance.taken[serving] = instance.taken.pop(key)
                started.append(Copy(serving, instance))
            self._host.wait_for([copy.serving for copy in started], specification, self.deleted)
        except BaseException:
            self._end(started)
            raise
        return started

    def _serve(self, copies: list[Copy]) -> None:
        with self._lock:
            if not self.deleted.is_set():
                self._copies = [*self._copies, *copies]
                return
        self._end(copies)

    def _retire(self, copies: list[Copy]) -> None:
        """They get no further request, answer what they have, and end."""
        with self._lock:
            self._copies = [copy for copy in self._copies if copy not in copies]
        self._end(copies)

    def _end(self, copies: list[Copy]) -> None:
        end(self._host.compute, [copy.serving for copy in copies])
        for copy in copies:
            self._host.instances.give_back(copy.instance, copy.serving)

    def _set_status(self, status: str) -> None:
        self.status = status
        self.last_modified_time = utcnow()


def _batch(size: dict[str, Any], copies: int) -> int:
    """Copies in one step of a rolling update, at least one."""
    value = int(size["Value"])
    return max(1, value if size["Type"] == "COPY_COUNT" else math.ceil(copies * value / 100))
