"""What nobody may do in an environment's account, an administrator's mistake included.

The same denials make two policies: the permissions boundary, which limits every role of an environment, and the service
control policy, which limits everybody in its account. Conditions on SageMaker's keys hold for the job and model APIs
whoever calls them. Source of the keys: the Service Authorization Reference of SageMaker.
"""

import json
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


class PolicyTooLongError(ValueError):
    """A policy has more characters than AWS takes; the text says what to do."""


def job_denials(*, instance_types: Sequence[str], isolation: bool) -> list[Statement]:
    """Training, processing, tuning, models and endpoints that are not as every job of ours is.

    instance_types: the only ones allowed. isolation: containers must have no network.
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
    ]
    if isolation:
        denials.insert(
            1,
            _deny("NotIsolated", _RUNS_CONTAINERS, {"BoolIfExists": {"sagemaker:NetworkIsolation": "false"}}),
        )
    return denials


def account_denials(*, deployers: Sequence[str], keys_may_go: bool, image_accounts: Sequence[str]) -> list[Statement]:
    """Public buckets, deleted keys, switched-off logs, and images of strangers.

    deployers: ARNs, with `*`, of the roles with which CloudFormation deploys; they may change what they made.
    keys_may_go: deployers may also delete keys, as a disposable environment's do.
    image_accounts: the accounts whose images may be pulled: this one, and AWS's for Deep Learning Containers. A
        boundary says the same by naming repositories.
    """
    others = {"ArnNotLike": {"aws:PrincipalArn": list(deployers)}}
    return [
        _deny(
            "ForeignImages",
            ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
            {"StringNotEquals": {"aws:ResourceAccount": sorted(set(image_accounts))}},
        ),
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
        _deny("KeyPolicies", ("kms:PutKeyPolicy",), others),
        _deny("KeyRemoval", ("kms:DisableKey", "kms:ScheduleKeyDeletion"), others if keys_may_go else {}),
        _deny(
            "LogsOff",
            (
                "cloudtrail:DeleteTrail",
                "cloudtrail:StopLogging",
                "ec2:DeleteFlowLogs",
                "logs:DeleteLogGroup",
                "logs:DeleteLogStream",
                "logs:DeleteRetentionPolicy",
                "logs:DisassociateKmsKey",
                "logs:PutRetentionPolicy",
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


def policy_document(what: str, statements: Sequence[Statement], *, longest: int, mend: str) -> dict[str, Any]:
    """The document of these statements.

    what: the policy, for people. longest: characters that AWS takes, without white space. mend: what to do about it.

    Raises PolicyTooLongError when it is longer.
    """
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    length = len(json.dumps(document, separators=(",", ":")))
    if length > longest:
        raise PolicyTooLongError(f"The {what} has {length} characters, and AWS takes {longest}. {mend}")
    return document
