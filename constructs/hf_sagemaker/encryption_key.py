"""Customer managed keys, one per class of data, each with a policy that says who may use it and by which way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

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

    The account administers it and cannot read with it; who can is named by `uses`, `allow_service` and
    `allow_log_groups`. Roles are matched by `aws:PrincipalArn`, so that a key may be created together with them.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        uses: Sequence[KeyUse] = (),
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the key.

        description: what it encrypts; the KMS console shows it.
        uses: who may use it. Omitted: nobody, until a service is allowed.
        removal_policy: omitted: kept when its stack is deleted. Deletion waits 30 days in any case.
        """
        stack = Stack.of(scope)
        account = iam.AccountPrincipal(stack.account)
        administration = iam.PolicyStatement(
            sid="Administration",
            principals=[account],
            actions=list(_ADMINISTER),
            resources=["*"],  # in a key policy: this key
        )
        super().__init__(
            scope,
            construct_id,
            description=description,
            enable_key_rotation=True,
            pending_window=Duration.days(30),
            removal_policy=removal_policy,
            policy=iam.PolicyDocument(statements=[administration]),
        )
        for use in uses:
            self._allow_use(stack, account, use)

    def allow_log_groups(self) -> None:
        """Lets CloudWatch Logs encrypt the log groups of this account and region."""
        stack = Stack.of(self)
        log_groups = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:*"
        self._allow(
            iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com"),
            USE,
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
        )

    def allow_service(self, *services: str) -> None:
        """Lets services that act as themselves use it for this account, for example `cloudwatch.amazonaws.com`."""
        for service in services:
            ours = {"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}
            self._allow(iam.ServicePrincipal(service), USE, ours)

    def _allow_use(self, stack: Stack, account: iam.IPrincipal, use: KeyUse) -> None:
        equals: dict[str, object] = {
            "kms:ViaService": [f"{service}.{stack.region}.amazonaws.com" for service in use.services],
        }
        conditions: dict[str, dict[str, object]] = {"StringEquals": equals}
        if use.roles:
            conditions["ArnEquals"] = {"aws:PrincipalArn": [role.role_arn for role in use.roles]}
        if use.grants:
            self._allow(account, ["kms:CreateGrant"], {**conditions, "Bool": {"kms:GrantIsForAWSResource": "true"}})
        self._allow(account, [*use.actions, *(["kms:RetireGrant"] if use.grants else [])], conditions)

    def _allow(
        self, principal: iam.IPrincipal, actions: Sequence[str], conditions: Mapping[str, Mapping[str, object]]
    ) -> None:
        self.add_to_resource_policy(
            iam.PolicyStatement(principals=[principal], actions=list(actions), resources=["*"], conditions=conditions)
        )


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
