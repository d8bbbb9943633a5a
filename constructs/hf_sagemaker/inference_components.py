"""Inference components: several models on the same instances, each with copies of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from hf_sagemaker.endpoint_alarms import PartAlarms
from hf_sagemaker.endpoint_model import EndpointSurroundings, ServedModel
from hf_sagemaker.endpoint_parts import EndpointPart
from hf_sagemaker.place import place_of
from hf_sagemaker.production_variant import VARIANT, VariantInstances
from hf_sagemaker.real_time_endpoint import LEAST_OUTSTANDING, METRICS_SECONDS
from hf_sagemaker.sagemaker_endpoint import SageMakerEndpoint

_UPDATE_WAIT_SECONDS = 120
_Part = sagemaker.CfnInferenceComponent


@dataclass(frozen=True, kw_only=True)
class Component:
    """A model with copies of its own on shared instances.

    name: unique in the endpoint; the endpoint's name before it makes it unique in the account.
    copies: that it begins with; scaling moves them afterwards.
    memory_mb: of the instance, that a copy is given. accelerators, cpus: devices and processors of it. Omitted: none
        are kept for a copy.
    """

    name: str
    model: ServedModel
    copies: int = 1
    memory_mb: int
    accelerators: int | None = None
    cpus: float | None = None


class InferenceComponentsEndpoint(SageMakerEndpoint):
    """Endpoint configuration without a model, endpoint, and a model and an inference component for each component.

    components, models: the resources, by the components' short names. parts: in the order of the components.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        components: Sequence[Component],
        instances: VariantInstances,
        surroundings: EndpointSurroundings,
        routing: str = LEAST_OUTSTANDING,
        metrics_seconds: int | None = METRICS_SECONDS,
        latency_alarm: Duration | None = None,
    ) -> None:
        """Creates the endpoint.

        instances: shared by all; SageMaker moves their number between minimum, which may be 0, and maximum, as copies
            need room. One type.
        routing, metrics_seconds, latency_alarm: as RealTimeEndpoint takes them; the alarms are those of each component.

        Raises UnknownInstanceTypeError and IncompatibleError as RealTimeEndpoint does. Raises ValueError when a model
        from S3 or the mirror has no image, when names repeat, when the images need different host images, and for
        several instance types.
        """
        super().__init__(scope, construct_id, endpoint_name=endpoint_name, mode="components", surroundings=surroundings)
        names = [each.name for each in components]
        if len(set(names)) < len(names):
            raise ValueError(f"{', '.join(names)}: the names of components must differ.")
        if len(instances.types) > 1:
            raise ValueError("Components on several instance types need compute requirements for each: give one type.")
        for each in components:
            instances.refuse_problems(each.model, isolated=surroundings.isolated)
        hosts = {instances.ami(each.model.image): each.model.image for each in components}
        if len(hosts) > 1:
            raise ValueError(
                f"The components need the host images {', '.join(sorted(str(each) for each in hosts))}, and an "
                "instance has one: name one that fits all (inference_ami_version), or part the components."
            )
        self._create(
            [
                instances.variant(
                    VARIANT, model=None, image=next(iter(hosts.values())), routing=routing, managed_scaling=True
                )
            ],
            instances.known,
            metrics_seconds=metrics_seconds,
            execution_role_arn=surroundings.role.role_arn,
            enable_network_isolation=surroundings.isolated,
            vpc_config=sagemaker.CfnEndpointConfig.VpcConfigProperty(
                subnets=surroundings.placement.subnet_ids, security_group_ids=surroundings.placement.security_group_ids
            ),
        )
        self.endpoint_config.node.add_dependency(surroundings.role)
        alarms: list[cloudwatch.Alarm] = []
        self.components: dict[str, sagemaker.CfnInferenceComponent] = {}
        self.models: dict[str, sagemaker.CfnModel] = {}
        parts = []
        for each in components:
            words = "".join(word.capitalize() for word in each.name.split("-"))
            part = EndpointPart(
                kind="component",
                endpoint_name=endpoint_name,
                name=f"{endpoint_name}-{each.name}",
                instance_types=tuple(instances.types),
            )
            limit = latency_alarm or Duration.seconds(1)
            watching = PartAlarms(part=part, image=each.model.image, latency=limit, prefix=words).create(self)
            self.components[each.name] = self._component(words, part, each, instances, watching)
            parts.append(part)
            alarms += watching
        self.parts = parts
        self._finish(alarms)

    def _invoked(self) -> list[str]:
        place = place_of(self)
        return [
            self.endpoint.ref,
            *(place.arn("sagemaker", f"inference-component/{part.name}") for part in self.parts),
        ]

    def _component(
        self,
        words: str,
        part: EndpointPart,
        component: Component,
        instances: VariantInstances,
        alarms: Sequence[cloudwatch.Alarm],
    ) -> sagemaker.CfnInferenceComponent:
        self.models[component.name] = model = self._surroundings.model(self, f"{words}Model", component.model.container)
        one = _Part.InferenceComponentCapacitySizeProperty(type="COPY_COUNT", value=1)
        return sagemaker.CfnInferenceComponent(
            self,
            f"{words}Component",
            inference_component_name=part.name,
            endpoint_name=self.endpoint.attr_endpoint_name,
            variant_name=VARIANT,
            specification=_Part.InferenceComponentSpecificationProperty(
                model_name=model.attr_model_name,
                compute_resource_requirements=_Part.InferenceComponentComputeResourceRequirementsProperty(
                    min_memory_required_in_mb=component.memory_mb,
                    number_of_accelerator_devices_required=component.accelerators,
                    number_of_cpu_cores_required=component.cpus,
                ),
                startup_parameters=instances.startup_parameters(),
            ),
            runtime_config=_Part.InferenceComponentRuntimeConfigProperty(copy_count=max(1, component.copies)),
            deployment_config=_Part.InferenceComponentDeploymentConfigProperty(
                rolling_update_policy=_Part.InferenceComponentRollingUpdatePolicyProperty(
                    maximum_batch_size=one, wait_interval_in_seconds=_UPDATE_WAIT_SECONDS
                ),
                auto_rollback_configuration=_Part.AutoRollbackConfigurationProperty(
                    alarms=[_Part.AlarmProperty(alarm_name=each.alarm_name) for each in alarms]
                ),
            ),
        )
