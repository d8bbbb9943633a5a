"""Data: the key, the buckets and the roles that may use them."""

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hf_sagemaker.buckets import AccessLogBucket, EncryptedBucket
from hf_sagemaker.encryption_key import EncryptionKey
from hf_sagemaker.execution_roles import ExecutionRoles
from stacks.contract import publish, repository_prefix
from stacks.settings import EnvironmentSettings

CHECKPOINT_DAYS = 30
"""Days after which a checkpoint is deleted: no run waits that long for capacity."""


class DataStack(Stack):
    """Offers `key`, `data_bucket`, `models_bucket`, `checkpoints_bucket` and `roles`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: EnvironmentSettings,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self.key = EncryptionKey(
            self,
            "Key",
            description=f"Data, models, logs and notifications of {environment}",
            removal_policy=removal_policy,
        )
        access_logs = AccessLogBucket(self, "AccessLogs", key=self.key, removal_policy=removal_policy)

        def bucket(name: str, *rules: s3.LifecycleRule) -> EncryptedBucket:
            return EncryptedBucket(
                self,
                name,
                key=self.key,
                access_logs=access_logs,
                removal_policy=removal_policy,
                lifecycle_rules=rules,
            )

        self.data_bucket = bucket("Data")
        self.models_bucket = bucket("Models")
        self.checkpoints_bucket = bucket("Checkpoints", s3.LifecycleRule(expiration=Duration.days(CHECKPOINT_DAYS)))
        self.roles = ExecutionRoles(
            self,
            "Roles",
            data_bucket=self.data_bucket,
            models_bucket=self.models_bucket,
            checkpoints_bucket=self.checkpoints_bucket,
            key=self.key,
            repository_prefix=repository_prefix(environment),
        )
        publish(
            self,
            environment,
            {
                "data/data-bucket": self.data_bucket.bucket_name,
                "data/models-bucket": self.models_bucket.bucket_name,
                "data/checkpoints-bucket": self.checkpoints_bucket.bucket_name,
                "data/key-arn": self.key.key_arn,
            },
        )
