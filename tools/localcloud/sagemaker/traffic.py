"""Who gets the next request: a fleet by its share, a variant by its weight, a container by the variant's routing."""

import random
from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

from moto.sagemaker.exceptions import ValidationError

from localcloud.sagemaker.fleet import Fleet, Variant
from localcloud.sagemaker.serving_container import ServingContainer

T = TypeVar("T")


class Traffic:
    """The fleets that serve an endpoint, and the share of requests of each."""

    def __init__(self, endpoint: str) -> None:
        """endpoint: its name."""
        self._endpoint = endpoint
        self._shares: tuple[tuple[Fleet, float], ...] = ()

    def shift(self, *shares: tuple[Fleet, float]) -> None:
        """From the next request on. A share of 0 is none."""
        self._shares = tuple((fleet, share) for fleet, share in shares if share > 0)

    @property
    def shares(self) -> tuple[tuple[Fleet, float], ...]:
        return self._shares

    def stop(self) -> None:
        """Nothing serves any more."""
        self._shares = ()

    @property
    def fleets(self) -> list[Fleet]:
        return [fleet for fleet, _ in self._shares]

    def choose(self, target_variant: str | None) -> tuple[Fleet, Variant, ServingContainer] | None:
        """What gets the next request. None: nothing serves.

        ValidationError: there is no such variant.
        """
        shares = self._shares  # one and the same, whatever is shifted meanwhile
        if not shares:
            return None
        if target_variant:
            shares = tuple((fleet, share) for fleet, share in shares if _has(fleet, target_variant))
            if not shares:
                raise ValidationError(f"Variant {target_variant} of endpoint {self._endpoint} not found.")
        fleet = _by_weight(shares)
        variants = [fleet.variants[target_variant]] if target_variant else fleet.production
        ready = [(variant, variant.weight) for variant in variants if variant.containers]
        if not ready:
            return None
        variant = _by_weight(ready)
        container = _routed(variant)
        return (fleet, variant, container) if container else None


def _has(fleet: Fleet, name: str) -> bool:
    return name in fleet.variants and not fleet.variants[name].is_shadow


def _by_weight(weighted: Iterable[tuple[T, float]]) -> T:
    things, weights = zip(*weighted, strict=True)
    if len(things) == 1 or not any(weights):
        return cast("T", things[0])
    return cast("T", random.choices(things, weights)[0])


def _routed(variant: Variant) -> ServingContainer | None:
    containers: Sequence[ServingContainer] = variant.containers
    if not containers:
        return None
    strategy = (variant.settings.get("RoutingConfig") or {}).get("RoutingStrategy")
    if strategy == "LEAST_OUTSTANDING_REQUESTS":
        fewest = min(container.requests for container in containers)
        containers = [container for container in containers if container.requests == fewest] or containers
    return random.choice(containers)
