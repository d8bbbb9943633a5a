"""Scaling of a real-time variant by CloudFormation's own resources."""

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_applicationautoscaling as scaling
from constructs import Construct

from hf_sagemaker.endpoint_parts import EndpointPart


@dataclass(frozen=True, kw_only=True)
class EndpointScaling:
    """How many instances, and what moves the number.

    minimum, maximum: instances.
    concurrent_requests: target of requests in flight per instance, from the 10-second concurrency metric.
    scale_out_cooldown, scale_in_cooldown: omitted: one minute out, five minutes in: a model takes minutes to load.
    """

    minimum: int = 1
    maximum: int = 2
    concurrent_requests: float = 5.0
    scale_out_cooldown: Duration | None = None
    scale_in_cooldown: Duration | None = None


def scale_variant(
    scope: Construct, part: EndpointPart, endpoint_name: str, scale: EndpointScaling, prefix: str
) -> None:
    """Registers the variant.

    endpoint_name: a reference to the endpoint, so that this comes after it and goes before it.
    prefix: of the constructs' ids.
    """
    # The L2 ScalableTarget would add a role that SageMaker ignores: it uses its service-linked one.
    target = scaling.CfnScalableTarget(
        scope,
        f"{prefix}ScalableTarget",
        service_namespace="sagemaker",
        scalable_dimension="sagemaker:variant:DesiredInstanceCount",
        resource_id=f"endpoint/{endpoint_name}/variant/{part.name}",
        min_capacity=scale.minimum,
        max_capacity=scale.maximum,
    )
    scaling.CfnScalingPolicy(
        scope,
        f"{prefix}ScalingPolicy",
        policy_name="ConcurrentRequests",
        policy_type="TargetTrackingScaling",
        scaling_target_id=target.ref,
        target_tracking_scaling_policy_configuration=scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
            target_value=scale.concurrent_requests,
            predefined_metric_specification=scaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
                predefined_metric_type="SageMakerVariantConcurrentRequestsPerModelHighResolution"
            ),
            scale_out_cooldown=(scale.scale_out_cooldown or Duration.minutes(1)).to_seconds(),
            scale_in_cooldown=(scale.scale_in_cooldown or Duration.minutes(5)).to_seconds(),
        ),
    )
