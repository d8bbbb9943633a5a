"""One endpoint: its failure rolls back nothing else, and the next one changes no other stack."""

from collections.abc import Mapping

from aws_cdk import Duration, Stack
from constructs import Construct

from hf_sagemaker.approved_model import ApprovedModel
from hf_sagemaker.built_image import BuiltImage
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint import HuggingFaceEndpoint
from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.native_scaling import EndpointScaling
from hf_sagemaker.placement import Network
from hf_sagemaker.prepared_models import PreparedModel
from stacks.container_settings import container_environment
from stacks.contract import approved_parameter, followers, publish
from stacks.data_stack import DataStack
from stacks.endpoint_settings import EndpointSettings, words
from stacks.inference_stack import InferenceStack
from stacks.model_settings import ModelSettings
from stacks.settings import EnvironmentSettings


class EndpointStack(Stack):
    """Offers `endpoint`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: EnvironmentSettings,
        endpoint: EndpointSettings,
        network: Network,
        data: DataStack,
        images: Mapping[str, ImageByDigest],
        inference: InferenceStack,
    ) -> None:
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self._environment, self._settings, self._data, self._images = environment, settings, data, images
        self._inference, self._network = inference, network
        # What serving may read lies there, as does the function that looks for approvals once this stack is there.
        self.add_stack_dependency(inference)
        model = endpoint.model
        assert model is not None, "an endpoint without a model has no stack"
        self._approved = {name: self._approved_model(name) for name in endpoint.followed_job_types}
        self.endpoint = self._endpoint(f"{environment}-{endpoint.name}", endpoint, model)
        publish(
            self,
            environment,
            {
                f"inference/{endpoint.name}/endpoint-name": f"{environment}-{endpoint.name}",
                f"inference/{endpoint.name}/image": endpoint.image,
                f"inference/{endpoint.name}/model": _described(model),
                **{f"{followers(name)}/{endpoint.name}": self.stack_name for name in self._approved},
            },
        )

    def _approved_model(self, job_type: str) -> ApprovedModel:
        return ApprovedModel(
            self,
            f"{words(job_type)}Approved",
            job_type=job_type,
            group=f"{self._environment}-{job_type}",
            version_parameter=approved_parameter(self._environment, job_type),
        )

    def _endpoint(self, name: str, endpoint: EndpointSettings, model: ModelSettings) -> HuggingFaceEndpoint:
        source, image = self._source(model), self._settings.described(endpoint.image)
        if not model.is_registered:
            source, image = self._prepared(source, model, endpoint.image)
        return HuggingFaceEndpoint(
            self,
            "Endpoint",
            endpoint_name=name,
            model=source,
            task=model.task,
            role=self._data.roles.serving,
            placement=self._network.endpoints,
            key=self._data.keys.models,
            isolated=self._settings.isolation,
            instance_type=endpoint.instance_type,
            # What a registered model runs in, its package says: here it is only compatible with the host.
            image=image,
            environment=container_environment(image, endpoint.environment),
            scale=EndpointScaling(
                minimum=endpoint.min_instances,
                maximum=endpoint.max_instances,
                concurrent_requests=endpoint.concurrent_requests_per_instance,
            ),
            alarm_topic=self._inference.alarm_topic,
            latency_alarm=Duration.millis(endpoint.latency_alarm_ms),
            exists=self._approved[model.approved].exists if model.approved else None,
        )

    def _source(self, model: ModelSettings) -> ModelSource:
        if model.approved:
            return self._approved[model.approved].source
        if model.model_package:
            return ModelSource.from_registry(model.model_package)
        buckets, keys = self._data.buckets, self._data.keys
        if model.hub:
            return ModelSource.from_hub(*model.hub_model, bucket=buckets.models, bucket_key=keys.models)
        name, key = model.place
        if name is None:
            return ModelSource.from_s3(buckets.models, key, bucket_key=keys.models)
        bucket, bucket_key = next(each for each in buckets.read_only if each[0].bucket_name == name)
        return ModelSource.from_s3(bucket, key, bucket_key=bucket_key)

    def _prepared(
        self, source: ModelSource, model: ModelSettings, image_name: str
    ) -> tuple[ModelSource, ContainerImage]:
        """The model as it can be served, and its image as a build has left it when this is deployed."""
        function = self._inference.model_preparation
        assert function is not None, "an environment that prepares models has the function for it"
        built = BuiltImage(
            self,
            f"{words(image_name)}Image",
            image=self._settings.described(image_name),
            repository_uri=self._images[image_name].repository_uri,
            digest_parameter=self._images[image_name].parameter_name,
        )
        prepared = PreparedModel(
            self,
            "PreparedModel",
            source=source,
            image=built,
            bucket=self._data.buckets.models,
            function=function,
            code=model.code,
        )
        return prepared.source, built.image


def _described(model: ModelSettings) -> str:
    """What operators are told of where a model comes from."""
    if model.approved:
        return f"approved {model.approved}"
    source = model.model_package or (f"hub/{model.hub}" if model.hub else str(model.s3))
    return f"{source} with {model.code.name}/" if model.code else source
