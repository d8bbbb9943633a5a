"""One endpoint that serves: its status, its fleets, and the changes that it goes through."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.core.utils import utcnow
from moto.sagemaker.exceptions import ValidationError

from localcloud.images.store import UnknownImageError
from localcloud.sagemaker import endpoint_description, scalable_targets
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.data_capture import DataCapture
from localcloud.sagemaker.deployment_config import DeploymentConfig
from localcloud.sagemaker.endpoint_metrics import EndpointMetrics
from localcloud.sagemaker.endpoint_update import Baking, RollbackFailedError, RolledBackError, Update
from localcloud.sagemaker.fleet import Fleet, initial_count
from localcloud.sagemaker.instance_pools import NoCapacityError
from localcloud.sagemaker.invocations import Invocation, Invocations
from localcloud.sagemaker.registry import ServedModel
from localcloud.sagemaker.retained_properties import retained
from localcloud.sagemaker.s3 import NoSuchDataError
from localcloud.sagemaker.serving_container import DrainingError, NotServingError, ServingContainer, Stop
from localcloud.sagemaker.traffic import Traffic

_LONGEST_REASON = 1024
_IN_PROGRESS = ("Creating", "Updating", "SystemUpdating", "RollingBack")
_UPDATABLE = ("InService", "UpdateRollbackFailed")
_EXPECTED = (NotServingError, NoSuchDataError, UnknownImageError, NoCapacityError, RolledBackError, RollbackFailedError)
_logger = logging.getLogger(__name__)


class Endpoint:
    """One endpoint. Every change runs in a thread; the request that asked for it is answered at once, as on AWS.

    Attributes in lower case are those that moto's ListEndpoints and tagging read. fleet: what serves with
    endpoint_config_name; None: nothing yet. pending: what is to replace it.
    """

    def __init__(
        self,
        compute: Compute,
        name: str,
        arn: str,
        account: str,
        region: str,
        tags: list[dict[str, str]],
        resolve: Callable[[str], ServedModel],
    ) -> None:
        self.compute = compute
        self.endpoint_name = name
        self.arn = arn
        self.account = account
        self.region = region
        self.tags = tags
        self.endpoint_status = "Creating"
        self.failure_reason: str | None = None
        self.endpoint_config_name = ""
        self.creation_time = self.last_modified_time = utcnow()
        self.deployment = DeploymentConfig(None)
        self.fleet: Fleet | None = None
        self.pending: Fleet | None = None
        self.deleted = threading.Event()
        seconds = compute.cloud.seconds
        self.metrics = EndpointMetrics(account, region, name, seconds)
        self.traffic = Traffic(name)
        self.capture = DataCapture(name, compute.client("s3", region), seconds)
        self._invocations = Invocations(self.metrics, self.capture)
        self._resolve = resolve
        self._stop = Stop(self.deleted, compute.stopping)
        self._lock = threading.RLock()

    # The changes. Each returns at once.

    def create(self, config: Mapping[str, Any], deployment: DeploymentConfig | None = None) -> None:
        """config: the request of CreateEndpointConfig."""
        self.deployment = deployment or self.deployment
        self.deployment.check(config["ProductionVariants"], _instances(config))
        self.endpoint_config_name = config["EndpointConfigName"]
        fleet = self.pending = self._fleet(config)

        def deploy() -> None:
            try:
                fleet.bring(fleet.desired)
            finally:
                self.pending = None
            self.fleet = fleet
            self.traffic.shift((fleet, 1.0))

        self._begin("Creating", deploy, after_failure="Failed")

    def update(
        self,
        config: Mapping[str, Any],
        deployment: DeploymentConfig | None = None,
        *,
        retain: bool = False,
        retain_deployment: bool = False,
        exclude: Iterable[str] = (),
    ) -> None:
        """config: the request of CreateEndpointConfig. deployment: omitted: all at once, or with retain_deployment the
        last one.

        retain: variants keep their counts and weights, and the endpoint its data capture, whatever the configuration
        says; exclude: DesiredInstanceCount, DesiredWeight, DataCaptureConfig: which of them they do not.

        ValidationError: it cannot be, and why.
        """
        with self._lock:
            old = self._updatable()
            deployment = deployment or (self.deployment if retain_deployment else DeploymentConfig(None))
            before = {variant.name for variant in old.production}
            if retain:
                config = retained(config, old, set(exclude))
            deployment.check(config["ProductionVariants"], _instances(config), before)
            scalable_targets.check_update(
                self.account,
                self.region,
                self.endpoint_name,
                old.config["ProductionVariants"],
                config["ProductionVariants"],
            )
            self.deployment = deployment
            new = self._fleet(config)
            self._begin("Updating", lambda: self._replace(new, deployment), after_failure=self.endpoint_status)

    def scale(self, desired: list[dict[str, Any]]) -> None:
        """DesiredWeightsAndCapacities of UpdateEndpointWeightsAndCapacities."""
        with self._lock:
            fleet = self._updatable()
            take_back = fleet.want(desired)

            def change_counts() -> None:
                try:
                    fleet.bring(fleet.desired)
                except BaseException:
                    take_back()
                    raise
                finally:
                    fleet.settled()

            self._begin("Updating", change_counts, after_failure=self.endpoint_status)

    def delete(self, then: Callable[[], object]) -> None:
        """Stops what serves; then is called when nothing is left. ValidationError: it is being changed."""
        with self._lock:
            if self.endpoint_status == "Deleting":
                return
            if self.endpoint_status in _IN_PROGRESS:
                raise ValidationError(f'Cannot update in-progress endpoint "{self.arn}".')
            self.deleted.set()
            self._become("Deleting")
        scalable_targets.deregister(self.account, self.region, self.endpoint_name)

        def remove() -> None:
            fleets = self.traffic.fleets
            self.traffic.stop()
            for fleet in fleets:
                fleet.stop()
            self.metrics.flush()
            self.capture.flush()
            then()

        threading.Thread(target=remove, name=f"endpoint-{self.endpoint_name}", daemon=True).start()

    def _updatable(self) -> Fleet:
        """The fleet that a change begins with."""
        if self.endpoint_status in _IN_PROGRESS:
            raise ValidationError(f'Cannot update in-progress endpoint "{self.arn}".')
        if self.endpoint_status not in _UPDATABLE or self.fleet is None:
            raise ValidationError(
                f'Cannot update endpoint "{self.arn}": its status is {self.endpoint_status}, not InService.'
            )
        return self.fleet

    def _begin(self, status: str, change: Callable[[], None], *, after_failure: str) -> None:
        self._become(status)
        threading.Thread(
            target=self._run, args=(change, after_failure), name=f"endpoint-{self.endpoint_name}", daemon=True
        ).start()

    def _run(self, change: Callable[[], None], after_failure: str) -> None:
        reason = None
        try:
            change()
        except ValidationError as problem:
            reason = str(problem.message)
        except _EXPECTED as problem:
            reason = str(problem)
            after_failure = "UpdateRollbackFailed" if isinstance(problem, RollbackFailedError) else after_failure
        except Exception as error:
            if not self.compute.stopping.is_set():
                _logger.exception("endpoint %s", self.endpoint_name)
            reason = f"Request to service failed. {type(error).__name__}: {error}"
        self.failure_reason = reason[:_LONGEST_REASON] if reason else None
        self._become(after_failure if reason else "InService")

    def _replace(self, new: Fleet, deployment: DeploymentConfig) -> None:
        """Lets the new fleet take over, or leaves everything as it was; then there is no pending one."""
        old, left = self.fleet, self.pending  # left: by a rollback that failed; it serves, too
        assert old
        serving = {old, *self.traffic.fleets}
        self.pending = new
        baking = Baking(deployment, self.account, self.region, self.compute.cloud.seconds, self._stop)
        update = Update(
            old,
            new,
            self.traffic,
            deployment,
            baking,
            told=lambda: endpoint_description.tell(self, deployment=True),
            rolling_back=lambda: self._become("RollingBack"),
        )
        try:
            update.run()
        except RollbackFailedError:
            raise  # both serve
        except BaseException:
            self.pending = left
            raise
        with self._lock:
            self.fleet, self.pending = new, None
            self.endpoint_config_name = new.config_name
            new.settled()
        for fleet in serving:
            fleet.stop()

    def _fleet(self, config: Mapping[str, Any]) -> Fleet:
        return Fleet(
            self.compute,
            config,
            endpoint=self.endpoint_name,
            account=self.account,
            region=self.region,
            resolve=self._resolve,
            stop=self._stop,
        )

    def _become(self, status: str) -> None:
        self.endpoint_status = status
        self.last_modified_time = utcnow()
        endpoint_description.tell(self)

    # Requests

    def choose(self, target_variant: str | None) -> ServingContainer | None:
        """The container for the next request. None: nothing serves. ValidationError: there is no such variant."""
        chosen = self.traffic.choose(target_variant)
        return chosen[2] if chosen else None

    def invoke(
        self, body: bytes, headers: dict[str, str], target_variant: str | None = None, *, began: float | None = None
    ) -> Invocation | None:
        """Hands a request to a container that takes it. None: nothing serves. ValidationError: no such variant.

        headers: those that the container gets. began: time.perf_counter() when the request came. Omitted: now.
        """
        began = time.perf_counter() if began is None else began
        while chosen := self.traffic.choose(target_variant):
            try:
                return self._invocations.ask(*chosen, body, headers, began)
            except DrainingError:
                continue  # it was stopped after it was chosen
        return None

    def flush(self) -> None:
        """Tells CloudWatch what has happened, and how busy it is."""
        variants = [variant for fleet in self.traffic.fleets for variant in fleet.variants.values()]
        config = self.fleet.config.get("MetricsConfig") if self.fleet else None
        self.metrics.flush(variants, (config or {}).get("MetricPublishFrequencyInSeconds"))

    # Answers

    def summary(self) -> dict[str, Any]:
        return {
            "EndpointName": self.endpoint_name,
            "EndpointArn": self.arn,
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
            "EndpointStatus": self.endpoint_status,
        }

    def describe(self) -> dict[str, Any]:
        """DescribeEndpoint's answer."""
        with self._lock:
            return endpoint_description.described(self)


def _instances(config: Mapping[str, Any]) -> int:
    return sum(initial_count(variant) for variant in config["ProductionVariants"])
