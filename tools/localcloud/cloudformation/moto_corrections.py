"""Places where moto's own answers would mislead a deployment, and what stands there instead."""

import json
from datetime import datetime
from typing import Any

from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.core.serialize import TimestampSerializer
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.kms import responses as kms_responses
from moto.s3.exceptions import ReplicationConfigurationNotFoundError, ServerSideEncryptionConfigurationNotFoundError
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response

from localcloud.cloudformation.backend import only_types

_update_as_moto: Any = CloudFormationResponse.update_stack


def install() -> None:
    cloudformation: Any = CloudFormationResponse
    bucket: Any = FakeBucket
    serializer: Any = TimestampSerializer
    s3: Any = S3Response
    kms: Any = kms_responses
    bucket.get_permission = get_permission
    serializer._timestamp_iso8601_zeroed = iso8601_with_milliseconds
    s3.get_bucket_encryption = get_bucket_encryption
    s3.get_bucket_replication = get_bucket_replication
    kms.validate_policy = key_policy_decides_nothing
    cloudformation._validate_different_update = lambda *_: None
    cloudformation.update_stack = update_stack
    cloudformation.cancel_update_stack = cancel_update_stack


def update_stack(response: Any) -> Any:
    """moto's, with the types of resources that the update may change.

    moto also refuses an update with the same template and parameters, whatever the SSM parameters say by now that these
    name: `LocalCloudFormation` looks at that itself.
    """
    token = only_types.set(response._get_param("ResourceTypes") or None)
    try:
        return _update_as_moto(response)
    finally:
        only_types.reset(token)


def cancel_update_stack(response: Any) -> EmptyResult:
    """moto has none."""
    response.cloudformation_backend.cancel_update_stack(response._get_param("StackName"))
    return EmptyResult()


def get_permission(bucket: FakeBucket, action: str, resource: str) -> Any:
    """What a bucket's policy says: DENIED, PERMITTED, or NEUTRAL where it says neither.

    Replaces moto's, which evaluates conditions without any values and principals not at all, so that a statement as
    common as "deny what does not come over TLS" denies every request, and one that denies a role denies everybody.
    Nothing here knows who calls or how, so a statement with a condition or for somebody decides nothing; those
    without are moto's to evaluate, as before.
    """
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(bucket.policy)
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    policy["Statement"] = [each for each in statements if "Condition" not in each and _for_everybody(each)]
    return IAMPolicy(json.dumps(policy)).is_action_permitted(action, resource)


def _for_everybody(statement: dict[str, Any]) -> bool:
    return statement.get("Effect") == "Allow" or statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})


def key_policy_decides_nothing(key: Any, action: str) -> None:
    """Replaces moto's check of a key's policy, which reads a denial without its condition and its principal."""


def get_bucket_encryption(response: Any) -> Any:
    """Replaces moto's answer, which leaves out which encryptions are blocked."""
    encryption = response.backend.get_bucket_encryption(response.bucket_name)
    if not encryption:
        raise ServerSideEncryptionConfigurationNotFoundError(bucket_name=response.bucket_name)
    rule = dict(encryption["Rule"])
    rule["BucketKeyEnabled"] = str(rule.get("BucketKeyEnabled")).lower() == "true"
    if "BlockedEncryptionTypes" in rule:
        rule["BlockedEncryptionTypes"] = {"EncryptionType": _listed(rule["BlockedEncryptionTypes"]["EncryptionType"])}
    response.data["Action"] = "GetBucketEncryption"
    return response.serialized(ActionResult({"ServerSideEncryptionConfiguration": {"Rules": [rule]}}))


def get_bucket_replication(response: Any) -> Any:
    """Replaces moto's answer, which leaves out filters, deletions, and what of an encrypted object is copied."""
    replication = response.backend.get_bucket_replication(response.bucket_name)
    if not replication:
        raise ReplicationConfigurationNotFoundError(bucket_name=response.bucket_name)
    rules = [_replication_rule(rule) for rule in replication["Rule"]]
    response.data["Action"] = "GetBucketReplication"
    configuration = {"Role": replication["Role"], "Rules": rules}
    return response.serialized(ActionResult({"ReplicationConfiguration": configuration}))


def _replication_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """An empty element of XML is None, and an element that is there once is no list."""
    written = {name: value for name, value in rule.items() if value is not None}
    conditions = (written.get("Filter") or {}).get("And")
    if conditions and "Tag" in conditions:
        others = {name: value for name, value in conditions.items() if name != "Tag"}
        written["Filter"] = {"And": others | {"Tags": _listed(conditions["Tag"])}}
    return written


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def iso8601_with_milliseconds(_: TimestampSerializer, value: datetime) -> str:
    """Times of the query APIs. moto writes zeros, and the CDK CLI, which sorts a stack's events by time, mixes them."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
