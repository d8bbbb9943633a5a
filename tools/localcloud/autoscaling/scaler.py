"""Application Auto Scaling that acts: policies that alarms ask, scheduled actions, and the bounds of targets."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from moto.applicationautoscaling.models import (
    ApplicationAutoscalingBackend,
    FakeApplicationAutoscalingPolicy,
    FakeScalableTarget,
    FakeScheduledAction,
    applicationautoscaling_backends,
)
from moto.cloudwatch.models import cloudwatch_backends

from localcloud.autoscaling import capacity, desired, schedule, tracking
from localcloud.autoscaling.activities import Activity, Progress
from localcloud.cloudwatch.evaluation import data_points, rule_of
from localcloud.settings import LocalCloud

_logger = logging.getLogger(__name__)
_DEFAULT_COOLDOWN = 300.0  # seconds of AWS, for SageMaker
_POLL_SECONDS = 0.2
_LONGEST_ACTIVITY = 3600.0
"""Seconds after which a resource that does not settle has failed."""


class Scaler:
    """All scalable targets of SageMaker, in every account."""

    def __init__(self, cloud: LocalCloud, sagemaker: Callable[[str, str], Any]) -> None:
        """sagemaker: the client of an account and region."""
        self._cloud = cloud
        self._client = sagemaker
        self._stopping = threading.Event()
        self._progress: dict[str, Progress] = {}  # by the target's ARN
        self._activities: dict[tuple[str, str], list[Activity]] = {}

    def start(self) -> None:
        threading.Thread(target=self._run, name="scaling", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def activities(self, account: str, region: str) -> list[Activity]:
        """The newest first."""
        return list(reversed(self._activities.get((account, region), [])))

    def check_bounds(self, target: FakeScalableTarget, cause: str) -> None:
        """As soon as the resource takes changes, its capacity is brought within the target's bounds."""
        self._progress_of(target).bounds = cause

    def ask(self, policy_arn: str, alarm: Any) -> None:
        """An alarm asks the policy to act. Done aside."""
        threading.Thread(
            target=self.act, args=(policy_arn, alarm), name=f"scaling by {alarm.name}", daemon=True
        ).start()

    # What the clock brings

    def _run(self) -> None:
        while not self._stopping.wait(min(1.0, max(_POLL_SECONDS, self._cloud.seconds(5)))):
            for backend in _backends():
                try:
                    self._take_scheduled(backend)
                    self._keep_bounds(backend)
                except Exception:
                    _logger.exception("scaling in %s", backend.region_name)

    def _keep_bounds(self, backend: ApplicationAutoscalingBackend) -> None:
        for target in _targets(backend):
            progress = self._progress_of(target)
            if progress.bounds is not None:
                aside = (target, progress, progress.bounds)
                threading.Thread(target=self._into_bounds_alone, args=aside, name="bounds", daemon=True).start()

    def _into_bounds_alone(self, target: FakeScalableTarget, progress: Progress, cause: str) -> None:
        progress.alone(lambda: self._into_bounds(target, progress, cause))

    def _into_bounds(self, target: FakeScalableTarget, progress: Progress, cause: str) -> None:
        found = self._read(target)
        if found is None or progress.bounds is None:
            progress.bounds = None
        elif found.settled:
            progress.bounds = None
            wanted = _within(target, found.desired)
            bound = "minimum" if wanted > found.desired else "maximum"
            self._set(target, found.desired, wanted, f"{bound} capacity was set to {wanted}{cause}")

    def _take_scheduled(self, backend: ApplicationAutoscalingBackend) -> None:
        now = time.time()
        for action in list(backend.scheduled_actions):
            target: Any = backend.targets.get(action.scalable_dimension, {}).get(action.resource_id)
            if target is None or action.service_namespace != "sagemaker":
                continue
            times, key = self._progress_of(target).next_actions, _key(action)
            due = times.get(key, 0.0)
            if key not in times or (due is not None and now >= due):
                times[key] = self._next(action, now, due or 0.0)
                if due and _within_dates(action, now) and not _suspended(target, "ScheduledScalingSuspended"):
                    bounds = action.scalable_target_action
                    assert isinstance(bounds, dict)
                    target.update(bounds.get("MinCapacity"), bounds.get("MaxCapacity"), None)
                    self.check_bounds(target, f" by the scheduled action {action.scheduled_action_name}")

    def _next(self, action: FakeScheduledAction, now: float, last: float) -> float | None:
        if seconds := schedule.rate_seconds(action.schedule):
            return max(last, now) + self._cloud.seconds(seconds)
        found = schedule.next_time(action.schedule, action.timezone, datetime.fromtimestamp(now, UTC))
        return found.timestamp() if found else None

    # What alarms bring

    def act(self, policy_arn: str, alarm: Any) -> None:
        """What `ask` does; returns when the capacity is there, or soon where another activity is going on."""
        state = alarm.state_value
        try:
            backend, policy = _policy(policy_arn)
            target = backend.targets.get(policy.scalable_dimension, {}).get(policy.resource_id)
            if target and policy.service_namespace == "sagemaker":
                progress = self._progress_of(target)
                if not progress.alone(lambda: self._follow(target, progress, policy, alarm, state)):
                    _logger.info("alarm %s: an activity of %s is going on", alarm.name, target.resource_id)
        except LookupError as error:
            _logger.warning("alarm %s: %s", alarm.name, error)
        except Exception:
            if not self._stopping.is_set():
                _logger.exception("scaling policy %s", policy_arn)

    def _follow(
        self,
        target: FakeScalableTarget,
        progress: Progress,
        policy: FakeApplicationAutoscalingPolicy,
        alarm: Any,
        state: str,
    ) -> None:
        """state: in which the alarm has asked; whoever had to wait may have lost the reason."""
        found = self._read(target)
        if found is None or not found.settled or alarm.state_value != state:
            return
        now, configuration = time.time(), _configuration(policy)
        base = progress.base(found.desired, now)
        value = self._value(policy, alarm)
        if policy.policy_type == "StepScaling":
            wanted = desired.stepped(configuration, base, 0.0 if value is None else value - float(alarm.threshold))
        elif value is None:
            return
        else:
            wanted = desired.tracked(base, value, float(configuration["TargetValue"]))
            wanted = min(wanted, found.desired) if tracking.LOW in alarm.name else max(wanted, found.desired)
        wanted = _within(target, wanted)
        cause = f"monitor alarm {alarm.name} in state {alarm.state_value} triggered policy {policy.policy_name}"
        if wanted > found.desired and not _suspended(target, "DynamicScalingOutSuspended"):
            self._set(target, found.desired, wanted, cause)
            quiet = self._cloud.seconds(_cooldown(configuration, "ScaleOutCooldown"))
            # Within a cooldown the one before it goes on to count from where it began.
            progress.scaled_out(base, time.time() + quiet)
        elif wanted < found.desired and self._may_scale_in(target, progress, policy, now):
            self._set(target, found.desired, wanted, cause)
            progress.scaled_in(time.time() + self._cloud.seconds(_cooldown(configuration, "ScaleInCooldown")))

    def _may_scale_in(
        self, target: FakeScalableTarget, progress: Progress, policy: FakeApplicationAutoscalingPolicy, now: float
    ) -> bool:
        """Target tracking gives up capacity only where every such policy of the target would."""
        if _suspended(target, "DynamicScalingInSuspended") or not progress.may_scale_in(now):
            return False
        if policy.policy_type == "StepScaling":
            return True
        others = target.applicationautoscaling_backend.policies.values()
        low = [
            alarm
            for each in others
            if (each.resource_id, each.scalable_dimension) == (target.resource_id, target.scalable_dimension)
            for alarm in each.alarms
            if tracking.LOW in alarm.name
        ]
        return all(alarm.state_value == "ALARM" for alarm in low)

    def _value(self, policy: FakeApplicationAutoscalingPolicy, alarm: Any) -> float | None:
        """The newest data point of what the alarm looks at. None: it has none."""
        cloudwatch = cloudwatch_backends[policy.account_id][policy.region_name]
        points = data_points(self._cloud, cloudwatch, alarm, time.time(), rule_of(alarm).range)
        return next((each for each in reversed(points) if each is not None), None)

    # What is done

    def _set(self, target: FakeScalableTarget, before: int, wanted: int, cause: str) -> None:
        """Asks for the capacity, and waits until it is there."""
        if wanted == before:
            return
        backend = target.applicationautoscaling_backend
        activity = Activity(target.resource_id, target.scalable_dimension, wanted, cause)
        self._activities.setdefault((backend.account_id, backend.region_name), []).append(activity)
        try:
            capacity.request(self._sagemaker(target), target.resource_id, target.scalable_dimension, wanted)
            activity.end(self._failure(target, wanted))
        except ClientError as error:
            activity.end(error.response["Error"].get("Message", str(error)))

    def _failure(self, target: FakeScalableTarget, wanted: int) -> str | None:
        """When the resource has settled: why it is not as it was to be. None: it is."""
        deadline = time.monotonic() + _LONGEST_ACTIVITY
        while not self._stopping.wait(_POLL_SECONDS) and time.monotonic() < deadline:
            found = self._read(target)
            if found is None:
                return "the resource is gone"
            if found.settled:
                return None if found.desired == wanted else f"it is {found.desired}"
        return "the resource did not settle"

    def _read(self, target: FakeScalableTarget) -> capacity.Capacity | None:
        """None: there is no such resource."""
        try:
            return capacity.read(self._sagemaker(target), target.resource_id, target.scalable_dimension)
        except (ClientError, capacity.NoCapacityError):
            return None

    def _sagemaker(self, target: FakeScalableTarget) -> Any:
        backend = target.applicationautoscaling_backend
        return self._client(backend.account_id, backend.region_name)

    def _progress_of(self, target: FakeScalableTarget) -> Progress:
        return self._progress.setdefault(target.arn, Progress())


