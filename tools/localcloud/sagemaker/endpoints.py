"""Endpoints that serve: containers per variant, replaced without a gap, and rolled back when the new ones fail."""

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from moto.core.utils import utcnow
from moto.sagemaker.exceptions import ValidationError

from localcloud.images.store import UnknownImageError
from localcloud.log_stream import LogStream
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.metrics import InvocationMetrics
from localcloud.sagemaker.registry import ServedModel
from localcloud.sagemaker.s3 import NoSuchDataError, download_model
from localcloud.sagemaker.serving_container import STOP_TIMEOUT, NotServingError, ServingContainer, Stop

STARTUP_TIMEOUT = 480.0  # seconds, unless the variant says otherwise
_LONGEST_REASON = 1024
_logger = logging.getLogger(__name__)

Fleet = dict[str, list[ServingContainer]]  # by variant


class Endpoint:
    """One endpoint. Every change runs in a thread; the request that asked for it is answered at once, as on AWS.

    Attributes in lower case are those that moto's ListEndpoints and tagging read.
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
        self.metrics = InvocationMetrics(account, region, name)
        self.deleted = threading.Event()
        self._resolve = resolve
        self._variants: list[dict[str, Any]] = []  # of the configuration that serves
        self._fleet: Fleet = {}
        self._turn = itertools.count()
        self._lock = threading.RLock()

    # The three changes. Each returns at once.

    def create(self, config_name: str, variants: list[dict[str, Any]]) -> None:
        self.endpoint_config_name = config_name
        self._begin("Creating", lambda: self._deploy(config_name, variants), after_failure="Failed")

    def update(self, config_name: str, variants: list[dict[str, Any]], *, retain_counts: bool) -> None:
        """retain_counts: variants keep the number of containers that they have now, whatever the new config says."""
        if retain_counts:
            counts = {variant: len(containers) for variant, containers in self._fleet.items()}
            variants = [
                {**variant, "InitialInstanceCount": counts.get(variant["VariantName"]) or _count(variant)}
                for variant in variants
            ]
        self._begin("Updating", lambda: self._deploy(config_name, variants), after_failure="InService")

    def scale(self, desired: list[dict[str, Any]]) -> None:
        """DesiredWeightsAndCapacities of UpdateEndpointWeightsAndCapacities."""
        changes = {change["VariantName"]: change for change in desired}
        if unknown := sorted(set(changes) - {variant["VariantName"] for variant in self._variants}):
            raise ValidationError(f"The variant name(s) {', '.join(unknown)} do not exist in the endpoint.")
        variants = [dict(variant) for variant in self._variants]
        for variant in variants:
            change = changes.get(variant["VariantName"], {})
            if change.get("DesiredInstanceCount") is not None:
                variant["InitialInstanceCount"] = change["DesiredInstanceCount"]
            if change.get("DesiredWeight") is not None:
                variant["InitialVariantWeight"] = change["DesiredWeight"]
        self._begin("Updating", lambda: self._scale(variants), after_failure="InService")

    def delete(self, then: Callable[[], object]) -> None:
        """Stops what serves, and what is only being started; then is called when nothing is left."""
        with self._lock:
            if self.endpoint_status == "Deleting":
                return
            self._set_status("Deleting")
            self.deleted.set()

        def remove() -> None:
            self._stop(self._take_fleet())
            self.metrics.flush()
            then()

        threading.Thread(target=remove, name=f"endpoint-{self.endpoint_name}", daemon=True).start()

    def _begin(self, status: str, change: Callable[[], None], *, after_failure: str) -> None:
        with self._lock:
            if status == "Updating" and self.endpoint_status != "InService":
                raise ValidationError(
                    f'Cannot update endpoint "{self.arn}": its status is {self.endpoint_status}, not InService.'
                )
            self._set_status(status)
        threading.Thread(
            target=self._run, args=(change, after_failure), name=f"endpoint-{self.endpoint_name}", daemon=True
        ).start()

    def _run(self, change: Callable[[], None], after_failure: str) -> None:
        reason = None
        try:
            change()
        except (NotServingError, NoSuchDataError, UnknownImageError, ValidationError) as problem:
            reason = problem.message if isinstance(problem, ValidationError) else str(problem)
        except Exception as error:
            if not self.compute.stopping.is_set():
                _logger.exception("endpoint %s", self.endpoint_name)
            reason = f"Request to service failed. {type(error).__name__}: {error}"
        with self._lock:
            if self.deleted.is_set():
                return
            self.failure_reason = reason[:_LONGEST_REASON] if reason else None
            self._set_status(after_failure if reason else "InService")

    def _deploy(self, config_name: str, variants: list[dict[str, Any]]) -> None:
        """Starts all containers of the new configuration, and lets them replace the old ones once all are healthy."""
        fleet = self._start(variants)
        with self._lock:
            if self.deleted.is_set():
                old = fleet
            else:
                old, self._fleet = self._fleet, fleet
                self._variants = variants
                self.endpoint_config_name = config_name
        self._stop(old)

    def _scale(self, variants: list[dict[str, Any]]) -> None:
        missing = []
        for variant in variants:
            number = _count(variant) - len(self._fleet[variant["VariantName"]])
            if number > 0:
                missing.append({**variant, "InitialInstanceCount": number})
        started = self._start(missing) if missing else {}
        surplus: Fleet = {}
        with self._lock:
            for variant in variants:
                name = variant["VariantName"]
                containers = self._fleet[name] + started.get(name, [])
                self._fleet[name], surplus[name] = containers[: _count(variant)], containers[_count(variant) :]
            self._variants = variants
        self._stop(surplus)

    def _start(self, variants: list[dict[str, Any]]) -> Fleet:
        """All or nothing."""
        fleet: Fleet = {}
        try:
            for variant in variants:
                model = self._resolve(variant["ModelName"])
                fleet[variant["VariantName"]] = containers = []
                for _ in range(_count(variant)):
                    containers.append(self._launch(variant["VariantName"], model))
            stop = Stop(self.deleted, self.compute.stopping)
            for variant in variants:
                timeout = variant.get("ContainerStartupHealthCheckTimeoutInSeconds") or STARTUP_TIMEOUT
                deadline = time.monotonic() + timeout
                for container in fleet[variant["VariantName"]]:
                    container.wait_until_healthy(deadline, stop)
        except BaseException:
            self._stop(fleet)
            raise
        return fleet

    def _launch(self, variant: str, model: ServedModel) -> ServingContainer:
        group = f"/aws/sagemaker/Endpoints/{self.endpoint_name}"
        log = LogStream(self.account, self.region, group, f"{variant}/i-{time.time_ns():x}")
        image = self.compute.image(model.image, model.role, log.write)
        container = self.compute.container(image, f"endpoint {self.endpoint_name}, variant {variant}")
        serving = ServingContainer(container, variant, log)
        try:
            target = container.opt_ml / "model"
            target.mkdir(exist_ok=True)
            if model.data:
                s3, archive = self.compute.client("s3", self.region), container.folder / "model.tar.gz"
                download_model(s3, model.data.uri, archive, target, is_packed=model.data.is_packed)
            serving.start({**self.compute.environment(self.region, self.account), **model.environment})
        except BaseException:
            self.compute.remove(container)
            raise
        return serving

    def _stop(self, fleet: Fleet) -> None:
        for containers in fleet.values():
            for serving in containers:
                serving.close()
                serving.container.terminate()
        for containers in fleet.values():
            for serving in containers:
                serving.container.wait(STOP_TIMEOUT)  # it answers what it has
                self.compute.remove(serving.container)

    def _take_fleet(self) -> Fleet:
        with self._lock:
            fleet, self._fleet = self._fleet, {}
        return fleet

    def _set_status(self, status: str) -> None:
        self.endpoint_status = status
        self.last_modified_time = utcnow()

    def choose(self, target_variant: str | None) -> ServingContainer | None:
        """The container for the next request: a variant by weight, then its containers in turn. None: nothing serves.

        ValidationError: there is no such variant.
        """
        with self._lock:
            if not self._fleet or self.endpoint_status not in ("InService", "Updating", "RollingBack"):
                return None
            if target_variant and target_variant not in self._fleet:
                raise ValidationError(f"Variant {target_variant} of endpoint {self.endpoint_name} not found.")
            name = target_variant or self._by_weight()
            containers = self._fleet[name]
            return containers[next(self._turn) % len(containers)]

    def _by_weight(self) -> str:
        if len(self._variants) == 1:
            return str(self._variants[0]["VariantName"])
        weights = [variant.get("InitialVariantWeight", 1.0) for variant in self._variants]
        return str(random.choices([variant["VariantName"] for variant in self._variants], weights)[0])

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
            variants = [
                {
                    "VariantName": variant["VariantName"],
                    "CurrentWeight": variant.get("InitialVariantWeight", 1.0),
                    "DesiredWeight": variant.get("InitialVariantWeight", 1.0),
                    "CurrentInstanceCount": len(self._fleet.get(variant["VariantName"], [])),
                    "DesiredInstanceCount": _count(variant),
                }
                for variant in self._variants
            ]
            return {
                **self.summary(),
                "EndpointConfigName": self.endpoint_config_name,
                **({"ProductionVariants": variants} if variants else {}),
                **({"FailureReason": self.failure_reason} if self.failure_reason else {}),
            }


def _count(variant: dict[str, Any]) -> int:
    return int(variant.get("InitialInstanceCount") or 1)
