"""Buckets as this stack wants them: our key, TLS only, nothing public, versioned, logged, cleaned up."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

NONCURRENT_DAYS = 30
"""Days for which a replaced or deleted object can be brought back."""


class EncryptedBucket(s3.Bucket):
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
    ) -> None:
        """Creates the bucket.

        key: encrypts every object; the bucket key keeps the number of KMS calls low.
        access_logs: bucket for server access logs, under this bucket's construct id.
        removal_policy: omitted: the bucket is kept when its stack is deleted.
        lifecycle_rules: further rules. Incomplete uploads go after 7 days, noncurrent versions after 30 in any case.
        """
        super().__init__(
            scope,
            construct_id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix=f"{construct_id}/",
            removal_policy=removal_policy,
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                    noncurrent_version_expiration=Duration.days(NONCURRENT_DAYS),
                ),
                *lifecycle_rules,
            ],
        )


class AccessLogBucket(s3.Bucket):
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
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            removal_policy=removal_policy,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=Duration.days(365),
                    noncurrent_version_expiration=Duration.days(NONCURRENT_DAYS),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
        )
