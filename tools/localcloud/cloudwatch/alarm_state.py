"""The state of a metric alarm: data points held against a threshold, as the CloudWatch user guide says.

Source: "Configuring how CloudWatch alarms treat missing data" and "Avoiding premature transitions to alarm state".
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
EXTRA_POINTS = 2
"""How many data points CloudWatch looks at beyond the evaluation periods, to find real ones for missing ones."""

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


@dataclass(frozen=True)
class Rule:
    """When an alarm goes off: at least `datapoints` of the newest `periods` breach the threshold.

    missing: TreatMissingData: missing, notBreaching, breaching or ignore.
    """

    comparison: str
    threshold: float
    periods: int
    datapoints: int
    missing: str = "missing"

    def state(self, points: Sequence[float | None], now: str) -> str:
        """points: of the evaluation range, oldest first; None is missing. now: the state that it may keep."""
        breaches = [None if each is None else COMPARISONS[self.comparison](each, self.threshold) for each in points]
        real = [each for each in breaches if each is not None]
        lacking = max(self.periods - len(real), 0)
        breaching = sum(real[-self.periods :])
        if self.missing == "breaching":
            breaching += lacking
        if breaching >= self.datapoints:
            return ALARM
        if not lacking or self.missing in ("breaching", "notBreaching") or False in real:
            return OK
        # What is left breaches or is missing.
        if self.missing == "ignore":
            return now
        if not real:
            return INSUFFICIENT_DATA
        age = len(breaches) - breaches.index(True)
        return ALARM if age >= self.datapoints else now

    @property
    def range(self) -> int:
        """How many data points are looked at."""
        return self.periods + EXTRA_POINTS
