"""Network, key, buckets and roles, each by itself: as it comes, and as a team may ask for it."""

import json
from typing import Any

import pytest
from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template

from hf_sagemaker.buckets import AccessLogBucket, EncryptedBucket
from hf_sagemaker.encryption_key import EncryptionKey
from hf_sagemaker.execution_roles import ExecutionRoles
from hf_sagemaker.network import PrivateNetwork


def test_network_by_default_keeps_flow_logs_a_month_and_for_ever_after_deletion(stack: Any) -> None:
    PrivateNetwork(stack, "Network", availability_zones=["us-east-1a", "us-east-1b"], key=stack.key)
    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"})
    template.has_resource("AWS::Logs::LogGroup", {"Properties": {"RetentionInDays": 30}, "DeletionPolicy": "Retain"})
    template.has_resource_properties("AWS::EC2::FlowLog", {"TrafficType": "ALL"})


def test_network_as_asked(stack: Any) -> None:
    PrivateNetwork(
        stack,
        "Network",
        availability_zones=["us-east-1b", "us-east-1c"],
        key=stack.key,
        cidr="10.7.0.0/20",
        flow_log_retention=logs.RetentionDays.ONE_YEAR,
        removal_policy=RemovalPolicy.DESTROY,
    )
    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::EC2::VPC", {"CidrBlock": "10.7.0.0/20"})
    template.has_resource_properties("AWS::EC2::Subnet", {"AvailabilityZone": "us-east-1c"})
    template.has_resource("AWS::Logs::LogGroup", {"Properties": {"RetentionInDays": 365}, "DeletionPolicy": "Delete"})


def test_workloads_reach_services_on_443_and_nothing_reaches_endpoints(stack: Any) -> None:
    network = PrivateNetwork(stack, "Network", availability_zones=["us-east-1a", "us-east-1b"], key=stack.key)
    template = Template.from_stack(stack)
    ingress = template.find_resources("AWS::EC2::SecurityGroupIngress")
    endpoint_group = stack.get_logical_id(network.endpoints.security_groups[0].node.default_child)
    to_endpoints = [
        r for r in ingress.values() if r["Properties"]["GroupId"] == {"Fn::GetAtt": [endpoint_group, "GroupId"]}
    ]
    assert not to_endpoints
    services = stack.get_logical_id(network.service_security_group.node.default_child)
    ports = {
        (r["Properties"]["FromPort"], r["Properties"]["ToPort"])
        for r in ingress.values()
        if r["Properties"]["GroupId"] == {"Fn::GetAtt": [services, "GroupId"]}
    }
    assert ports == {(443, 443)}


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
