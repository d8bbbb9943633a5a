"""The customer managed key of an environment, with the grants that AWS services need to use it for us."""

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

_USE = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


class EncryptionKey(kms.Key):
    """A rotating key that logs, S3 log delivery and alarms may use on behalf of this account, and nobody else's."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the key.

        description: what it encrypts; the KMS console shows it.
        removal_policy: omitted: kept when its stack is deleted. Deletion waits 30 days in any case.
        """
        super().__init__(
            scope,
            construct_id,
            description=description,
            enable_key_rotation=True,
            pending_window=Duration.days(30),
            removal_policy=removal_policy,
        )
        stack = Stack.of(self)
        log_groups = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:*"
        self._allow(
            iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com"),
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
        )
        ours = {"StringEquals": {"aws:SourceAccount": stack.account}}
        # delivery.logs: a state machine with this key logs through it.
        for service in ("logging.s3.amazonaws.com", "cloudwatch.amazonaws.com", "delivery.logs.amazonaws.com"):
            self._allow(iam.ServicePrincipal(service), ours)

    def _allow(self, principal: iam.IPrincipal, conditions: dict[str, dict[str, str]]) -> None:
        self.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[principal],
                actions=list(_USE),
                resources=["*"],  # in a key policy: this key
                conditions=conditions,
            )
        )
