"""Key, buckets and roles, each by itself: as it comes, and as a team may ask for it."""

import json
from typing import Any

import pytest
from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template

from hf_sagemaker.buckets import AccessLogBucket, EncryptedBucket
from hf_sagemaker.encryption_key import EncryptionKey
from hf_sagemaker.execution_roles import ExecutionRoles


def test_key_is_for_this_accounts_services_only(stack: Any) -> None:
    EncryptionKey(stack, "Key", description="test")
    template = Template.from_stack(stack)
    (key,) = template.find_resources("AWS::KMS::Key").values()
    for statement in key["Properties"]["KeyPolicy"]["Statement"]:
        if "Service" in statement["Principal"]:
            assert "123456789012" in json.dumps(statement["Condition"])
    assert key["Properties"]["PendingWindowInDays"] == 30
    assert key["DeletionPolicy"] == "Retain"


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


@pytest.fixture
def roles(stack: Any) -> ExecutionRoles:
    return ExecutionRoles(
        stack,
        "Roles",
        data_bucket=stack.bucket,
        models_bucket=s3.Bucket.from_bucket_name(stack, "Models", "models"),
        checkpoints_bucket=s3.Bucket.from_bucket_name(stack, "Checkpoints", "checkpoints"),
        key=stack.key,
        repository_prefix="hf-sagemaker/dev/",
    )


def _actions(stack: Any, duty: str) -> dict[str, str]:
    """action → resources, as text."""
    policies = Template.from_stack(stack).find_resources("AWS::IAM::ManagedPolicy")
    (policy,) = [p for name, p in policies.items() if duty in name]
    return {
        action: json.dumps(statement["Resource"])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for action in (statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]])
    }


def test_training_writes_models_and_checkpoints_and_nothing_else(stack: Any, roles: ExecutionRoles) -> None:
    written = _actions(stack, "TrainingPolicy")["s3:PutObject"]
    assert "models/trained/*" in written
    assert "checkpoints/*" in written
    assert "team-bucket" not in written


def test_serving_cannot_write_objects_or_start_jobs(stack: Any, roles: ExecutionRoles) -> None:
    actions = _actions(stack, "ServingPolicy")
    assert "s3:GetObject" in actions
    assert not {"s3:PutObject", "s3:DeleteObject", "sagemaker:CreateTrainingJob", "ecr:PutImage"} & set(actions)


def test_only_building_pushes_images(stack: Any, roles: ExecutionRoles) -> None:
    assert "ecr:PutImage" in _actions(stack, "BuildingPolicy")
    assert "ecr:PutImage" not in _actions(stack, "TrainingPolicy")


@pytest.mark.parametrize("duty", ["Training", "Serving", "Building"])
def test_no_duty_deletes_objects_or_administers_keys(stack: Any, roles: ExecutionRoles, duty: str) -> None:
    actions = set(_actions(stack, f"{duty}Policy"))
    assert not {"s3:DeleteObject", "s3:DeleteObjectVersion", "kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"} & actions
    assert not [action for action in actions if action.startswith("iam:")]
