"""Two places where moto's own answers would mislead a deployment, and what stands there instead."""

import json
from datetime import datetime
from typing import Any

from moto.core.serialize import TimestampSerializer
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket


def install() -> None:
    bucket: Any = FakeBucket
    serializer: Any = TimestampSerializer
    bucket.get_permission = get_permission
    serializer._timestamp_iso8601_zeroed = iso8601_with_milliseconds


def get_permission(bucket: FakeBucket, action: str, resource: str) -> Any:
    """What a bucket's policy says: DENIED, PERMITTED, or NEUTRAL where it says neither.

    Replaces moto's, which evaluates conditions without any values, so that a statement as common as "deny
    what does not come over TLS" denies every request. Nothing here knows who calls or how, so a statement
    with a condition decides nothing; those without are moto's to evaluate, as before.
    """
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(bucket.policy)
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    policy["Statement"] = [statement for statement in statements if "Condition" not in statement]
    return IAMPolicy(json.dumps(policy)).is_action_permitted(action, resource)


def iso8601_with_milliseconds(_: TimestampSerializer, value: datetime) -> str:
    """Times of the query APIs. moto writes zeros, and the CDK CLI, which sorts a stack's events by time, mixes them."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
