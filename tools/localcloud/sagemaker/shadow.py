"""Shadow variants: they get copies of requests, and nobody waits for their answers or sees their errors."""

import random
import threading
from collections.abc import Callable

from localcloud.sagemaker.fleet import Fleet, Variant

_MOST_AT_A_TIME = 16  # copies under way; while there are so many, no further ones are made


class ShadowTraffic:
    """Copies of one endpoint's requests."""

    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(_MOST_AT_A_TIME)

    def copy(self, fleet: Fleet, production: Variant, send: Callable[[Variant], object]) -> None:
        """Sends a copy to each shadow of the fleet, as often as its weight is of the production variant's."""
        for shadow in fleet.shadows:
            share = shadow.weight / production.weight if production.weight else 0.0
            if shadow.containers and random.random() < share and self._free.acquire(blocking=False):
                threading.Thread(target=self._run, args=(send, shadow), name="shadow", daemon=True).start()

    def _run(self, send: Callable[[Variant], object], shadow: Variant) -> None:
        try:
            send(shadow)
        finally:
            self._free.release()
