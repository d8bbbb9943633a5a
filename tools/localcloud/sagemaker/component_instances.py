"""The instances of an endpoint that hosts inference components, and who has which part of them.

An instance is a reckoning here: containers are processes of one machine, whatever instance they are said to be on.
"""

import threading
import time
from collections.abc import Mapping
from typing import Any

from localcloud.sagemaker import instance_pools
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.fleet import Fleet
from localcloud.sagemaker.instance_capacity import Capacity, capacity_of

# With managed scaling, an instance without copies is given back; AWS's own measurements say after ten minutes.
EMPTY = 600.0  # seconds on AWS's clock


class NoRoomError(Exception):
    """No instance has room for another copy, and there may be no further instance. The text is a FailureReason."""


class Instance:
    """One instance. taken: what its copies have, each under a key of its own."""

    def __init__(self, instance_type: str) -> None:
        self.identifier = f"i-{time.time_ns():x}"
        self.capacity = capacity_of(instance_type)
        self.taken: dict[object, Capacity] = {}
        self.empty_since = time.monotonic()

    def has_room_for(self, needed: Capacity) -> bool:
        return self.capacity.holds(sum(self.taken.values(), needed))


class Instances:
    """Those of one variant. variant: of the endpoint configuration; may be replaced."""

    def __init__(self) -> None:
        self._instances: list[Instance] = []
        self._variant: dict[str, Any] = {}
        self._lock = threading.RLock()

    @property
    def count(self) -> int:
        return len(self._instances)

    @property
    def scaling(self) -> dict[str, Any] | None:
        """ManagedInstanceScaling, where it is enabled."""
        scaling: dict[str, Any] = self._variant.get("ManagedInstanceScaling") or {}
        return scaling if scaling.get("Status") == "ENABLED" else None

    def configure(self, variant: dict[str, Any]) -> None:
        """As many as InitialInstanceCount says, within the limits of managed scaling; none with copies goes."""
        with self._lock:
            self._variant = variant
            wanted = int(variant.get("InitialInstanceCount", 1))
            if self.scaling:
                wanted = min(max(wanted, self._least), self._most)
            self.bring(wanted)

    def bring(self, count: int) -> None:
        """Towards that many. Those with copies stay."""
        with self._lock:
            while len(self._instances) < count:
                self._instances.append(self._new())
            for instance in [each for each in self._instances if not each.taken][: max(0, self.count - count)]:
                self._instances.remove(instance)

    def take(self, key: object, needed: Capacity) -> Instance:
        """The emptiest instance with room, a new one where none has.

        NoRoomError: there may be no more instances. NoCapacityError: AWS has none.
        """
        with self._lock:
            ready = [instance for instance in self._instances if instance.has_room_for(needed)]
            if ready:
                instance = min(ready, key=lambda each: len(each.taken))
            elif self.scaling and self.count < self._most:
                instance = self._new()
                self._instances.append(instance)
            else:
                types = ", ".join(instance_pools.instance_types(self._variant))
                raise NoRoomError(
                    "There is not enough hardware resources on the instances to create copies for this inference "
                    f"component. Please retry with more instances, or fewer copies: a copy needs {needed}, and "
                    f"{self.count} instance(s) of type {types} have no room for it."
                )
            instance.taken[key] = needed
            return instance

    def give_back(self, instance: Instance, key: object) -> None:
        with self._lock:
            instance.taken.pop(key, None)
            instance.empty_since = time.monotonic()

    def release_empty(self, after: float) -> None:
        """With managed scaling: ends instances that have had no copy for so many seconds, down to the minimum."""
        with self._lock:
            if not self.scaling:
                return
            now = time.monotonic()
            idle = [each for each in self._instances if not each.taken and now - each.empty_since > after]
            for instance in idle[: max(0, self.count - self._least)]:
                self._instances.remove(instance)

    def _new(self) -> Instance:
        instance_type, _ = instance_pools.take({**self._variant, "ModelName": ""})  # the copies have models
        return Instance(instance_type)

    @property
    def _least(self) -> int:
        return int((self.scaling or {}).get("MinInstanceCount", 0))

    @property
    def _most(self) -> int:
        return int((self.scaling or {}).get("MaxInstanceCount") or self._variant.get("InitialInstanceCount", 1))


class ComponentFleet(Fleet):
    """What an endpoint of components has as a fleet: its configuration, and the instances that all of them share."""

    def __init__(self, compute: Compute, config: Mapping[str, Any], instances: Instances, **named: Any) -> None:
        super().__init__(compute, config, **named)
        self._instances = instances

    def bring(self, counts: Mapping[str, int]) -> None:
        """As many instances as the configuration says, within the limits of managed scaling."""
        self._instances.configure(self.production[0].settings)
