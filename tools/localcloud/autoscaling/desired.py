"""How much a policy wants, by arithmetic alone.

Source: the Application Auto Scaling user guide, "How step scaling works" and "How target tracking works".
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any


def tracked(capacity: int, value: float, target: float) -> int:
    """What would bring the metric to its target, where it is in proportion to the capacity. From zero: zero."""
    return math.ceil(capacity * value / target)


def stepped(configuration: Mapping[str, Any], capacity: int, above_threshold: float) -> int:
    """What a StepScalingPolicyConfiguration makes of a capacity. above_threshold: of the alarm; may be negative.

    The same capacity where no step is meant.
    """
    step = _step(configuration.get("StepAdjustments") or (), above_threshold)
    if step is None:
        return capacity
    adjustment = int(step["ScalingAdjustment"])
    match configuration["AdjustmentType"]:
        case "ExactCapacity":
            return adjustment
        case "PercentChangeInCapacity":
            return capacity + _percent(capacity, adjustment, int(configuration.get("MinAdjustmentMagnitude") or 1))
    return max(capacity + adjustment, 0)


def _percent(capacity: int, percent: int, least: int) -> int:
    """Rounded as the user guide says: away from zero below 1, else towards zero."""
    change = capacity * percent / 100
    size = max(math.floor(abs(change)), least)
    return size if percent > 0 else -min(size, capacity)


def _step(steps: Sequence[Mapping[str, Any]], above: float) -> Mapping[str, Any] | None:
    """A lower bound belongs to its step above the threshold, and an upper bound below it."""
    for step in steps:
        low, high = step.get("MetricIntervalLowerBound"), step.get("MetricIntervalUpperBound")
        least, most = -math.inf if low is None else float(low), math.inf if high is None else float(high)
        if (least <= above < most) if above >= 0 else (least < above <= most):
            return step
    # The threshold itself, where the steps are below it.
    return next((step for step in steps if step.get("MetricIntervalUpperBound") == above == 0), None)
