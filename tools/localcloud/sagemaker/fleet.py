"""The containers of one endpoint with one configuration: what an update replaces as a whole."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from moto.core.utils import utcnow
from moto.sagemaker.exceptions import ValidationError

from localcloud.log_stream import LogStream
from localcloud.sagemaker import instance_pools, launching
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.registry import ServedModel
from localcloud.sagemaker.serving_container import ServingContainer, Stop

STARTUP_TIMEOUT = 480.0  # seconds, unless the variant says otherwise


class Variant:
    """One production or shadow variant: what was asked for it, and what runs.

    desired, weight: its DesiredInstanceCount and DesiredWeight. instance_types: of its containers, as many as they are.
    stage: its VariantStatus, the message of it and since when; None: nothing happens to it.
    """

    def __init__(self, settings: Mapping[str, Any], *, is_shadow: bool = False) -> None:
        self.settings = dict(settings)
        self.name = str(settings["VariantName"])
        self.is_shadow = is_shadow
        self.desired = initial_count(settings)
        weight = settings.get("InitialVariantWeight")
        self.weight = 1.0 if weight is None else float(weight)
        self.containers: list[ServingContainer] = []
        self.instance_types: dict[ServingContainer, str] = {}
        self.images: list[dict[str, Any]] = []
        self.stage: tuple[str, str, datetime] | None = None


class Fleet:
    """Containers by variant.

    config: the request of CreateEndpointConfig, EndpointConfigName included.
    """

    def __init__(
        self,
        compute: Compute,
        config: Mapping[str, Any],
        *,
        endpoint: str,
        account: str,
        region: str,
        resolve: Callable[[str], ServedModel],
        stop: Stop,
    ) -> None:
        """endpoint: its name. resolve: what a model of that name is made of. stop: whether waiting makes no sense."""
        self.config = dict(config)
        self.config_name = str(config["EndpointConfigName"])
        self.started_at = utcnow()
        shadows = [Variant(settings, is_shadow=True) for settings in config.get("ShadowProductionVariants") or ()]
        production = [Variant(settings) for settings in config["ProductionVariants"]]
        self.variants = {variant.name: variant for variant in (*production, *shadows)}
        self._compute = compute
        self._endpoint = endpoint
        self._account = account
        self._region = region
        self._resolve = resolve
        self._given_up = stop

    @property
    def production(self) -> list[Variant]:
        """The variants that answer callers."""
        return [variant for variant in self.variants.values() if not variant.is_shadow]

    @property
    def shadows(self) -> list[Variant]:
        return [variant for variant in self.variants.values() if variant.is_shadow]

    @property
    def desired(self) -> dict[str, int]:
        """How many containers each variant is to have."""
        return {variant.name: variant.desired for variant in self.variants.values()}

    @property
    def running(self) -> dict[str, int]:
        """How many containers each variant has."""
        return {variant.name: len(variant.containers) for variant in self.variants.values()}

    def want(self, desired: Iterable[Mapping[str, Any]]) -> Callable[[], None]:
        """Takes counts and weights over, for `bring`, and tells of them; what it answers takes them back.

        desired: DesiredWeightsAndCapacities of UpdateEndpointWeightsAndCapacities. ValidationError: of a variant that
        there is not.
        """
        changes = {change["VariantName"]: change for change in desired}
        if unknown := sorted(set(changes) - {variant.name for variant in self.production}):
            raise ValidationError(f"The variant name(s) {', '.join(unknown)} do not exist in the endpoint.")
        fewest = 0 if self.config.get("AsyncInferenceConfig") else 1
        if few := [name for name, change in changes.items() if change.get("DesiredInstanceCount", fewest) < fewest]:
            raise ValidationError(f"DesiredInstanceCount of variant {few[0]} must be at least 1.")
        before = {variant: (variant.desired, variant.weight) for variant in self.production}
        for name, change in changes.items():
            variant = self.variants[name]
            if change.get("DesiredInstanceCount") is not None:
                variant.desired = change["DesiredInstanceCount"]
            if change.get("DesiredWeight") is not None:
                variant.weight = change["DesiredWeight"]
        self.tell("Updating", {name: f"Scaling desired instance count to {n}." for name, n in self.desired.items()})

        def take_back() -> None:
            for variant, (count, weight) in before.items():
                variant.desired, variant.weight = count, weight

        return take_back

    def bring(self, counts: Mapping[str, int]) -> None:
        """Makes variants have that many containers: all new ones become healthy, or there are none; then others end.

        Raises what `start` raises.
        """
        launched: dict[str, list[ServingContainer]] = {name: [] for name in counts}
        try:
            for name, count in counts.items():
                for _ in range(count - len(self.variants[name].containers)):
                    launched[name].append(self._launch_one(self.variants[name]))
            for name, containers in launched.items():
                self._wait(self.variants[name].settings, containers)
        except BaseException:
            launching.end(self._compute, [each for containers in launched.values() for each in containers])
            raise
        surplus: list[ServingContainer] = []
        for name, count in counts.items():
            variant = self.variants[name]
            containers = [*variant.containers, *launched[name]]
            variant.containers = containers[:count]
            variant.instance_types = {each: variant.instance_types[each] for each in variant.containers}
            surplus += containers[count:]
        launching.end(self._compute, surplus)

    def start(self, variant: Mapping[str, Any], model: ServedModel, count: int = 1) -> list[ServingContainer]:
        """Healthy containers of a model with a variant's settings, which nothing asks by itself; all, or none.

        NotServingError: one did not become healthy. NoSuchDataError, UnknownImageError: there is no such model, no such
        image. NoCapacityError: there is no such instance.
        """
        containers: list[ServingContainer] = []
        try:
            for _ in range(count):
                containers.append(self._launch(variant, model))
            self._wait(variant, containers)
        except BaseException:
            launching.end(self._compute, containers)
            raise
        return containers

    def stop(self) -> None:
        """Every container answers what it has, and ends."""
        containers = [each for variant in self.variants.values() for each in variant.containers]
        launching.end(self._compute, containers)
        for variant in self.variants.values():
            variant.containers = []

    def tell(self, status: str, message: str | Mapping[str, str]) -> None:
        """What happens to its production variants from now on, as DescribeEndpoint shows it.

        message: one for all of them, or by name.
        """
        for variant in self.production:
            variant.stage = status, message if isinstance(message, str) else message[variant.name], utcnow()

    def settled(self) -> None:
        """Nothing happens to it any more."""
        for variant in self.variants.values():
            variant.stage = None

    def _launch_one(self, variant: Variant) -> ServingContainer:
        instance_type, model_name = instance_pools.take(variant.settings)
        model = self._resolve(model_name)
        serving = self._launch(variant.settings, model)
        variant.instance_types[serving] = instance_type
        digest = serving.container.image.digest
        repository = model.image.partition("@")[0].rpartition(":")[0] or model.image
        resolved = {"SpecifiedImage": model.image, "ResolvedImage": f"{repository}@{digest}"}
        if resolved not in [{name: each[name] for name in resolved} for each in variant.images]:
            variant.images.append({**resolved, "ResolutionTime": utcnow()})
        return serving

    def _launch(self, variant: Mapping[str, Any], model: ServedModel) -> ServingContainer:
        name = variant["VariantName"]
        group = f"/aws/sagemaker/Endpoints/{self._endpoint}"
        log = LogStream(self._account, self._region, group, f"{name}/i-{time.time_ns():x}")
        limit = variant.get("ModelDataDownloadTimeoutInSeconds")
        return launching.launch(
            self._compute,
            model,
            name,
            log,
            f"endpoint {self._endpoint}, variant {name}",
            self._account,
            self._region,
            self._compute.cloud.seconds(limit) if limit else None,
        )

    def _wait(self, variant: Mapping[str, Any], containers: list[ServingContainer]) -> None:
        timeout = variant.get("ContainerStartupHealthCheckTimeoutInSeconds") or STARTUP_TIMEOUT
        deadline = time.monotonic() + timeout
        for container in containers:
            container.wait_until_healthy(deadline, self._given_up)


def initial_count(settings: Mapping[str, Any]) -> int:
    """InitialInstanceCount; 1 where it is left out."""
    count = settings.get("InitialInstanceCount")
    return 1 if count is None else int(count)
