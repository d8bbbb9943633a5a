"""EventBridge that delivers: to topics, functions and build projects too, where moto's raises NotImplementedError.

What cannot be delivered goes to the target's dead letter queue, as on AWS; there is no retry before that.
"""

import copy
import json
import logging
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from botocore.config import Config
from moto.events.models import EventPattern, Rule, events_backends

from localcloud import clients
from localcloud.settings import LocalCloud

_logger = logging.getLogger(__name__)
_CONFIG = Config(proxies={}, max_pool_connections=clients.MOST_CONNECTIONS, retries={"total_max_attempts": 1})
_SERVICES = ("codebuild", "lambda", "sns", "sqs")
_cloud: LocalCloud | None = None
_send_as_moto = Rule.send_to_targets


def install(cloud: LocalCloud) -> None:
    """Replaces moto's delivery to the targets of a rule."""
    global _cloud
    _cloud = cloud
    rule: Any = Rule
    rule.send_to_targets = _send_to_targets


def emit(arn: str, source: str, detail_type: str, detail: dict[str, Any]) -> None:
    """An event of a service about the resource of that ARN, aside: whoever works does not wait for it."""
    _, _, _, region, account, *_ = arn.split(":")
    event: Any = {**_envelope(account, region), "source": source, "detail-type": detail_type, "resources": [arn]}
    event["detail"] = detail
    for rule in list(events_backends[account][region].event_buses["default"].rules.values()):
        pattern: EventPattern = rule.event_pattern
        if rule.scheduled_expression is None and pattern.matches_event(event):
            arguments = (rule, event)
            threading.Thread(target=_send_to_targets, args=arguments, name=f"rule {rule.name}", daemon=True).start()


def trigger(name: str, cloud: LocalCloud, time: str | None = None) -> None:
    """Sends what a schedule sends when its time has come. KeyError: there is no such rule.

    time: of the event, as 2026-11-21T03:00:00Z; the same one again is a second delivery. Omitted: now.
    """
    rule = events_backends[cloud.account][cloud.region].event_buses["default"].rules[name]
    event = _envelope(rule.account_id, rule.region_name) | ({"time": time} if time else {})
    for target in rule.targets:
        _deliver(rule, target, {**event, "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})


def rules(cloud: LocalCloud) -> list[str]:
    """The names of all rules of the default account and region."""
    return sorted(events_backends[cloud.account][cloud.region].event_buses["default"].rules)


def _envelope(account: str, region: str) -> dict[str, Any]:
    time = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {"version": "0", "id": str(uuid.uuid4()), "account": account, "region": region, "time": time}


def _send_to_targets(rule: Rule, event: Any, transform_input: bool = True) -> None:
    pattern: EventPattern = rule.event_pattern
    if rule.state == "ENABLED" and pattern.matches_event(event):
        for target in rule.targets:
            if target["Arn"].split(":")[2] in _SERVICES:
                _deliver(rule, target, event)
            else:
                alone = copy.copy(rule)
                alone.targets = [target]
                _send_as_moto(alone, event, transform_input)


def _deliver(rule: Rule, target: dict[str, Any], event: dict[str, Any]) -> None:
    try:
        send(rule.account_id, rule.region_name, target["Arn"], _message(target, event))
    except Exception:
        _logger.exception("rule %s cannot reach %s", rule.name, target["Arn"])
        if queue := (target.get("DeadLetterConfig") or {}).get("Arn"):
            send(rule.account_id, rule.region_name, queue, json.dumps(event))


def _message(target: dict[str, Any], event: dict[str, Any]) -> str:
    if "Input" in target:
        return str(target["Input"])
    transformer = target.get("InputTransformer")
    if not transformer:
        return json.dumps(event)
    text = str(transformer["InputTemplate"])
    is_text = text.startswith('"')
    for name, path in transformer.get("InputPathsMap", {}).items():
        value: Any = event
        for key in path.removeprefix("$.").split("."):
            value = value.get(key) if isinstance(value, dict) else None
        said = "" if value is None else value if isinstance(value, str) else json.dumps(value)
        # A value between quotation marks has none of its own; elsewhere in JSON a text gets them.
        text = text.replace(f'"<{name}>"', json.dumps(said))
        text = text.replace(f"<{name}>", said if is_text or not isinstance(value, str) else json.dumps(value))
    made = json.loads(text)
    return made if isinstance(made, str) else json.dumps(made)


def send(account: str, region: str, arn: str, message: str) -> None:
    """A message to a topic, function, queue or build project, on behalf of that account in that region."""
    service = arn.split(":")[2]
    client = _client(account, region, service)
    match service:
        case "sns":
            client.publish(TopicArn=arn, Message=message)
        case "lambda":
            client.invoke(FunctionName=arn, InvocationType="Event", Payload=message)
        case "sqs":
            url = client.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
            client.send_message(QueueUrl=url, MessageBody=message)
        case "codebuild":
            client.start_build(projectName=arn.rpartition("/")[2])


def _client(account: str, region: str, service: str) -> Any:
    assert _cloud is not None
    return clients.client(_cloud.endpoint_url, account, region, service, _CONFIG)
