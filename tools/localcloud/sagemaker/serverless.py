"""Serverless endpoints: a container begins when a request comes, and ends when none has come for a while.

Contract: https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
"""

import threading
import time
from collections.abc import Mapping
from typing import Any

from moto.sagemaker.exceptions import ValidationError

from localcloud.images.store import UnknownImageError
from localcloud.sagemaker.endpoint import Endpoint
from localcloud.sagemaker.fleet import Fleet
from localcloud.sagemaker.invocations import Invocation
from localcloud.sagemaker.measurements import Measurements
from localcloud.sagemaker.refusal import InvocationRefusedError
from localcloud.sagemaker.s3 import NoSuchDataError
from localcloud.sagemaker.serverless_fleet import ServerlessFleet
from localcloud.sagemaker.serving_container import NotServingError

# AWS does not say when it takes an idle container away; people have seen five minutes and more.
IDLE = 300.0  # seconds on AWS's clock
_LOOK_EVERY = 1.0  # seconds


class ServerlessEndpoint(Endpoint):
    """One variant, whose containers come and go; those of ProvisionedConcurrency stay."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._measured: dict[str, Measurements] = {}
        threading.Thread(target=self._watch, name=f"idle-{self.endpoint_name}", daemon=True).start()

    def scale(self, desired: list[dict[str, Any]]) -> None:
        """ServerlessUpdateConfig of the variant. ValidationError: it cannot be."""
        with self._lock:
            fleet = self._serverless(self._updatable())
            (change,) = desired
            if change["VariantName"] != fleet.variant.name:
                raise ValidationError(f"The variant name(s) {change['VariantName']} do not exist in the endpoint.")
            update = change.get("ServerlessUpdateConfig")
            if not update:
                raise ValidationError("ServerlessUpdateConfig is required for a serverless variant.")
            before = fleet.variant.settings["ServerlessConfig"]
            config = {**before, **update}
            if (config.get("ProvisionedConcurrency") or 0) > config["MaxConcurrency"]:
                raise ValidationError("ProvisionedConcurrency must be 1 to MaxConcurrency.")

        def provision() -> None:
            try:
                fleet.configure(config)
            except BaseException:
                fleet.configure(before)
                raise

        self._begin("Updating", provision, after_failure="InService")

    def invoke(
        self, body: bytes, headers: dict[str, str], target_variant: str | None = None, *, began: float | None = None
    ) -> Invocation | None:
        """Waits for a cold start where no container is idle.

        InvocationRefusedError: MaxConcurrency requests are under way (ThrottlingException, which AWS gives without a
        message), or a new container does not come up.
        """
        began = time.perf_counter() if began is None else began
        if not self.traffic.fleets or not self.fleet:
            return None
        fleet = self._serverless(self.fleet)
        measured = self._measurements(fleet.variant.name)
        if not fleet.enter(measured):
            raise InvocationRefusedError(None, code="ThrottlingException")
        try:
            serving = fleet.take(measured)
        except (NotServingError, NoSuchDataError, UnknownImageError) as error:
            fleet.leave()
            raise InvocationRefusedError(str(error), code="ModelNotReadyException", status=429) from None
        try:
            return self._invocations.ask(fleet, fleet.variant, serving, body, headers, began)
        finally:
            fleet.put_back(serving)
            fleet.leave()

    def _fleet(self, config: Mapping[str, Any]) -> Fleet:
        return ServerlessFleet(
            self.compute,
            config,
            endpoint=self.endpoint_name,
            account=self.account,
            region=self.region,
            resolve=self._resolve,
            stop=self._stop,
        )

    def _watch(self) -> None:
        """Ends what nobody has asked for a while, and hands the metrics over."""
        idle = self.compute.cloud.seconds(IDLE)
        while not (self.deleted.wait(_LOOK_EVERY) or self.compute.stopping.is_set()):
            for fleet in self.traffic.fleets:
                self._serverless(fleet).end_idle(idle)
                self._serverless(fleet).tell_use(self._measurements(fleet.production[0].name))
            for measured in list(self._measured.values()):
                measured.flush()

    def _measurements(self, variant: str) -> Measurements:
        dimensions = {"EndpointName": self.endpoint_name, "VariantName": variant}
        return self._measured.setdefault(variant, Measurements(self.account, self.region, dimensions))

    def _serverless(self, fleet: Fleet) -> ServerlessFleet:
        assert isinstance(fleet, ServerlessFleet)  # _fleet makes no others
        return fleet
