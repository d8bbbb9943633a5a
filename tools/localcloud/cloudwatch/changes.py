"""What the change of an alarm's state causes: its event, and its actions. moto does neither.

Actions are topics, functions and scaling policies; a scaling policy is asked again once in a minute of ALARM.
Shapes: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html and the user
guide, "Notifying users on alarm changes" and "Invoke a Lambda function from an alarm".
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.config import Config

from localcloud import clients, events
from localcloud.settings import LocalCloud

_logger = logging.getLogger(__name__)
_CONFIG = Config(proxies={}, retries={"total_max_attempts": 1})
_ACTIONS = {"ALARM": "alarm_actions", "OK": "ok_actions", "INSUFFICIENT_DATA": "insufficient_data_actions"}

ScalingPolicy = Callable[[str, Any], None]
"""Is given the ARN of a scaling policy and the alarm that asks it to act."""

_scaling_policies: list[ScalingPolicy] = []


def on_scaling_action(act: ScalingPolicy) -> None:
    """From now on, it is called for every scaling policy among an alarm's actions."""
    _scaling_policies.append(act)


def change(cloud: LocalCloud, alarm: Any, value: str, reason: str, reason_data: str) -> None:
    """Sets the state, and announces it."""
    previous = state_of(alarm)
    alarm.update_state(reason, reason_data, value)
    announce(cloud, alarm, previous)


def announce(cloud: LocalCloud, alarm: Any, previous: dict[str, Any]) -> None:
    """The event and the actions of the state, where it is another than before. previous: what state_of said then."""
    state = state_of(alarm)
    if previous["value"] == state["value"]:
        return
    detail = {
        "alarmName": alarm.name,
        "configuration": {"description": alarm.description},
        "previousState": previous,
        "state": state,
    }
    events.emit(alarm.alarm_arn, "aws.cloudwatch", "CloudWatch Alarm State Change", detail)
    if alarm.actions_enabled:
        alarm.next_action = time.time() + cloud.seconds(60)
        for arn in getattr(alarm, _ACTIONS[state["value"]]):
            aside = (cloud, alarm, arn, detail)
            threading.Thread(target=_act, args=aside, name=f"alarm {alarm.name}", daemon=True).start()


def go_on(cloud: LocalCloud, alarm: Any) -> None:
    """The alarm is in the state in which it was: once in a minute, its scaling policies act again."""
    if alarm.actions_enabled and alarm.state_value == "ALARM" and time.time() >= getattr(alarm, "next_action", 0.0):
        alarm.next_action = time.time() + cloud.seconds(60)
        for arn in alarm.alarm_actions:
            if _is_scaling(arn):
                _scale(arn, alarm)


def _act(cloud: LocalCloud, alarm: Any, arn: str, detail: dict[str, Any]) -> None:
    _, _, service, region, account, *_ = arn.split(":")
    try:
        if service == "sns":
            client = clients.client(cloud.endpoint_url, account, region, "sns", _CONFIG)
            subject = f'{detail["state"]["value"]}: "{alarm.name}" in {alarm.region_name}'
            client.publish(TopicArn=arn, Subject=subject[:100], Message=json.dumps(_message(alarm, detail)))
        elif service == "lambda":
            client = clients.client(cloud.endpoint_url, account, region, "lambda", _CONFIG)
            event = {"source": "aws.cloudwatch", "alarmArn": alarm.alarm_arn, "region": region, "accountId": account}
            event |= {"time": detail["state"]["timestamp"], "alarmData": detail}
            client.invoke(FunctionName=arn, InvocationType="Event", Payload=json.dumps(event))
        elif _is_scaling(arn):
            _scale(arn, alarm)
        else:
            _logger.warning("alarm %s: the embedded AWS does not know the action %s", alarm.name, arn)
    except Exception:
        _logger.exception("alarm %s cannot reach %s", alarm.name, arn)


def _is_scaling(arn: str) -> bool:
    return ":scalingPolicy:" in arn


def _scale(arn: str, alarm: Any) -> None:
    for act in _scaling_policies:
        act(arn, alarm)


def _message(alarm: Any, detail: dict[str, Any]) -> dict[str, Any]:
    """What a topic's subscribers read."""
    said = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": alarm.alarm_arn.split(":")[4],
        "NewStateValue": detail["state"]["value"],
        "NewStateReason": detail["state"]["reason"],
        "StateChangeTime": detail["state"]["timestamp"],
        "Region": alarm.region_name,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": detail["previousState"]["value"],
    }
    if alarm.rule is not None:
        return said | {"AlarmRule": alarm.rule}
    trigger = {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        "Statistic": alarm.extended_statistic or alarm.statistic,
        "Dimensions": [{"name": each.name, "value": each.value} for each in alarm.dimensions],
        "Period": alarm.period,
        "EvaluationPeriods": alarm.evaluation_periods,
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": alarm.threshold,
        "TreatMissingData": alarm.treat_missing_data or "missing",
    }
    return said | {"Trigger": {name: value for name, value in trigger.items() if value is not None}}


def state_of(alarm: Any) -> dict[str, Any]:
    """As events say it."""
    since: datetime = alarm.state_updated_timestamp
    # As AWS writes it: milliseconds, and the zone without a colon.
    text = f"{since.replace(tzinfo=UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}+0000"
    state = {"value": alarm.state_value, "reason": alarm.state_reason, "timestamp": text}
    return {**state, **({"reasonData": alarm.state_reason_data} if alarm.state_reason_data else {})}
