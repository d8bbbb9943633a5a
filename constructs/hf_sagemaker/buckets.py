"""Buckets as this stack wants them: our key, TLS only, nothing public, versioned, logged, cleaned up."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hf_sagemaker.arns import bucket_arn, key_arn, objects_arn, role_arn

NONCURRENT_DAYS = 30
"""Days for which a replaced or deleted object can be brought back."""
_ACCESS_LOG_DAYS = 365
_OBJECT_ACCESS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:PutObject",
)


# Each object of the CDK is a call into another process, and these never differ.
_anybody = cache(lambda: iam.AnyPrincipal())
_customers_own = cache(lambda: s3.BlockedEncryptionType.SSE_C)
_nobody = cache(lambda: s3.BlockPublicAccess.BLOCK_ALL)


@dataclass(frozen=True, kw_only=True)
class Replication:
    """Copies of every object in another bucket.

    destination: versioned, and its owner admits `role`. key: encrypts the copies. role: assumed by S3; reads this
    bucket and writes there.
    """

    destination: s3.IBucket
    key: kms.IKey
    role: iam.IRole


class _PrivateBucket(s3.Bucket):
    """What holds for every bucket of ours."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        removal_policy: RemovalPolicy,
        lifecycle_rules: Sequence[s3.LifecycleRule],
        access_logs: s3.IBucket | None = None,
        object_lock: Duration | None = None,
        replication: Replication | None = None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            # With a key that only the caller has, an intruder could hold the data to ransom.
            blocked_encryption_types=[_customers_own()],
            block_public_access=_nobody(),
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix=f"{construct_id}/" if access_logs else None,
            object_lock_default_retention=s3.ObjectLockRetention.governance(object_lock) if object_lock else None,
            replication_role=replication.role if replication else None,
            replication_rules=[_replication_rule(replication)] if replication else None,
            removal_policy=removal_policy,
            lifecycle_rules=list(lifecycle_rules),
        )
        self._document: iam.PolicyDocument | None = None

    def _deny(self, *denials: tuple[str, Sequence[str], dict[str, dict[str, object]]]) -> None:
        """Adds denials for everybody: name, actions, conditions. Those of listing hold for the bucket too."""
        objects = objects_arn(self)
        statements = [
            iam.PolicyStatement(
                sid=sid,
                effect=iam.Effect.DENY,
                principals=[_anybody()],
                actions=list(actions),
                resources=[*([bucket_arn(self)] if "s3:ListBucket" in actions else []), objects],
                conditions=conditions,
            )
            for sid, actions, conditions in denials
        ]
        if self._document is None:
            # The policy is there: TLS is asked for in it.
            policy = self.policy
            assert policy is not None
            self._document = policy.document
        self._document.add_statements(*statements)


class EncryptedBucket(_PrivateBucket):
    """A private, versioned bucket encrypted with a customer managed key, logging its accesses to another one."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        access_logs: s3.IBucket,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        lifecycle_rules: Sequence[s3.LifecycleRule] = (),
        object_lock: Duration | None = None,
        replication: Replication | None = None,
    ) -> None:
        """Creates the bucket.

        key: encrypts every object; an upload that names another one is refused. The bucket key keeps the number of
            KMS calls low.
        access_logs: bucket for server access logs, under this bucket's construct id.
        removal_policy: omitted: the bucket is kept when its stack is deleted.
        lifecycle_rules: further rules. Incomplete uploads go after 7 days, noncurrent versions after 30 in any case.
        object_lock: how long a version cannot be deleted, in governance mode. Omitted: no Object Lock.
        replication: omitted: none.
        """
        super().__init__(
            scope,
            construct_id,
            key=key,
            access_logs=access_logs,
            removal_policy=removal_policy,
            object_lock=object_lock,
            replication=replication,
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                    noncurrent_version_expiration=Duration.days(NONCURRENT_DAYS),
                ),
                *lifecycle_rules,
            ],
        )
        # Without these headers S3 encrypts with the bucket's key. A negated condition alone would also match a request
        # that has none.
        header = "s3:x-amz-server-side-encryption"
        key_id, customer_key = f"{header}-aws-kms-key-id", f"{header}-customer-algorithm"
        put = ["s3:PutObject"]
        self._deny(
            ("OnlyOurKey", put, {"Null": {key_id: "false"}, "ArnNotEquals": {key_id: key_arn(key)}}),
            ("OnlyKms", put, {"Null": {header: "false"}, "StringNotEquals": {header: ["aws:kms", "aws:kms:dsse"]}}),
            # The bucket's own setting blocks this too; the statement also holds in the evaluation of policies.
            ("NoCustomerKey", put, {"Null": {customer_key: "false"}}),
        )

    def only_through(self, s3_endpoint_id: str, roles: Sequence[iam.IRole]) -> None:
        """Refuses these roles' access to objects from anywhere but a VPC endpoint.

        Only the roles named are refused, so that CloudFormation, deployers and people are not locked out; neither are
        services that act for a role, such as S3 replication.
        """
        conditions: dict[str, dict[str, object]] = {
            "ArnEquals": {"aws:PrincipalArn": [role_arn(role) for role in roles]},
            "StringNotEquals": {"aws:SourceVpce": s3_endpoint_id},
            "BoolIfExists": {"aws:ViaAWSService": "false"},
        }
        self._deny(("OnlyThroughTheVpcEndpoint", _OBJECT_ACCESS, conditions))


class AccessLogBucket(_PrivateBucket):
    """Where the other buckets' server access logs go, kept for a year."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the bucket.

        key: encrypts the logs; S3's log delivery must be allowed to use it.
        removal_policy: omitted: kept when its stack is deleted.
        """
        super().__init__(
            scope,
            construct_id,
            key=key,
            removal_policy=removal_policy,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=Duration.days(_ACCESS_LOG_DAYS),
                    noncurrent_version_expiration=Duration.days(NONCURRENT_DAYS),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
        )


def _replication_rule(replication: Replication) -> s3.ReplicationRule:
    return s3.ReplicationRule(
        id="Copies",
        priority=1,
        destination=replication.destination,
        kms_key=replication.key,
        sse_kms_encrypted_objects=True,
        delete_marker_replication=False,
    )


@dataclass(frozen=True, kw_only=True)
class EnvironmentBuckets:
    """The buckets of an environment.

    builds: what builds of images leave besides the image.
    read_only: the team's own, with the key that encrypts each, or None; jobs may read them.
    """

    data: s3.IBucket
    models: s3.IBucket
    checkpoints: s3.IBucket
    builds: s3.IBucket
    read_only: Sequence[tuple[s3.IBucket, kms.IKey | None]] = ()
