"""A real-time endpoint that serves one Hugging Face model, and is watched."""

from collections.abc import Mapping

from aws_cdk import CfnCondition, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint_model import EndpointSurroundings, ServedModel
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.placement import Placement
from hf_sagemaker.production_variant import Variant, VariantInstances
from hf_sagemaker.real_time_endpoint import RealTimeEndpoint


class HuggingFaceEndpoint(RealTimeEndpoint):
    """The usual endpoint: one model in real time. EndpointSafety, put on it, scales it and guards its updates."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        model: ModelSource,
        role: iam.IRole,
        placement: Placement,
        key: kms.IKey,
        instance_type: str = "ml.g4dn.xlarge",
        image: ContainerImage | None = None,
        task: str | None = None,
        inference_ami_version: str | None = None,
        environment: Mapping[str, str] | None = None,
        isolated: bool = True,
        instance_count: int = 1,
        alarm_topic: sns.ITopic | None = None,
        latency_alarm: Duration | None = None,
        exists: CfnCondition | None = None,
    ) -> None:
        """Creates the endpoint.

        model, image, task, environment: see ServedModel. instance_type, inference_ami_version: see VariantInstances.
        role, placement, key, isolated, alarm_topic, exists: see EndpointSurroundings.
        instance_count: instances that it begins with. Omitted: one.
        latency_alarm: limit of the 99th percentile of model latency. Omitted: one second.

        Raises what RealTimeEndpoint does.
        """
        served = ServedModel(source=model, image=image, task=task, environment=environment or {})
        instances = VariantInstances(
            types=[instance_type],
            minimum=instance_count,
            maximum=instance_count,
            inference_ami_version=inference_ami_version,
        )
        super().__init__(
            scope,
            construct_id,
            endpoint_name=endpoint_name,
            variants=[Variant(model=served, instances=instances)],
            surroundings=EndpointSurroundings(
                role=role,
                placement=placement,
                key=key,
                isolated=isolated,
                alarm_topic=alarm_topic,
                exists=exists,
            ),
            latency_alarm=latency_alarm,
        )
