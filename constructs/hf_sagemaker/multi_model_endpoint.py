"""Multi-model: one container that loads models of a prefix when they are asked for."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from hf_sagemaker import compatibility
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint_alarms import PartAlarms
from hf_sagemaker.endpoint_model import EndpointSurroundings, ServedModel, local_environment
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.production_variant import VARIANT, VariantInstances
from hf_sagemaker.real_time_endpoint import METRICS_SECONDS
from hf_sagemaker.sagemaker_endpoint import SageMakerEndpoint


class MultiModelEndpoint(SageMakerEndpoint):
    """Model, endpoint configuration, endpoint and alarms.

    A request names its archive below the prefix (TargetModel); one that was not there at the deployment is served too.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        bucket: s3.IBucket,
        prefix: str,
        image: ContainerImage,
        instances: VariantInstances,
        surroundings: EndpointSurroundings,
        task: str | None = None,
        environment: Mapping[str, str] | None = None,
        cache: bool = True,
        metrics_seconds: int | None = METRICS_SECONDS,
        latency_alarm: Duration | None = None,
    ) -> None:
        """Creates the endpoint.

        bucket, prefix: where the archives lie; the prefix ends in a slash. image: with the stock server.
        task, environment: of the container, see ServedModel; the same for every model.
        cache: models stay in memory and on the volume until there is no room. Omitted: they do.
        metrics_seconds, latency_alarm: as RealTimeEndpoint takes them. A first request waits for its model.

        Raises UnknownInstanceTypeError, and IncompatibleError with all reasons why the image cannot run there or cannot
        serve many models; ValueError for a prefix that does not end in a slash.
        """
        super().__init__(
            scope, construct_id, endpoint_name=endpoint_name, mode="multi-model", surroundings=surroundings
        )
        if not prefix.endswith("/"):
            raise ValueError(f"{prefix!r} is no prefix, which ends in a slash.")
        source = ModelSource.from_s3(bucket, prefix)
        served = ServedModel(source=source, image=image, task=task, environment=environment or {})
        compatibility.refuse(("the image", multi_model_problem(image)))
        instances.refuse_problems(served, isolated=surroundings.isolated)
        container = sagemaker.CfnModel.ContainerDefinitionProperty(
            image=image.uri,
            mode="MultiModel",
            model_data_url=bucket.s3_url_for_object(prefix),
            multi_model_config=sagemaker.CfnModel.MultiModelConfigProperty(
                model_cache_setting="Enabled" if cache else "Disabled"
            ),
            environment=local_environment(task, served.environment),
        )
        model = surroundings.model(self, "Model", container)
        self._create(
            [instances.variant(VARIANT, model=model, image=image)], instances.known, metrics_seconds=metrics_seconds
        )
        self.parts = [self._variant_part(VARIANT, instances.types)]
        limit = latency_alarm or Duration.seconds(1)
        self._finish(PartAlarms(part=self.parts[0], image=image, latency=limit).create(self))


def multi_model_problem(image: ContainerImage) -> str | None:
    """An image whose server serves one model only."""
    if image.product == "inference" and (image.serving is None or image.serving.server == "toolkit"):
        return None
    return (
        f"must be an inference image with the stock server (`serving: {{server: toolkit}}`): {image.name!r} starts a "
        "server that serves one model"
    )
