"""Everything that is around an endpoint's update: what watches it, what makes it possible, what asks afterwards."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import CfnResource
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct, IConstruct

from hf_sagemaker.endpoint_alarms import rollback_names
from hf_sagemaker.endpoint_scaling import ScaledEndpoint, ScalingFunction
from hf_sagemaker.sagemaker_endpoint import SageMakerEndpoint
from hf_sagemaker.scaling_policies import EndpointScaling
from hf_sagemaker.smoke_request import RequestExample, SmokeFunction, SmokeRequest
from hf_sagemaker.update_safety import UpdateSafety


class EndpointSafety(Construct):
    """Put on an endpoint that is complete.

    scaled, smoke: what it made. deployment: the endpoint's DeploymentConfig; None where it has none. The order of a
    deployment is: pause, endpoint, components, declaration, registration, request. Of a deletion it is the reverse.
    """

    def __init__(
        self,
        endpoint: SageMakerEndpoint,
        construct_id: str,
        *,
        scaling_function: ScalingFunction,
        smoke_function: SmokeFunction,
        update: UpdateSafety,
        scaling: Mapping[str, EndpointScaling] | None = None,
        example: RequestExample | None = None,
        components: Sequence[CfnResource] = (),
        before: Sequence[IConstruct] = (),
        again_with: Sequence[str] = (),
        target_model: str | None = None,
        asynchronous: tuple[s3.IBucket, str] | None = None,
    ) -> None:
        """Puts it around the endpoint.

        update: how it takes traffic over. Its alarms are the endpoint's.
        scaling: by the name of its part. Omitted: none of them scales.
        example: see SmokeRequest, as again_with, target_model and asynchronous. Omitted: it is not asked.
        components: its inference components. before: what has to be done before the pause, such as the start of an
            endpoint that was stopped.

        Raises ValueError with all problems of the update and of the scaling.
        """
        super().__init__(endpoint, construct_id)
        parts = endpoint.parts
        types = list(dict.fromkeys(name for part in parts for name in part.instance_types))
        variants = sum(part.kind == "variant" for part in parts)
        has_shadow = bool(endpoint.endpoint_config.shadow_production_variants)
        found = update.problems(endpoint.mode, variants=variants, has_shadow=has_shadow, instance_types=types)
        if found:
            problems = "; ".join(f"{field} {problem}" for field, problem in found)
            raise ValueError(f"{endpoint.endpoint_name}: {problems}")
        self.deployment = _put(update, endpoint, components)
        self.scaled = ScaledEndpoint(
            self,
            "Scaling",
            function=scaling_function,
            endpoint_name=endpoint.endpoint_name,
            mode=endpoint.mode,
            parts=[(part, scaling[part.name]) for part in parts if scaling and part.name in scaling],
        )
        keeps_names = update.is_guarded and endpoint.mode != "components"
        self.scaled.guard(endpoint.endpoint, *components, strategy=update.strategy if keeps_names else None)
        for each in before:
            self.scaled.pause.node.add_dependency(each)
        self.smoke = SmokeRequest(
            self,
            "Smoke",
            function=smoke_function,
            endpoint=endpoint.endpoint,
            endpoint_name=endpoint.endpoint_name,
            mode=endpoint.mode,
            parts=parts,
            example=example,
            after=[self.scaled, *components],
            again_with=again_with,
            target_model=target_model,
            asynchronous=asynchronous,
        )
        if condition := endpoint.endpoint.cfn_options.condition:
            for each in self.node.find_all():
                # The declaration is there before: who deploys an approval may change no parameter.
                if isinstance(each, CfnResource) and not isinstance(each, ssm.CfnParameter):
                    each.cfn_options.condition = condition


def _put(
    update: UpdateSafety, endpoint: SageMakerEndpoint, components: Sequence[CfnResource]
) -> Mapping[str, Any] | None:
    """On what has the traffic: the components, or else the endpoint's variants. Answers what the endpoint has got."""
    alarms, kinds = endpoint.alarms, update.rollback_alarms
    for each in components:
        names = rollback_names(alarms, kinds, each.node.id.removesuffix("Component"))
        if config := update.component_deployment_config(names):
            each.add_property_override("DeploymentConfig", config)
    if endpoint.mode == "components":
        return None
    if config := update.deployment_config(rollback_names(alarms, kinds)):
        endpoint.endpoint.add_property_override("DeploymentConfig", config)
    return config
