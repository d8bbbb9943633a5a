"""An update under way: from one fleet to another, by blue/green steps or batch by batch, and back when it must be."""

import math
import time
from collections.abc import Callable, Mapping

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.sagemaker.deployment_config import DeploymentConfig
from localcloud.sagemaker.fleet import Fleet
from localcloud.sagemaker.serving_container import NotServingError, Stop
from localcloud.sagemaker.traffic import Traffic

_LOOK_EVERY = 0.1  # seconds


class RolledBackError(Exception):
    """The update is undone; the message is a FailureReason."""


class RollbackFailedError(Exception):
    """The update could not be undone: old and new containers serve. The message is a FailureReason."""


class Baking:
    """The time between two steps, in which an alarm ends the update."""

    def __init__(
        self, deployment: DeploymentConfig, account: str, region: str, seconds: Callable[[float], float], stop: Stop
    ) -> None:
        """seconds: how long this embedded AWS waits where AWS waits that long."""
        self._deployment = deployment
        self._alarms = cloudwatch_backends[account][region]
        self._seconds = seconds
        self._given_up = stop
        self._began = time.monotonic()
        self._waited = 0.0  # seconds here
        self._waited_there = 0.0  # seconds of AWS

    def wait(self, aws_seconds: float) -> None:
        """Raises RolledBackError: an alarm is in ALARM, or the update has taken too long."""
        work = time.monotonic() - self._began - self._waited
        left = self._deployment.longest - work - self._waited_there
        begun = time.monotonic()
        until = begun + self._seconds(max(0.0, min(aws_seconds, left)))
        self.check()
        while time.monotonic() < until:
            time.sleep(max(0.0, min(_LOOK_EVERY, until - time.monotonic())))
            self.check()
        self._waited += time.monotonic() - begun
        self._waited_there += aws_seconds
        if aws_seconds > left:
            raise RolledBackError(
                f"The update took longer than MaximumExecutionTimeoutInSeconds ({self._deployment.longest:.0f})."
            )

    def check(self) -> None:
        """Raises RolledBackError: an alarm is in ALARM. One that does not exist is not."""
        if self._given_up():
            raise NotServingError("The endpoint is being deleted.")
        known = self._alarms.alarms
        ringing = [name for name in self._deployment.alarms if name in known and known[name].state_value == "ALARM"]
        if ringing:
            raise RolledBackError(
                "The update was rolled back: one or more alarms of the auto-rollback configuration are in state ALARM: "
                f"{', '.join(ringing)}."
            )


class Update:
    """One change from a fleet to another.

    told: called with each stage. rolling_back: called when it begins to undo itself.
    """

    def __init__(
        self,
        old: Fleet,
        new: Fleet,
        traffic: Traffic,
        deployment: DeploymentConfig,
        baking: Baking,
        *,
        told: Callable[[], None],
        rolling_back: Callable[[], None],
    ) -> None:
        self._old, self._new = old, new
        self._traffic = traffic
        self._before = traffic.shares
        self._deployment = deployment
        self._baking = baking
        self._told = told
        self._rolling_back = rolling_back

    def run(self) -> None:
        """Returns when the new fleet has all traffic; the old one, or what is left of it, is the caller's to stop.

        Raises whatever ended it, when the old fleet is as it was; RollbackFailedError: it could not be.
        """
        before = self._old.running
        try:
            self._baking.check()
            if self._deployment.is_rolling:
                self._roll()
            else:
                self._shift()
        except Exception as error:
            self._rolling_back()
            try:
                self._undo(before)
            except Exception as second:
                raise RollbackFailedError(f"{error} The rollback failed too: {second}") from error
            raise

    def _shift(self) -> None:
        new, wanted = self._new, self._new.desired
        self._tell("Creating", {name: f"Launching {count} instance(s)." for name, count in wanted.items()})
        new.bring(wanted)
        for step in self._deployment.steps(sum(variant.desired for variant in new.production)):
            size = "full" if step.share == 1 else self._kind
            capacity = f"on {size} capacity of {step.instances} instance(s)."
            self._tell("ActivatingTraffic", f"Activating traffic {capacity}")
            self._give(step.share)
            if step.seconds:
                wait = f"{step.seconds:.0f} seconds ({step.waits_for})"
                self._tell("Baking", f"Baking for {wait} with traffic enabled {capacity}")
            self._baking.wait(step.seconds)

    @property
    def _kind(self) -> str:
        routing = self._deployment.request["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
        return "canary" if routing["Type"] == "CANARY" else "linear"

    def _roll(self) -> None:
        new, old = self._new, self._old
        (variant,) = new.production
        left = old.running[variant.name]
        size = self._deployment.batch(variant.desired)
        for count in range(size, variant.desired + size, size):
            ready = min(count, variant.desired)
            self._tell("Creating", f"Launching {ready - len(variant.containers)} instance(s).")
            new.bring({**new.desired, variant.name: ready})
            share = ready / variant.desired if variant.desired else 1.0
            self._give(share)
            seconds = self._deployment.batch_seconds
            wait = f"{seconds:.0f} seconds (WaitIntervalInSeconds)"
            self._tell("Baking", f"Baking for {wait} with traffic enabled on {ready} instance(s).")
            self._baking.wait(seconds)
            old.bring({variant.name: math.floor(left * (1 - share))})

    def _undo(self, before: dict[str, int]) -> None:
        missing = {name: count for name, count in before.items() if count > self._old.running[name]}
        for name, count in missing.items():  # of a rolling update
            size = self._deployment.rollback_batch(count)
            while self._old.running[name] < count:
                back = min(count, self._old.running[name] + size)
                self._tell("Updating", f"Scaling out desired instance count to {back}.")
                self._old.bring({name: back})
                self._give(1 - back / count)
        self._traffic.shift(*self._before)
        terminated = {name: f"Terminating {count} instance(s)." for name, count in self._new.running.items()}
        self._tell("Deleting", terminated)
        self._new.stop()

    def _give(self, share: float) -> None:
        """That share of the requests to the new fleet, the rest to what had them before."""
        before = ((fleet, part * (1 - share)) for fleet, part in self._before)
        self._traffic.shift(*before, (self._new, share))

    def _tell(self, status: str, message: str | Mapping[str, str]) -> None:
        self._new.tell(status, message)
        self._told()
