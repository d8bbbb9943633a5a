"""ARNs of resources, asked of the CDK once each: a question is a call into another process."""

from collections.abc import Callable
from weakref import WeakKeyDictionary

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

_known: WeakKeyDictionary[IConstruct, str] = WeakKeyDictionary()


def bucket_arn(bucket: s3.IBucket) -> str:
    """Of the bucket itself."""
    return _asked_once(bucket, lambda: bucket.bucket_arn)


def objects_arn(bucket: s3.IBucket, pattern: str = "*") -> str:
    """Of the objects whose keys match the pattern. Omitted: of all."""
    return f"{bucket_arn(bucket)}/{pattern}"


def key_arn(key: kms.IKey) -> str:
    """Of the key."""
    return _asked_once(key, lambda: key.key_arn)


def role_arn(role: iam.IRole) -> str:
    """Of the role."""
    return _asked_once(role, lambda: role.role_arn)


def _asked_once(resource: IConstruct, ask: Callable[[], str]) -> str:
    if resource not in _known:
        _known[resource] = ask()
    return _known[resource]
