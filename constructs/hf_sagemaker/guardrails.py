"""What nobody may do in an environment's account, an administrator's mistake included.

The same denials make two policies: the permissions boundary, which limits every role of an environment, and the service
control policy, which limits everybody in its account. Conditions on SageMaker's keys hold for the job and model APIs
whoever calls them. Source of the keys: the Service Authorization Reference of SageMaker.
"""

from collections.abc import Sequence
from typing import Any

_JOBS = (
    "sagemaker:CreateHyperParameterTuningJob",
    "sagemaker:CreateProcessingJob",
    "sagemaker:CreateTrainingJob",
)
_JOBS_WITH_OUTPUT = (*_JOBS, "sagemaker:CreateTransformJob")
_RUNS_CONTAINERS = (*_JOBS, "sagemaker:CreateModel")
_HAS_INSTANCES = (*_JOBS_WITH_OUTPUT, "sagemaker:CreateEndpointConfig")

Statement = dict[str, Any]


def job_denials(*, instance_types: Sequence[str], isolation: bool, image_accounts: Sequence[str]) -> list[Statement]:
    """Training, processing, tuning, models and endpoints that are not as every job of ours is.

    instance_types: the only ones allowed. isolation: containers must have no network. image_accounts: the accounts
    whose images may be pulled: this one, and AWS's for Deep Learning Containers.
    """
    denials = [
        _deny("OutsideTheNetwork", _RUNS_CONTAINERS, {"Null": {"sagemaker:VpcSubnets": "true"}}),
        # A key that is absent is as good as false.
        _deny("UnencryptedTraffic", _JOBS, {"BoolIfExists": {"sagemaker:InterContainerTrafficEncryption": "false"}}),
        # Documents name the key in two ways. Each is absent where the service uses the other; both are absent only
        # where the request names no KMS key.
        _deny(
            "UnencryptedOutput",
            _JOBS_WITH_OUTPUT,
            {"Null": {"sagemaker:OutputKmsKey": "true", "sagemaker:OutputKmsKeyArn": "true"}},
        ),
        _deny(
            "OtherInstanceTypes",
            _HAS_INSTANCES,
            {"ForAnyValue:StringNotEquals": {"sagemaker:InstanceTypes": sorted(instance_types)}},
        ),
        _deny(
            "ForeignImages",
            ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
            {"StringNotEquals": {"aws:ResourceAccount": sorted(set(image_accounts))}},
        ),
    ]
    if isolation:
        denials.insert(
            1,
            _deny("NotIsolated", _RUNS_CONTAINERS, {"BoolIfExists": {"sagemaker:NetworkIsolation": "false"}}),
        )
    return denials


def account_denials(*, deployers: Sequence[str], keys_may_go: bool) -> list[Statement]:
    """Public buckets, deleted keys and switched-off logs.

    deployers: ARN patterns of the roles with which CloudFormation deploys; they may change what they made.
    keys_may_go: deployers may also delete keys, as a disposable environment's do.
    """
    others = {"ArnNotLike": {"aws:PrincipalArn": list(deployers)}}
    key_removal = ("kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion")
    return [
        _deny(
            "PublicBuckets",
            ("s3:PutAccountPublicAccessBlock", "s3:PutBucketPublicAccessBlock", "s3:PutBucketPolicy"),
            others,
        ),
        _deny(
            "PublicObjects",
            ("s3:PutBucketAcl", "s3:PutObject", "s3:PutObjectAcl"),
            {"StringLike": {"s3:x-amz-acl": ["authenticated-read", "public-*"]}},
        ),
        _deny("KeyRemoval", key_removal, others)
        if keys_may_go
        else _deny("KeyRemoval", ("kms:DisableKey", "kms:ScheduleKeyDeletion"), {}),
        _deny(
            "LogsOff",
            (
                "cloudtrail:DeleteTrail",
                "cloudtrail:StopLogging",
                "ec2:DeleteFlowLogs",
                "logs:DeleteLogGroup",
                "logs:DeleteLogStream",
                "logs:DeleteRetentionPolicy",
                "s3:PutBucketLogging",
            ),
            others,
        ),
        _deny(
            "BoundaryOff",
            ("iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"),
            others,
        ),
    ]


def _deny(sid: str, actions: Sequence[str], condition: dict[str, Any]) -> Statement:
    statement = {"Sid": sid, "Effect": "Deny", "Action": sorted(actions), "Resource": "*"}
    return {**statement, "Condition": condition} if condition else statement
