"""`CloudWatch Alarm State Change`: the event of an alarm whose state changes, which moto does not send.

moto's alarms change only where somebody says so (SetAlarmState): no metric is held against their thresholds.
Shape: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend

from localcloud import events
from localcloud.settings import LocalCloud


def install(cloud: LocalCloud) -> None:
    """Adds the event to moto's SetAlarmState, which keeps to what it does. cloud is not read."""
    backend: Any = CloudWatchBackend
    before = backend.set_alarm_state

    def set_alarm_state(self: Any, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
        previous = _state(self.alarms[alarm_name]) if alarm_name in self.alarms else None
        before(self, alarm_name, reason, reason_data, state_value)
        alarm = self.alarms[alarm_name]
        if previous and previous["value"] != state_value:
            detail = {
                "alarmName": alarm.name,
                "configuration": {"description": alarm.description},
                "previousState": previous,
                "state": _state(alarm),
            }
            events.emit(alarm.alarm_arn, "aws.cloudwatch", "CloudWatch Alarm State Change", detail)

    backend.set_alarm_state = set_alarm_state


def _state(alarm: Any) -> dict[str, Any]:
    since: datetime = alarm.state_updated_timestamp
    # As AWS writes it: milliseconds, and the zone without a colon.
    text = f"{since.replace(tzinfo=UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}+0000"
    state = {"value": alarm.state_value, "reason": alarm.state_reason, "timestamp": text}
    return {**state, **({"reasonData": alarm.state_reason_data} if alarm.state_reason_data else {})}
