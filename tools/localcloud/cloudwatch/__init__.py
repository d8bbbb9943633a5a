"""CloudWatch that watches: metrics with their statistics, and alarms that go off by themselves.

install() puts it in the place of moto's.
"""

from typing import Any

import moto.cloudwatch.urls
from moto.cloudwatch.models import CloudWatchBackend

from localcloud.cloudwatch import changes, metrics
from localcloud.cloudwatch.api import WatchingResponse
from localcloud.cloudwatch.evaluation import Evaluator
from localcloud.settings import LocalCloud

__all__ = ["install", "shutdown"]

_evaluators: list[Evaluator] = []


def install(cloud: LocalCloud) -> None:
    """Before the first request: moto reads its URL tables once."""
    evaluator = Evaluator(cloud)
    metrics.install()
    _keep_states(cloud, evaluator)
    for path in moto.cloudwatch.urls.url_paths:
        moto.cloudwatch.urls.url_paths[path] = WatchingResponse.dispatch
    _evaluators.append(evaluator)
    evaluator.start()


def shutdown() -> None:
    """No alarm is evaluated from now on."""
    for evaluator in _evaluators:
        evaluator.stop()


def _keep_states(cloud: LocalCloud, evaluator: Evaluator) -> None:
    """A new alarm has no data yet, and a changed one keeps its state; moto's are OK whenever they are put.

    SetAlarmState has its event and its actions, and holds until the next evaluation.
    """
    backend: Any = CloudWatchBackend
    put_as_moto, set_as_moto = backend.put_metric_alarm, backend.set_alarm_state

    def put_metric_alarm(self: Any, name: str, **arguments: Any) -> Any:
        before = self.alarms.get(name)
        alarm = put_as_moto(self, name=name, **arguments)
        alarm.state_value = "INSUFFICIENT_DATA"
        if before:
            for kept in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp", "history"):
                setattr(alarm, kept, getattr(before, kept))
        alarm.alarm_rule = alarm.rule  # as DescribeAlarms calls it
        evaluator.begin(alarm)
        return alarm

    def set_alarm_state(self: Any, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
        previous = changes.state_of(self.alarms[alarm_name]) if alarm_name in self.alarms else None
        set_as_moto(self, alarm_name, reason, reason_data, state_value)  # which refuses what AWS refuses
        alarm = self.alarms[alarm_name]
        evaluator.postpone(alarm)
        assert previous
        changes.announce(cloud, alarm, previous)

    backend.put_metric_alarm = put_metric_alarm
    backend.set_alarm_state = set_alarm_state
