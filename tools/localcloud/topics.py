"""SNS across accounts and regions, where moto's looks for subscriptions in the topic's own account only.

The topic on which AWS announces container images exists: whoever acts as its account (docs/embedded-aws.md) publishes.
"""

import json
import threading
from datetime import UTC, datetime
from typing import Any

from moto.awslambda.utils import get_backend
from moto.sns.models import SNSBackend, Subscription, Topic, sns_backends

from localcloud.settings import LocalCloud

ANNOUNCING_ACCOUNT, ANNOUNCING_REGION, ANNOUNCEMENTS = "767397762724", "us-west-2", "dlc-updates"
_publish_as_moto = Subscription.publish


def install(cloud: LocalCloud) -> None:
    """Replaces how moto finds the subscriptions of a topic, and how it calls a function. cloud is not read."""
    backend: Any = SNSBackend
    subscription: Any = Subscription
    backend._get_topic_subscriptions = _subscriptions_of
    subscription.publish = _publish
    sns_backends[ANNOUNCING_ACCOUNT][ANNOUNCING_REGION].create_topic(ANNOUNCEMENTS)


def _subscriptions_of(backend: SNSBackend, topic: Topic) -> list[Subscription]:
    """Of every account: moto keeps a subscription with its subscriber."""
    return [
        subscription
        for of_account in list(sns_backends.values())
        for subscription in list(of_account[backend.region_name].subscriptions.values())
        if subscription.topic == topic
    ]


def _publish(subscription: Subscription, message: str, message_id: str, **arguments: Any) -> None:
    if subscription.protocol != "lambda":
        _publish_as_moto(subscription, message, message_id, **arguments)
        return
    _, _, _, region, account, _, name, *_ = str(subscription.endpoint).split(":")
    event = json.dumps({"Records": [_record(subscription, message, message_id, arguments.get("subject"))]})
    function: Any = get_backend(account, region)
    invoke: tuple[Any, ...] = (name, None, event, {"X-Amz-Invocation-Type": "Event"}, {})
    threading.Thread(target=function.invoke, args=invoke, name=f"sns to {name}", daemon=True).start()


def _record(subscription: Subscription, message: str, message_id: str, subject: str | None) -> dict[str, Any]:
    return {
        "EventVersion": "1.0",
        "EventSource": "aws:sns",
        "EventSubscriptionArn": subscription.arn,
        "Sns": {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": subscription.topic.arn,
            "Subject": subject,
            "Message": message,
            "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}",
            "MessageAttributes": {},
        },
    }
