"""The containers of a serverless variant: as many as there are requests at once, up to MaxConcurrency.

Each has one request at a time.
"""

import threading
import time
from collections.abc import Mapping
from typing import Any

from localcloud.sagemaker import launching
from localcloud.sagemaker.fleet import Fleet
from localcloud.sagemaker.measurements import Measurements
from localcloud.sagemaker.serving_container import ServingContainer


class ServerlessFleet(Fleet):
    """variant.containers are those that are there, busy or not."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        (self.variant,) = self.production
        self.variant.desired = self._provisioned
        self._idle: dict[ServingContainer, float] = {}  # since when
        self._requests = 0
        self._is_stopped = False
        self._changes = threading.Lock()

    @property
    def running(self) -> dict[str, int]:
        """The provisioned ones: others come and go by themselves."""
        return self.desired

    def bring(self, counts: Mapping[str, int]) -> None:
        """The provisioned containers; without any, one is started to see whether it comes up, as AWS does, and ended.

        Raises what `start` raises.
        """
        missing = self._provisioned - len(self.variant.containers)
        is_trial = not self.variant.containers and self._provisioned == 0
        started = self._start_some(1 if is_trial else max(0, missing))
        if is_trial:
            launching.end(self._compute, started)
            return
        with self._changes:
            self.variant.containers = [*self.variant.containers, *started]
            self._idle.update(dict.fromkeys(started, time.monotonic()))

    def configure(self, config: dict[str, Any]) -> None:
        """Another ServerlessConfig. Raises what `start` raises."""
        self.variant.settings = {**self.variant.settings, "ServerlessConfig": config}
        self.variant.desired = self._provisioned
        if self._provisioned > len(self.variant.containers):
            self.bring({self.variant.name: self._provisioned})

    def enter(self, measured: Measurements) -> bool:
        """Whether there may be one more request; `leave` must follow where there may."""
        most, provisioned = int(self._config["MaxConcurrency"]), self._provisioned
        with self._changes:
            others = self._requests
            is_let_in = others < most
            self._requests += is_let_in
        self.tell_use(measured)
        if is_let_in and provisioned:
            measured.add("ServerlessProvisionedConcurrencyInvocations", float(others < provisioned))
            measured.add("ServerlessProvisionedConcurrencySpilloverInvocations", float(others >= provisioned))
        return is_let_in

    def tell_use(self, measured: Measurements) -> None:
        """How much is in use of what there may be."""
        requests, provisioned = self._requests, self._provisioned
        measured.add(
            "ServerlessConcurrentExecutionsUtilization", requests / int(self._config["MaxConcurrency"]), "None"
        )
        if provisioned:
            used = min(requests, provisioned) / provisioned
            measured.add("ServerlessProvisionedConcurrencyUtilization", used, "None")

    def leave(self) -> None:
        with self._changes:
            self._requests -= 1

    def take(self, measured: Measurements) -> ServingContainer:
        """An idle container, or a new one. Raises what `start` raises."""
        with self._changes:
            if self._idle:
                serving, _ = self._idle.popitem()  # the newest: the others grow old, and end
                return serving
        began = time.perf_counter()
        (serving,) = self._start_some(1)
        measured.add("ModelSetupTime", (time.perf_counter() - began) * 1e6, "Microseconds")
        with self._changes:
            self.variant.containers = [*self.variant.containers, serving]
        return serving

    def put_back(self, serving: ServingContainer) -> None:
        """It has answered."""
        with self._changes:
            if not self._is_stopped and serving.container.exit_code is None:
                self._idle[serving] = time.monotonic()
                return
        self._end([serving])

    def end_idle(self, seconds: float) -> None:
        """Ends what has been idle for so long, and is not provisioned."""
        with self._changes:
            now, spare = time.monotonic(), len(self.variant.containers) - self._provisioned
            unused = [each for each, since in self._idle.items() if now - since > seconds][: max(0, spare)]
            for serving in unused:
                del self._idle[serving]
        self._end(unused)

    def stop(self) -> None:
        """Those that are busy end when they have answered."""
        with self._changes:
            self._is_stopped = True
            idle, self._idle = list(self._idle), {}
        self._end(idle)

    def _end(self, containers: list[ServingContainer]) -> None:
        with self._changes:
            self.variant.containers = [each for each in self.variant.containers if each not in containers]
        launching.end(self._compute, containers)

    def _start_some(self, count: int) -> list[ServingContainer]:
        return self.start(self.variant.settings, self._resolve(self.variant.settings["ModelName"]), count)

    @property
    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.variant.settings["ServerlessConfig"]
        return config

    @property
    def _provisioned(self) -> int:
        return int(self._config.get("ProvisionedConcurrency") or 0)
