"""Alarms that evaluate themselves. moto's change only where somebody says so.

A metric alarm is looked at once in a minute of the clock, one with a period below a minute every ten seconds of it; a
composite alarm whenever an alarm of its rule may have changed. A state that was set by hand holds until then.
"""

import json
import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend, cloudwatch_backends

from localcloud.cloudwatch import alarm_rule, changes
from localcloud.cloudwatch.alarm_state import ALARM, COMPARISONS, INSUFFICIENT_DATA, OK, Rule
from localcloud.cloudwatch.metrics import store_of
from localcloud.cloudwatch.queries import DataPoints, Query, common_period
from localcloud.cloudwatch.samples import metric_id
from localcloud.settings import LocalCloud

_logger = logging.getLogger(__name__)
_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}


class Evaluator:
    """Looks at every alarm of every account when its time has come."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._stopping = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="alarms", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def begin(self, alarm: Any) -> None:
        """With a new or changed alarm: a metric has time for data points, a rule can be looked at at once."""
        alarm.next_evaluation = 0.0
        if alarm.rule is None:
            self.postpone(alarm)

    def postpone(self, alarm: Any) -> None:
        """Until a whole interval is over."""
        interval = 60 if alarm.rule is not None or _period(alarm) >= 60 else 10
        alarm.next_evaluation = time.time() + self._cloud.seconds(interval)

    def _run(self) -> None:
        while not self._stopping.wait(min(1.0, self._cloud.seconds(5))):
            for backend in _backends():
                self.evaluate_due(backend, time.time())

    def evaluate_due(self, backend: CloudWatchBackend, now: float) -> None:
        """Metric alarms whose time has come, and then composite ones."""
        alarms: list[Any] = list(backend.alarms.values())
        for alarm in sorted(alarms, key=lambda each: each.rule is not None):
            if now < alarm.next_evaluation:
                continue
            try:
                if alarm.rule is None:
                    self.postpone(alarm)
                    evaluate(self._cloud, backend, alarm, now)
                else:
                    evaluate_rule(self._cloud, backend, alarm)
            except Exception:
                _logger.exception("alarm %s", alarm.name)


def evaluate(cloud: LocalCloud, backend: CloudWatchBackend, alarm: Alarm, now: float) -> None:
    """Holds a metric alarm against its metric, at that time in seconds since 1970."""
    if alarm.comparison_operator not in COMPARISONS:
        reason = f"The embedded AWS does not know {alarm.comparison_operator}."
        changes.change(cloud, alarm, INSUFFICIENT_DATA, reason, "{}")
        return
    rule = rule_of(alarm)
    points = data_points(cloud, backend, alarm, now, rule.range)
    state = rule.state(points, alarm.state_value)
    if state == alarm.state_value:
        changes.go_on(cloud, alarm)
        return
    data = {"version": "1.0", "recentDatapoints": points, "threshold": rule.threshold, "period": _period(alarm)}
    changes.change(cloud, alarm, state, _reason(rule, points, state), json.dumps(data))


def evaluate_rule(cloud: LocalCloud, backend: CloudWatchBackend, alarm: Any) -> None:
    """Holds a composite alarm against the states of the alarms that its rule names."""
    state = ALARM if alarm_rule.holds(alarm.rule, lambda name: _named(backend, name).state_value) else OK
    if state != alarm.state_value:
        changes.change(cloud, alarm, state, f"The rule {alarm.rule} is {str(state == ALARM).lower()}.", "{}")


def check_rule(backend: CloudWatchBackend, rule: str) -> None:
    """Raises alarm_rule.RuleError: it cannot be read, or names an alarm that is not there."""
    alarm_rule.holds(rule, lambda name: str(_named(backend, name).state_value))


def rule_of(alarm: Alarm) -> Rule:
    periods = int(alarm.evaluation_periods)
    datapoints, missing = int(alarm.datapoints_to_alarm or periods), alarm.treat_missing_data or "missing"
    return Rule(alarm.comparison_operator, float(alarm.threshold), periods, datapoints, missing)


def data_points(
    cloud: LocalCloud, backend: CloudWatchBackend, alarm: Alarm, now: float, number: int
) -> list[float | None]:
    """The newest `number` of whole periods, oldest first. Raises ValueError: a query is not understood."""
    queries = _queries(alarm)
    seconds = cloud.seconds(common_period(queries))
    end = now // seconds * seconds
    starts = [end - (number - place) * seconds for place in range(number)]
    returned = next(each.id for each in queries if each.returned)
    return DataPoints(store_of(backend), queries, starts, seconds)[returned]


def _queries(alarm: Alarm) -> list[Query]:
    if not alarm.metric_data_queries:
        metric = metric_id(alarm.namespace, alarm.metric_name, _dimensions(alarm))
        stat = alarm.extended_statistic or alarm.statistic
        return [Query("metric", metric, stat, int(alarm.period), alarm.unit)]
    return [_query(each) for each in alarm.metric_data_queries]


def _query(moto: Any) -> Query:
    returned = moto.return_data is None or str(moto.return_data).lower() == "true"
    if not moto.metric_stat:
        period = int(moto.period) if moto.period else None
        return Query(moto.id, expression=moto.expression, period=period, returned=returned)
    asked = moto.metric_stat
    metric = metric_id(asked.metric.namespace, asked.metric.metric_name, _dimensions(asked.metric))
    return Query(moto.id, metric, asked.stat, int(asked.period or 60), asked.unit, returned=returned)


def _dimensions(of: Any) -> list[dict[str, str]]:
    return [{"Name": each.name, "Value": each.value} for each in of.dimensions]


def _period(alarm: Alarm) -> int:
    return common_period(_queries(alarm))


def _reason(rule: Rule, points: list[float | None], state: str) -> str:
    real = [each for each in points if each is not None][-rule.periods :]
    if not real:
        treated = "" if rule.missing == "missing" else f", and missing ones are treated as {rule.missing}"
        return f"There are no datapoints{treated}."
    breaching = sum(COMPARISONS[rule.comparison](each, rule.threshold) for each in real)
    number, was = (breaching, "") if state == ALARM else (len(real) - breaching, "not ")
    shown = ", ".join(str(each) for each in real)
    return (
        f"Threshold Crossed: {number} of the datapoints [{shown}] ({datetime.now(UTC):%d/%m/%y %H:%M:%S}) were "
        f"{was}{_WORDS[rule.comparison]} the threshold ({rule.threshold})."
    )


def _named(backend: CloudWatchBackend, name: str) -> Alarm:
    """By name or ARN. Raises alarm_rule.RuleError."""
    found = backend.alarms.get(name.rpartition(":alarm:")[2])
    if found is None:
        raise alarm_rule.RuleError(f"the alarm {name} of the rule does not exist")
    return found


def _backends() -> Iterator[CloudWatchBackend]:
    for account in list(cloudwatch_backends.values()):
        yield from list(account.values())
