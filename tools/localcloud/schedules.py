"""Schedules of EventBridge Scheduler: moto keeps them, and here their time comes when somebody says so."""

from datetime import UTC, datetime
from typing import Any

from botocore.config import Config
from moto.scheduler.models import Schedule, scheduler_backends

from localcloud import clients, events
from localcloud.settings import LocalCloud

_CONFIG = Config(proxies={}, retries={"total_max_attempts": 1})
_TIME = "<aws.scheduler.scheduled-time>"


def trigger(name: str, cloud: LocalCloud, time: str | None = None) -> None:
    """Does what the schedule does when its time has come. KeyError: there is no such schedule.

    time: as 2026-11-21T03:00:00Z, for inputs that name it. Omitted: now.
    """
    schedule = _schedules(cloud)[name]
    target = schedule.target
    arn, now = str(target["Arn"]), time or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    message = str(target.get("Input") or "{}").replace(_TIME, now)
    if arn.split(":")[2] == "states":
        client: Any = clients.client(cloud.endpoint_url, cloud.account, cloud.region, "stepfunctions", _CONFIG)
        client.start_execution(stateMachineArn=arn, input=message)
    else:
        events.send(cloud.account, cloud.region, arn, message)


def names(cloud: LocalCloud) -> list[str]:
    """Of all schedules of the default account and region."""
    return sorted(_schedules(cloud))


def _schedules(cloud: LocalCloud) -> dict[str, Schedule]:
    groups = scheduler_backends[cloud.account][cloud.region].schedule_groups
    return {name: each for group in list(groups.values()) for name, each in group.schedules.items()}