def _backends() -> Iterator[ApplicationAutoscalingBackend]:
    for account in list(applicationautoscaling_backends.values()):
        yield from list(account.values())


def _targets(backend: ApplicationAutoscalingBackend) -> list[FakeScalableTarget]:
    return list(backend.describe_scalable_targets("sagemaker", None, None))


def _policy(arn: str) -> tuple[ApplicationAutoscalingBackend, FakeApplicationAutoscalingPolicy]:
    """Raises LookupError: there is none; the alarm's action is left over."""
    _, _, _, region, account, *_ = arn.split(":")
    backend = applicationautoscaling_backends[account][region]
    for policy in list(backend.policies.values()):
        if policy.policy_arn == arn:
            return backend, policy
    raise LookupError(f"there is no scaling policy {arn}")


def _configuration(policy: FakeApplicationAutoscalingPolicy) -> dict[str, Any]:
    found = policy.step_scaling_policy_configuration or policy.target_tracking_scaling_policy_configuration
    assert found
    return found


def _cooldown(configuration: dict[str, Any], name: str) -> float:
    """Seconds of AWS; a step policy has one for both directions."""
    found = configuration.get(name, configuration.get("Cooldown"))
    return _DEFAULT_COOLDOWN if found is None else float(found)


def _within(target: FakeScalableTarget, wanted: int) -> int:
    assert target.min_capacity is not None and target.max_capacity is not None
    return max(min(wanted, target.max_capacity), target.min_capacity)


def _suspended(target: FakeScalableTarget, what: str) -> bool:
    state: Any = target.suspended_state or {}
    return bool(state.get(what))


def _key(action: FakeScheduledAction) -> tuple[str, ...]:
    """Another schedule is another time."""
    return action.scheduled_action_name, action.schedule, action.timezone or "UTC"


def _within_dates(action: FakeScheduledAction, now: float) -> bool:
    start, end = (float(each) if each else None for each in (action.start_time, action.end_time))
    return (start is None or now >= start) and (end is None or now <= end)
