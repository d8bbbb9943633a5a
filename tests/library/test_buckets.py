"""Buckets: as they come, and as a team may ask for them."""

import json
from typing import Any

import pytest
from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template

from hf_sagemaker.buckets import AccessLogBucket, EncryptedBucket, Replication


def test_bucket_by_default_cleans_up_and_stays(stack: Any) -> None:
    EncryptedBucket(stack, "Data", key=stack.key, access_logs=AccessLogBucket(stack, "Logs", key=stack.key))
    Template.from_stack(stack).has_resource(
        "AWS::S3::Bucket",
        {
            "DeletionPolicy": "Retain",
            "Properties": {
                "LoggingConfiguration": {"LogFilePrefix": "Data/"},
                "LifecycleConfiguration": {
                    "Rules": [
                        Match.object_like(
                            {
                                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                                "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                            }
                        )
                    ]
                },
            },
        },
    )


def test_bucket_as_asked(stack: Any) -> None:
    EncryptedBucket(
        stack,
        "Data",
        key=stack.key,
        access_logs=AccessLogBucket(stack, "Logs", key=stack.key),
        removal_policy=RemovalPolicy.DESTROY,
        lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(3))],
    )
    Template.from_stack(stack).has_resource(
        "AWS::S3::Bucket",
        {
            "DeletionPolicy": "Delete",
            "Properties": {
                "LifecycleConfiguration": {"Rules": Match.array_with([Match.object_like({"ExpirationInDays": 3})])}
            },
        },
    )


def _denials(stack: Any) -> dict[str, dict[str, Any]]:
    """Sid → statement, of the data bucket's policy."""
    policies = Template.from_stack(stack).find_resources("AWS::S3::BucketPolicy")
    (policy,) = [p for name, p in policies.items() if name.startswith("Data")]
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    return {s["Sid"]: s for s in statements if s["Effect"] == "Deny" and "Sid" in s}


@pytest.fixture
def data(stack: Any) -> EncryptedBucket:
    return EncryptedBucket(stack, "Data", key=stack.key, access_logs=AccessLogBucket(stack, "Logs", key=stack.key))


def test_an_upload_with_another_key_is_refused(stack: Any, data: EncryptedBucket) -> None:
    condition = _denials(stack)["OnlyOurKey"]["Condition"]
    assert condition["ArnNotEquals"] == {"s3:x-amz-server-side-encryption-aws-kms-key-id": stack.key.key_arn}
    # an upload that names no key takes the bucket's
    assert condition["Null"] == {"s3:x-amz-server-side-encryption-aws-kms-key-id": "false"}


def test_an_upload_with_the_callers_own_key_is_refused_twice(stack: Any, data: EncryptedBucket) -> None:
    assert "s3:x-amz-server-side-encryption-customer-algorithm" in json.dumps(_denials(stack)["NoCustomerKey"])
    Template.from_stack(stack).has_resource_properties(
        "AWS::S3::Bucket",
        {
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    Match.object_like({"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}})
                ]
            }
        },
    )


def test_the_named_roles_come_through_the_endpoint_or_not_at_all(stack: Any, data: EncryptedBucket) -> None:
    data.only_through("vpce-1", [stack.role])
    denial = _denials(stack)["OnlyThroughTheVpcEndpoint"]
    assert denial["Condition"] == {
        "ArnEquals": {"aws:PrincipalArn": [stack.role.role_arn]},
        "StringNotEquals": {"aws:SourceVpce": "vpce-1"},
        "BoolIfExists": {"aws:ViaAWSService": "false"},
    }


def test_object_lock_and_copies_as_asked(stack: Any) -> None:
    copies = s3.Bucket.from_bucket_attributes(stack, "Copies", bucket_name="copies", account="999999999999")
    copies_key = kms.Key.from_key_arn(stack, "CopiesKey", "arn:aws:kms:us-east-1:999999999999:key/copies")
    EncryptedBucket(
        stack,
        "Data",
        key=stack.key,
        access_logs=AccessLogBucket(stack, "Logs", key=stack.key),
        object_lock=Duration.days(7),
        replication=Replication(destination=copies, key=copies_key, role=stack.role),
    )
    Template.from_stack(stack).has_resource_properties(
        "AWS::S3::Bucket",
        {
            "ObjectLockEnabled": True,
            "ObjectLockConfiguration": {"Rule": {"DefaultRetention": {"Days": 7, "Mode": "GOVERNANCE"}}},
            "ReplicationConfiguration": {
                "Role": stack.role.role_arn,
                "Rules": [
                    Match.object_like(
                        {
                            "Status": "Enabled",
                            "Destination": {
                                "EncryptionConfiguration": {"ReplicaKmsKeyID": copies_key.key_arn},
                            },
                        }
                    )
                ],
            },
        },
    )
