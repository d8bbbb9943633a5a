"""Serverless endpoints: a container begins when a request comes, and ends when none has come for a while.

Contract: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
A container gets one request at a time here, and there are as many as requests at once, up to MaxConcurrency.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from moto.sagemaker.exceptions import ValidationError

from localcloud.images.store import UnknownImageError
from localcloud.sagemaker.endpoints import STARTUP_TIMEOUT, Endpoint
from localcloud.sagemaker.launching import end
from localcloud.sagemaker.measurements import Measurements
from localcloud.sagemaker.refusal import InvocationRefusedError
from localcloud.sagemaker.s3 import NoSuchDataError
from localcloud.sagemaker.serving_container import Answer, NotServingError, ServingContainer, Stop

# AWS does not say when it takes an idle container away; people have seen five minutes and more.
IDLE = 300.0  # seconds on AWS's clock
_LOOK_EVERY = 1.0  # seconds


class ServerlessEndpoint(Endpoint):
    """One variant, whose containers come and go; those of ProvisionedConcurrency stay."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._variant: dict[str, Any] = {}
        self._idle: dict[ServingContainer, float] = {}  # since when
        self._busy: set[ServingContainer] = set()
        self._starting = 0
        self._old: set[ServingContainer] = set()  # of a configuration from before, still answering
        self._measured: Measurements | None = None
        threading.Thread(target=self._watch, name=f"idle-{self.endpoint_name}", daemon=True).start()

    def _deploy(self, config_name: str, variants: list[dict[str, Any]]) -> None:
        """Starts a container to see whether it comes up, as AWS does, and ends it; then those that are to stay."""
        (variant,) = variants
        warm = [self._start_one(variant)]
        try:
            wanted = variant["ServerlessConfig"].get("ProvisionedConcurrency") or 0
            while len(warm) < wanted:
                warm.append(self._start_one(variant))
        except BaseException:
            end(self.compute, warm)
            raise
        dimensions = {"EndpointName": self.endpoint_name, "VariantName": str(variant["VariantName"])}
        with self._lock:
            if self.deleted.is_set():
                unwanted = warm
            else:
                unwanted, self._old = [*self._idle, *warm[wanted:]], set(self._busy)
                self._idle = dict.fromkeys(warm[:wanted], time.monotonic())
                self._variant, self.endpoint_config_name = variant, config_name
                self._measured = Measurements(self.account, self.region, dimensions)
        end(self.compute, unwanted)

    def scale(self, desired: list[dict[str, Any]]) -> None:
        (change,) = desired
        if change["VariantName"] != self._variant["VariantName"]:
            raise ValidationError(f"The variant name(s) {change['VariantName']} do not exist in the endpoint.")
        update = change.get("ServerlessUpdateConfig")
        if not update:
            raise ValidationError("ServerlessUpdateConfig is required for a serverless variant.")
        config = {**self._variant["ServerlessConfig"], **update}
        if (config.get("ProvisionedConcurrency") or 0) > config["MaxConcurrency"]:
            raise ValidationError("ProvisionedConcurrency must be 1 to MaxConcurrency.")
        variant = {**self._variant, "ServerlessConfig": config}
        self._begin("Updating", lambda: self._provision(variant), after_failure="InService")

    def _provision(self, variant: dict[str, Any]) -> None:
        missing = (variant["ServerlessConfig"].get("ProvisionedConcurrency") or 0) - len(self.containers())
        started: list[ServingContainer] = []
        try:
            for _ in range(missing):
                started.append(self._start_one(variant))
        except BaseException:
            end(self.compute, started)
            raise
        with self._lock:
            self._idle.update(dict.fromkeys(started, time.monotonic()))
            self._variant = variant

    def delete(self, then: Callable[[], object]) -> None:
        def end_idle() -> None:
            with self._lock:
                left, self._idle = list(self._idle), {}
            end(self.compute, left)
            then()

        super().delete(end_idle)

    def admit(self, headers: Mapping[str, str]) -> ServingContainer:
        """Waits for a cold start where no container is idle.

        InvocationRefusedError: MaxConcurrency requests are under way (ThrottlingException, which AWS gives without a
        message), or a new container does not come up.
        """
        with self._lock:
            if self.endpoint_status not in ("InService", "Updating", "RollingBack"):
                raise InvocationRefusedError(
                    f"Endpoint {self.endpoint_name} of account {self.account} is {self.endpoint_status}, not InService."
                )
            variant, config = self._variant, self._variant["ServerlessConfig"]
            running = len(self._busy) + self._starting
            self._measure(
                "ServerlessConcurrentExecutionsUtilization", min(1.0, (running + 1) / config["MaxConcurrency"])
            )
            if running >= config["MaxConcurrency"]:
                raise InvocationRefusedError(None, code="ThrottlingException")
            if provisioned := config.get("ProvisionedConcurrency"):
                used = min(running + 1, provisioned) / provisioned
                self._measure("ServerlessProvisionedConcurrencyUtilization", used)
                self._measure("ServerlessProvisionedConcurrencyInvocations", float(running < provisioned))
                self._measure("ServerlessProvisionedConcurrencySpilloverInvocations", float(running >= provisioned))
            if self._idle:
                serving, _ = self._idle.popitem()  # the newest: the others become old and end
                self._busy.add(serving)
                return serving
            self._starting += 1
        began = time.perf_counter()
        try:
            serving = self._start_one(variant)
        except (NotServingError, NoSuchDataError, UnknownImageError) as error:
            raise InvocationRefusedError(str(error), code="ModelNotReadyException", status=429) from None
        finally:
            with self._lock:
                self._starting -= 1
        self._measure("ModelSetupTime", (time.perf_counter() - began) * 1e6, "Microseconds")
        with self._lock:
            self._busy.add(serving)
        return serving

    def done(self, serving: ServingContainer, answer: Answer | None, seconds: float) -> None:
        with self._lock:
            self._busy.discard(serving)
            is_old = serving in self._old or self.deleted.is_set() or serving.container.exit_code is not None
            self._old.discard(serving)
            if not is_old:
                self._idle[serving] = time.monotonic()
        if is_old:
            end(self.compute, [serving])

    def containers(self) -> list[ServingContainer]:
        with self._lock:
            return [*self._busy, *self._idle]

    def describe(self) -> dict[str, Any]:
        with self._lock:
            variant = self._variant
            summary = {
                "VariantName": variant.get("VariantName"),
                "CurrentWeight": 1.0,
                "DesiredWeight": 1.0,
                "CurrentInstanceCount": 0,
                "CurrentServerlessConfig": variant.get("ServerlessConfig"),
            }
            return {
                **self.summary(),
                "EndpointConfigName": self.endpoint_config_name,
                **({"ProductionVariants": [summary]} if variant else {}),
                **({"FailureReason": self.failure_reason} if self.failure_reason else {}),
            }

    def _start_one(self, variant: dict[str, Any]) -> ServingContainer:
        """A healthy container. NotServingError: it does not come up."""
        serving = self._launch(variant["VariantName"], self._resolve(variant["ModelName"]))
        try:
            timeout = variant.get("ContainerStartupHealthCheckTimeoutInSeconds") or STARTUP_TIMEOUT
            serving.wait_until_healthy(time.monotonic() + timeout, Stop(self.deleted, self.compute.stopping))
        except BaseException:
            end(self.compute, [serving])
            raise
        return serving

    def _watch(self) -> None:
        """Ends what nobody has asked for a while, and hands the metrics over."""
        idle = self.compute.cloud.seconds(IDLE)
        while not (self.deleted.wait(_LOOK_EVERY) or self.compute.stopping.is_set()):
            with self._lock:
                config = self._variant.get("ServerlessConfig") or {}
                spare = len(self._idle) + len(self._busy) - (config.get("ProvisionedConcurrency") or 0)
                now = time.monotonic()
                unused = [serving for serving, since in self._idle.items() if now - since > idle][: max(0, spare)]
                for serving in unused:
                    del self._idle[serving]
            end(self.compute, unused)
            if self._measured:
                self._measured.flush()

    def _measure(self, name: str, value: float, unit: str = "Count") -> None:
        if self._measured:
            self._measured.add(name, value, unit)
