"""Serverless: no instances, no GPU, and no network of ours."""

from aws_cdk import Duration
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from hf_sagemaker import compatibility
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint_alarms import PartAlarms
from hf_sagemaker.endpoint_model import EndpointSurroundings, ServedModel
from hf_sagemaker.instance_types import InstanceType
from hf_sagemaker.production_variant import VARIANT
from hf_sagemaker.sagemaker_endpoint import SageMakerEndpoint

SERVERLESS = InstanceType(name="serverless")
"""What images and variables are checked against: x86, without a device."""
_OUTSIDE = (
    "Serverless inference knows no VPC and no isolation: SageMaker refuses both. The endpoint's settings say so "
    "(serverless.outside_network: true). Its container gets a role of its own that reads models and writes logs, and "
    "no request but by InvokeEndpoint."
)


class ServerlessEndpoint(SageMakerEndpoint):
    """Model, endpoint configuration, endpoint and alarms.

    SageMaker brings containers with the requests, and takes them away; the first one after a pause waits.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        model: ServedModel,
        surroundings: EndpointSurroundings,
        memory_mb: int = 4096,
        max_concurrency: int = 5,
        provisioned_concurrency: int | None = None,
        latency_alarm: Duration | None = None,
    ) -> None:
        """Creates the endpoint. Of the surroundings, placement and isolation do not count.

        memory_mb: of a container: 1024 to 6144 in steps of 1024; processors come with it.
        max_concurrency: requests at the same time, 1 to 200; further ones are refused.
        provisioned_concurrency: containers that are kept ready, at most max_concurrency. Omitted: none.
        latency_alarm: limit of the 99th percentile of model latency. Omitted: one second.

        Raises IncompatibleError when the image needs a GPU, or a variable cannot be what it is; ValueError when a
        model from S3 or the mirror has no image.
        """
        super().__init__(scope, construct_id, endpoint_name=endpoint_name, mode="serverless", surroundings=surroundings)
        if model.image:
            compatibility.refuse(("the image", serverless_image_problem(model.image)))
        # The model is brought, and its container shall not fetch another one though it could.
        model.refuse_problems(isolated=True)
        created = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=surroundings.role.role_arn,
            primary_container=model.container,
        )
        created.node.add_dependency(surroundings.role)
        acknowledge(created, _OUTSIDE, "HfSageMaker::Control-38", "HfSageMaker::Control-39")
        variant = sagemaker.CfnEndpointConfig.ProductionVariantProperty(
            variant_name=VARIANT,
            model_name=created.attr_model_name,
            initial_variant_weight=1,
            serverless_config=sagemaker.CfnEndpointConfig.ServerlessConfigProperty(
                memory_size_in_mb=memory_mb,
                max_concurrency=max_concurrency,
                provisioned_concurrency=provisioned_concurrency,
            ),
        )
        self._create([variant], [])
        self.parts = [self._variant_part(VARIANT)]
        limit = latency_alarm or Duration.seconds(1)
        self._finish(PartAlarms(part=self.parts[0], image=model.image, latency=limit).create(self))


def serverless_image_problem(image: ContainerImage) -> str | None:
    """An image that is not built for a plain x86 processor."""
    if image.processor == "cpu" and image.architecture == "x86_64":
        return None
    return (
        f"must be a CPU image for x86_64: serverless has no GPU and no other device, and {image.name!r} is the "
        f"{image.processor.upper()} build for {image.architecture}"
    )
