"""Customer managed keys, one per class of data, each with a policy that says who may use it and by which way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from hf_sagemaker.arns import role_arn
from hf_sagemaker.place import place_of

# Everything but use: whoever administers a key does not read what it encrypts.
_ADMINISTER = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
USE = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo")


@dataclass(frozen=True, kw_only=True)
class KeyUse:
    """One way in which principals of this account may use a key, when their own policies allow it too.

    services: AWS services that use the key for them (`kms:ViaService`), for example `s3`; nobody uses it directly.
    roles: the only roles for which they may. Omitted: any principal of the account.
    actions: omitted: encrypt and decrypt.
    grants: the services may also hold grants, as volumes, functions and image repositories need them.
    """

    services: Sequence[str]
    roles: Sequence[iam.IRole] = ()
    actions: Sequence[str] = USE
    grants: bool = False


class EncryptionKey(kms.Key):
    """A rotating key for one class of data.

    The account administers it and cannot read with it; who can is named one by one. Roles are matched by
    `aws:PrincipalArn`, so that a key may be created together with them.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        uses: Sequence[KeyUse] = (),
        services: Sequence[str] = (),
        log_groups: bool = False,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the key.

        description: what it encrypts; the KMS console shows it.
        uses: which principals of the account may use it. Omitted: none.
        services: those that use it as themselves, for this account only, for example `cloudwatch.amazonaws.com`.
            Omitted: none.
        log_groups: CloudWatch Logs encrypts log groups of this account and region with it. Omitted: it does not.
        removal_policy: omitted: kept when its stack is deleted. Deletion waits 30 days in any case.
        """
        place = place_of(scope)
        account = {"AWS": f"arn:{place.partition}:iam::{place.account}:root"}
        statements = [_allow("Administration", account, _ADMINISTER)]
        for use in uses:
            statements += _allow_use(account, use, place.region)
        for service in services:
            ours = {"StringEquals": {"aws:SourceAccount": place.account}}
            statements.append(_allow("", {"Service": service}, USE, ours))
        if log_groups:
            groups = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": place.arn("logs", "log-group:*")}}
            statements.append(_allow("", {"Service": f"logs.{place.region}.amazonaws.com"}, USE, groups))
        super().__init__(
            scope,
            construct_id,
            description=description,
            enable_key_rotation=True,
            pending_window=Duration.days(30),
            removal_policy=removal_policy,
            policy=iam.PolicyDocument.from_json({"Version": "2012-10-17", "Statement": statements}),
        )


def _allow_use(account: Mapping[str, str], use: KeyUse, region: str) -> list[dict[str, Any]]:
    conditions: dict[str, Any] = {
        "StringEquals": {"kms:ViaService": [f"{service}.{region}.amazonaws.com" for service in use.services]}
    }
    if use.roles:
        conditions["ArnEquals"] = {"aws:PrincipalArn": [role_arn(role) for role in use.roles]}
    if not use.grants:
        return [_allow("", account, use.actions, conditions)]
    granting = {**conditions, "Bool": {"kms:GrantIsForAWSResource": "true"}}
    return [
        _allow("", account, ["kms:CreateGrant"], granting),
        _allow("", account, [*use.actions, "kms:RetireGrant"], conditions),
    ]


def _allow(
    sid: str, principal: Mapping[str, str], actions: Sequence[str], conditions: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        **({"Sid": sid} if sid else {}),
        "Effect": "Allow",
        "Principal": principal,
        "Action": list(actions),
        "Resource": "*",  # in a key policy: this key
        **({"Condition": conditions} if conditions else {}),
    }


@dataclass(frozen=True, kw_only=True)
class EnvironmentKeys:
    """The keys of an environment, one per class of data: ours, or keys that the team owns.

    data: training data. models: models, checkpoints, volumes. images: repositories and builds. logs: log groups and
    access logs. operations: notifications, state machines, functions.
    """

    data: kms.IKey
    models: kms.IKey
    images: kms.IKey
    logs: kms.IKey
    operations: kms.IKey
