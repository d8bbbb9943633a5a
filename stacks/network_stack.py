"""Network: the private VPC, its endpoints, flow logs and security groups."""

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.encryption_key import EncryptionKey, KeyUse
from hf_sagemaker.network import PrivateNetwork
from stacks.settings import EnvironmentSettings

_RETENTION = {
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


class NetworkStack(Stack):
    """Offers `network` and `log_key`, which encrypts every log of the environment."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: EnvironmentSettings,
        removal_policy: RemovalPolicy,
    ) -> None:
        self._zones = settings.network.availability_zones
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self.log_key = self._log_key(settings.keys.logs, removal_policy)
        self.network = PrivateNetwork(
            self,
            "Network",
            availability_zones=settings.network.availability_zones,
            key=self.log_key,
            cidr=settings.network.cidr,
            flow_log_retention=_RETENTION[settings.network.flow_log_days],
            removal_policy=removal_policy,
        )
        acknowledge(
            self.network.vpc,
            "The zones are this environment's settings, for one account and region; asking AWS for them at synth would "
            "make two synths of one commit differ.",
            "CloudFormation-Validate::W3010",
        )

    def _log_key(self, arn: str | None, removal_policy: RemovalPolicy) -> kms.IKey:
        if arn:
            return kms.Key.from_key_arn(self, "LogKey", arn)
        # Through S3: whoever may read access logs.
        key = EncryptionKey(
            self,
            "LogKey",
            description="Log groups, flow logs and access logs",
            uses=[KeyUse(services=["s3"], actions=["kms:Decrypt"])],
            removal_policy=removal_policy,
        )
        key.allow_log_groups()
        key.allow_service("logging.s3.amazonaws.com")
        return key

    @property
    def availability_zones(self) -> list[str]:
        """Those of the settings. The Vpc construct asks its stack, which would otherwise ask AWS."""
        return self._zones
