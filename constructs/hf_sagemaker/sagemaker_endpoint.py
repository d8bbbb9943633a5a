"""What an endpoint of every mode has: a configuration, a name, parts, alarms, and callers."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import CfnResource, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker.compliance import NOT_ISOLATED, acknowledge
from hf_sagemaker.endpoint_alarms import part_metric, tell
from hf_sagemaker.endpoint_model import EndpointSurroundings
from hf_sagemaker.endpoint_parts import EndpointMode, EndpointPart
from hf_sagemaker.instance_types import InstanceType
from hf_sagemaker.production_variant import volume_key

_VOLUME_KEY = (
    "HIPAA.Security::HIPAA.Security-SageMakerEndpointConfigurationKMSKeyConfigured",
    "NIST.800.53.R5::NIST.800.53.R5-SageMakerEndpointConfigurationKMSKeyConfigured",
    "PCI.DSS.321::PCI.DSS.321-SageMakerEndpointConfigurationKMSKeyConfigured",
)
_WAY_OF_IMAGES = (
    "SageMaker pulls images from a registry in the VPC only when that is no ECR; an image in ECR, and so every "
    "one of this account, it pulls by way of its own platform. Instead of the way, what is pulled is "
    "fixed: the container is isolated (control 38), its image cannot change (47), comes from this account or "
    "from AWS's (48), and the network admits no other registry (87)."
)
_ALWAYS = (sns.CfnTopic, sns.CfnTopicPolicy)
"""What is there before a model is approved too: people subscribe to topics, which a function could not make."""


class SageMakerEndpoint(Construct):
    """Base of the constructs of each mode.

    endpoint, endpoint_config: the resources. endpoint_name: the one given, so that callers need not learn a new one.
    mode, parts: what it is made of. alarms: of each part in the order of the parts, then those of the whole.
    """

    endpoint: sagemaker.CfnEndpoint
    endpoint_config: sagemaker.CfnEndpointConfig

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        mode: EndpointMode,
        surroundings: EndpointSurroundings,
    ) -> None:
        super().__init__(scope, construct_id)
        self.endpoint_name: str = endpoint_name
        self.mode: EndpointMode = mode
        self.parts: Sequence[EndpointPart] = []
        self.alarms: Sequence[cloudwatch.Alarm] = []
        self._surroundings = surroundings

    def metric(
        self, name: str, *, statistic: str, period: Duration | None = None, part: EndpointPart | None = None
    ) -> cloudwatch.Metric:
        """A metric of one part in namespace AWS/SageMaker, for example `Invocations`.

        period: omitted: a minute. part: omitted: the first one.
        """
        return part_metric(part or self.parts[0], name, statistic=statistic, period=period)

    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Lets the grantee call InvokeEndpoint on this endpoint."""
        return iam.Grant.add_to_principal(
            grantee=grantee, actions=["sagemaker:InvokeEndpoint"], resource_arns=self._invoked()
        )

    def _invoked(self) -> list[str]:
        return [self.endpoint.ref]

    def _variant_part(self, name: str, instance_types: Sequence[str] = ()) -> EndpointPart:
        return EndpointPart(
            kind="variant", endpoint_name=self.endpoint_name, name=name, instance_types=tuple(instance_types)
        )

    def _create(
        self,
        variants: Sequence[sagemaker.CfnEndpointConfig.ProductionVariantProperty],
        instances: Sequence[InstanceType],
        *,
        metrics_seconds: int | None = None,
        **others: Any,
    ) -> None:
        """Creates configuration and endpoint.

        instances: every type that occurs; none of a serverless endpoint.
        metrics_seconds: omitted: SageMaker publishes its metrics as it does by itself.
        others: further properties of the configuration.
        """
        self.endpoint_config = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            kms_key_id=volume_key(self._surroundings.key, instances),
            production_variants=list(variants),
            metrics_config=sagemaker.CfnEndpointConfig.MetricsConfigProperty(
                # Else the frequency holds for utilisation only, and invocations come each minute.
                enable_enhanced_metrics=metrics_seconds < _MINUTE,
                metric_publish_frequency_in_seconds=metrics_seconds,
            )
            if metrics_seconds
            else None,
            **others,
        )
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=self.endpoint_name,
            endpoint_config_name=self.endpoint_config.attr_endpoint_config_name,
            # Otherwise each update sets the number of instances back to the initial one, at any load.
            retain_all_variant_properties=True,
            # What the settings say, an update brings: weights, and what is captured.
            exclude_retained_variant_properties=[
                sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type=name)
                for name in ("DesiredWeight", "DataCaptureConfig")
            ],
        )
        self._acknowledge(instances)

    def _finish(self, alarms: list[cloudwatch.Alarm]) -> None:
        """After everything else that belongs to the endpoint."""
        self.alarms = alarms
        tell(self._surroundings.alarm_topic, alarms)
        if self._surroundings.exists:
            for each in self.node.find_all():
                if isinstance(each, CfnResource) and not isinstance(each, _ALWAYS):
                    each.cfn_options.condition = self._surroundings.exists

    def _acknowledge(self, instances: Sequence[InstanceType]) -> None:
        """At one place, since both are asked of every endpoint."""
        without_key = list(dict.fromkeys(each.name for each in instances if not each.takes_volume_key))
        local_storage = (
            f" {', '.join(without_key)} has local NVMe, which its hardware encrypts with a key of its own; SageMaker "
            "refuses a KMS key for it. Types without it get this environment's key (control 40)."
        )
        acknowledge(
            self,
            _WAY_OF_IMAGES + (local_storage if without_key else ""),
            "HfSageMaker::Control-42",
            *(_VOLUME_KEY if without_key else ()),
        )
        if instances and not self._surroundings.isolated:
            acknowledge(self, NOT_ISOLATED, "HfSageMaker::Control-38")


_MINUTE = 60
