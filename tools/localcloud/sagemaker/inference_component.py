"""One inference component: copies of a model's container on the instances of an endpoint."""

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from moto.core.utils import utcnow
from moto.sagemaker.exceptions import ValidationError

from localcloud.images.store import UnknownImageError
from localcloud.sagemaker.component_instances import Instance, Instances, NoRoomError
from localcloud.sagemaker.component_metrics import ComponentMetrics
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.deployment_config import DeploymentConfig
from localcloud.sagemaker.endpoint_update import Baking, RolledBackError
from localcloud.sagemaker.instance_capacity import required_by
from localcloud.sagemaker.instance_pools import NoCapacityError
from localcloud.sagemaker.launching import end
from localcloud.sagemaker.s3 import NoSuchDataError
from localcloud.sagemaker.serving_container import Answer, NotServingError, ServingContainer, Stop

_LONGEST_REASON = 1024
_EXPECTED = (NotServingError, NoSuchDataError, UnknownImageError, NoRoomError, NoCapacityError, RolledBackError)
_logger = logging.getLogger(__name__)


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
        self._metrics = ComponentMetrics(host.account, host.region, self.name)

    # Changes. Each returns at once.

    def create(self) -> None:
        self._change("Creating", lambda: self._bring(self.desired), after_failure="Failed", desired=self.desired)

    def set_count(self, count: int) -> None:
        """CopyCount of UpdateInferenceComponentRuntimeConfig; may be 0."""
        self._update(count, lambda: self._bring(count))

    def update(
        self, specification: dict[str, Any] | None, count: int | None, deployment: dict[str, Any] | None
    ) -> None:
        """UpdateInferenceComponent. Omitted members stay as they are. deployment: DeploymentConfig."""
        wanted = self.desired if count is None else count

        def replace() -> None:
            if specification is None or specification == self.specification:
                self._bring(wanted)
            else:
                self._replace(specification, wanted, DeploymentConfig(deployment))
                self.specification = specification

        self._update(wanted, replace)

    def _update(self, count: int, change: Callable[[], None]) -> None:
        before = self.desired

        def all_or_nothing() -> None:
            try:
                change()
            except BaseException:
                self.desired = before
                raise

        self._change("Updating", all_or_nothing, after_failure="InService", desired=count)

    def delete(self, then: Callable[[], object]) -> None:
        with self._lock:
            if self.status == "Deleting":
                return
            self._set_status("Deleting")
            self.deleted.set()

        def remove() -> None:
            self._retire(list(self._copies))
            self.publish()
            then()

        threading.Thread(target=remove, name=f"component-{self.name}", daemon=True).start()

    # Requests

    def choose(self) -> ServingContainer | None:
        """The copy with the fewest requests. None: there is no copy, which is counted."""
        if not (copies := self._serving):
            self._metrics.refused()
            return None
        self._metrics.asked(copies)
        return min(copies, key=lambda each: each.requests)

    def answered(self, answer: Answer, seconds: float) -> None:
        """Counts it."""
        self._metrics.answered(answer, seconds, len(self._copies))

    def publish(self) -> None:
        """Hands the metrics over."""
        self._metrics.publish(self._serving)

    @property
    def _serving(self) -> list[ServingContainer]:
        return [copy.serving for copy in self._copies]

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

    def _change(self, status: str, change: Callable[[], None], *, after_failure: str, desired: int) -> None:
        with self._lock:
            if status == "Updating" and self.status not in ("InService", "Failed"):
                raise ValidationError(
                    f'Cannot update inference component "{self.arn}": its status is {self.status}, not InService.'
                )
            self.desired = desired
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
        except _EXPECTED as error:
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

    def _replace(self, specification: dict[str, Any], count: int, deployment: DeploymentConfig) -> None:
        """New copies serve before as many old ones end; all at once, or batch by batch. All of it, or nothing."""
        host = self._host
        stop = Stop(self.deleted, host.compute.stopping)
        baking = Baking(deployment, host.account, host.region, host.compute.cloud.seconds, stop)
        old, new = list(self._copies), list[Copy]()
        try:
            while len(new) < count:
                size = _batch(deployment, len(old)) if deployment.is_rolling else count
                batch = self._start(specification, min(size, count - len(new)))
                self._serve(batch)
                new += batch
                baking.wait(deployment.batch_seconds if deployment.is_rolling else 0.0)
                left = len(old) * (count - len(new)) // count
                self._retire([copy for copy in old if copy in self._copies][left:])
            self._retire([copy for copy in old if copy in self._copies])
        except BaseException:
            gone = sum(copy not in self._copies for copy in old)
            self._serve(self._start(self.specification, gone))
            self._retire(new)
            raise

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


def _batch(deployment: DeploymentConfig, copies: int) -> int:
    """Copies in one step of a rolling update, at least one."""
    size = deployment.request["RollingUpdatePolicy"]["MaximumBatchSize"]
    value = int(size["Value"])
    return max(1, value if size["Type"] == "COPY_COUNT" else math.ceil(copies * value / 100))
