"""Instances behind an endpoint: their types, how many, and how long they may take to start."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker

from hf_sagemaker import compatibility
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint_model import ServedModel
from hf_sagemaker.instance_types import InstanceType, instance_type

VARIANT = "AllTraffic"
"""Name of the only production variant. It stays the same, so that updates shift traffic instead of failing."""
_STARTUP_SECONDS = 600
_Variant = sagemaker.CfnEndpointConfig.ProductionVariantProperty


@dataclass(frozen=True, kw_only=True)
class VariantInstances:
    """What a production variant runs on.

    types: SageMaker's names. One; or up to five, tried in this order where there is no capacity for an earlier one.
    minimum, maximum: how many. The endpoint begins with the minimum, or with one where that is zero.
    startup_seconds: until the container is healthy. Omitted: ten minutes.
    model_download_seconds: until the model is on the instance. Omitted: SageMaker's default.
    provisioning_seconds: until there are instances, of whichever type. Omitted: SageMaker's default.
    volume_gb: of the storage volume, where the types have one. Omitted: SageMaker's default.
    inference_ami_version: host image whose driver runs the container's CUDA. Omitted: the one that fits the image.
    capacity_reservation_arn: of an ML capacity reservation, outside of which no instance is taken. Omitted: on demand.

    Raises ValueError for zero or more than five types, and for a reservation with several.
    """

    types: Sequence[str] = ("ml.g4dn.xlarge",)
    minimum: int = 1
    maximum: int = 2
    startup_seconds: int | None = None
    model_download_seconds: int | None = None
    provisioning_seconds: int | None = None
    volume_gb: int | None = None
    inference_ami_version: str | None = None
    capacity_reservation_arn: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.types) <= 5:
            raise ValueError(f"{len(self.types)} instance types: a variant has one to five.")
        if self.capacity_reservation_arn and len(self.types) > 1:
            raise ValueError("A capacity reservation is of one instance type: give no others.")

    @property
    def known(self) -> list[InstanceType]:
        """The types. Raises UnknownInstanceTypeError when SageMaker hosting has no such type."""
        return [instance_type(name, "hosting") for name in self.types]

    @property
    def initial(self) -> int:
        """How many the endpoint begins with: SageMaker creates none with zero."""
        return max(1, self.minimum)

    def ami(self, image: ContainerImage | None) -> str | None:
        """The host image. Raises IncompatibleError where no driver of SageMaker's runs the image."""
        if image is None or self.inference_ami_version:
            return self.inference_ami_version
        return compatibility.inference_ami_version(image)

    def refuse_problems(self, model: ServedModel, *, isolated: bool) -> None:
        """Raises IncompatibleError with all reasons why the model's container cannot run here."""
        version = self.ami(model.image)
        problem = compatibility.inference_ami_problem(model.image, version) if model.image and version else None
        model.refuse_problems(*self.known, isolated=isolated, further=[(f"host image {version}", problem)])

    def variant(
        self,
        name: str,
        *,
        model: sagemaker.CfnModel | None,
        image: ContainerImage | None,
        weight: float = 1,
        routing: str | None = None,
        managed_scaling: bool = False,
    ) -> _Variant:
        """The production variant.

        model: None: inference components bring theirs, and with them the time-outs of starting.
        routing: SageMaker's name of a strategy. Omitted: its default.
        managed_scaling: SageMaker follows the components' copies with instances, between minimum and maximum.
        """
        properties = sagemaker.CfnEndpointConfig
        several = len(self.types) > 1
        return _Variant(
            variant_name=name,
            model_name=model.attr_model_name if model else None,
            instance_type=None if several else self.types[0],
            instance_pools=[
                properties.InstancePoolProperty(instance_type=each, priority=i + 1) for i, each in enumerate(self.types)
            ]
            if several
            else None,
            initial_instance_count=self.initial,
            initial_variant_weight=weight if model else None,
            inference_ami_version=self.ami(image),
            container_startup_health_check_timeout_in_seconds=(self.startup_seconds or _STARTUP_SECONDS)
            if model
            else None,
            model_data_download_timeout_in_seconds=self.model_download_seconds if model else None,
            variant_instance_provision_timeout_in_seconds=self.provisioning_seconds,
            volume_size_in_gb=self.volume_gb,
            routing_config=properties.RoutingConfigProperty(routing_strategy=routing) if routing else None,
            managed_instance_scaling=properties.ManagedInstanceScalingProperty(
                status="ENABLED", min_instance_count=self.minimum, max_instance_count=self.maximum
            )
            if managed_scaling
            else None,
            capacity_reservation_config=properties.CapacityReservationConfigProperty(
                capacity_reservation_preference="capacity-reservations-only",
                ml_reservation_arn=self.capacity_reservation_arn,
            )
            if self.capacity_reservation_arn
            else None,
        )

    def startup_parameters(self) -> sagemaker.CfnInferenceComponent.InferenceComponentStartupParametersProperty:
        """The time-outs of starting, as an inference component takes them."""
        return sagemaker.CfnInferenceComponent.InferenceComponentStartupParametersProperty(
            container_startup_health_check_timeout_in_seconds=self.startup_seconds or _STARTUP_SECONDS,
            model_data_download_timeout_in_seconds=self.model_download_seconds,
        )


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One of the models of an endpoint, with instances of its own.

    name: of the variant, unique in the endpoint; a changed name is another variant.
    weight: its share of the requests, against the sum of all. Of a shadow: against the production variant's.
    """

    name: str = VARIANT
    model: ServedModel
    instances: VariantInstances
    weight: float = 1


def volume_key(key: kms.IKey, instances: Sequence[InstanceType]) -> str | None:
    """ARN of the key for the volumes of one endpoint configuration. None: SageMaker refuses one for these types.

    Raises ValueError where one type takes a key and another refuses it: a configuration has one key or none.
    """
    takes = {each.takes_volume_key for each in instances}
    if len(takes) > 1:
        without = ", ".join(each.name for each in instances if not each.takes_volume_key)
        raise ValueError(f"{without} refuse the volume key that the others need: take types that all do, or none.")
    return key.key_arn if takes == {True} or not takes else None
