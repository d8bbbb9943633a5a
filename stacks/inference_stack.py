"""Inference: the endpoints whose settings name a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.alarms import let_alarms_publish
from hf_sagemaker.approved_model import ApprovedModel
from hf_sagemaker.built_image import BuiltImage
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint import EndpointScaling, HuggingFaceEndpoint
from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.model_deployment import FollowedJobType, ModelDeployment
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.placement import Network
from hf_sagemaker.prepared_models import PREPARED_TYPE, ModelToPrepare, PreparedModels
from stacks.container_settings import container_environment
from stacks.contract import approved_parameter, parameter_path, publish
from stacks.data_stack import DataStack
from stacks.model_settings import ModelSettings
from stacks.settings import EndpointSettings, EnvironmentSettings

FUNCTIONS = Path(__file__).parent.parent / "lambda"


class InferenceStack(Stack):
    """Offers `endpoints`, by name, and `alarm_topic`, which every alarm of theirs tells."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: EnvironmentSettings,
        network: Network,
        data: DataStack,
        images: Mapping[str, ImageByDigest],
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self._environment, self._settings, self._data, self._images = environment, settings, data, images
        self._removal_policy = removal_policy
        self.alarm_topic = sns.Topic(self, "AlarmTopic", master_key=data.keys.operations, enforce_ssl=True)
        let_alarms_publish(self.alarm_topic)
        served = [(endpoint, endpoint.model) for endpoint in settings.inference.endpoints if endpoint.model]
        built = self._built_images([endpoint.image for endpoint, model in served if not model.is_registered])
        self._approved = {name: self._approved_model(name) for name in settings.followed_job_types}
        sources = self._sources(served, built)
        self.endpoints: dict[str, HuggingFaceEndpoint] = {}
        for endpoint, model in served:
            name = f"{environment}-{endpoint.name}"
            # What a registered model runs in, its package says: here it is only compatible with the host.
            image = settings.described(endpoint.image) if model.is_registered else built[endpoint.image].image
            self.endpoints[endpoint.name] = self._endpoint(
                name, endpoint, model, sources[endpoint.name], image, network
            )
            publish(
                self,
                environment,
                {
                    f"inference/{endpoint.name}/endpoint-name": name,
                    f"inference/{endpoint.name}/image": endpoint.image,
                    f"inference/{endpoint.name}/model": _described(model),
                },
            )

        if self._approved:
            self._deploy_approved(prepares=bool(built))

    def _approved_model(self, job_type: str) -> ApprovedModel:
        return ApprovedModel(
            self,
            f"{_words(job_type)}Approved",
            job_type=job_type,
            group=f"{self._environment}-{job_type}",
            version_parameter=approved_parameter(self._environment, job_type),
        )

    def _deploy_approved(self, *, prepares: bool) -> None:
        """prepares: the stack also has models of other origins, whose preparation follows the images."""
        ModelDeployment(
            self,
            "ModelDeployment",
            followed=[
                FollowedJobType(
                    job_type=name,
                    group=f"{self._environment}-{name}",
                    version_parameter=approved_parameter(self._environment, name),
                    model=model,
                )
                for name, model in self._approved.items()
            ],
            read_parameters=[
                parameter_path(self._environment, "images/*"),
                f"/cdk-bootstrap/{self.synthesizer.bootstrap_qualifier}/version",
            ],
            further_types=[PREPARED_TYPE] if prepares else [],
            keys=self._data.keys,
            topic=self.alarm_topic,
            function_root=FUNCTIONS,
            reserved_concurrency=self._settings.functions.reserved_concurrency,
            removal_policy=self._removal_policy,
        )

    def _built_images(self, names: Sequence[str]) -> dict[str, BuiltImage]:
        """By name: as a build has left them when this is deployed."""
        return {
            name: BuiltImage(
                self,
                f"{_words(name)}Image",
                image=self._settings.described(name),
                repository_uri=self._images[name].repository_uri,
                digest_parameter=self._images[name].parameter_name,
            )
            for name in dict.fromkeys(names)
        }

    def _sources(
        self, served: Sequence[tuple[EndpointSettings, ModelSettings]], built: Mapping[str, BuiltImage]
    ) -> dict[str, ModelSource]:
        """By endpoint. Those that come from S3 are prepared by a function, which is there only where one does."""
        sources = {endpoint.name: self._source(model) for endpoint, model in served}
        unregistered = [
            ModelToPrepare(
                name=endpoint.name, source=sources[endpoint.name], image=built[endpoint.image], code=model.code
            )
            for endpoint, model in served
            if not model.is_registered
        ]
        if not unregistered:
            return sources
        data, role = self._data, self._data.roles.packaging
        assert role is not None, "an environment that prepares models has the role for it"
        prepared = PreparedModels(
            self,
            "Models",
            models=unregistered,
            bucket=data.buckets.models,
            role=role,
            log_key=data.keys.logs,
            function_root=FUNCTIONS,
            reserved_concurrency=self._settings.functions.reserved_concurrency,
            removal_policy=self._removal_policy,
        )
        return sources | dict(prepared.sources)

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

    def _let_serving_read(self, construct_id: str, source: ModelSource) -> allow.DutyPolicy | None:
        """Lets endpoints read this one model where it is not in the models bucket. None: they may already."""
        if source.data is None or source.data.bucket is self._data.buckets.models:
            return None
        place = source.data
        return allow.DutyPolicy(
            self,
            construct_id,
            role=self._data.roles.serving,
            permissions=[
                allow.read_model(place.bucket, place.key),
                *([allow.decrypt_objects(place.key_of_bucket, place.bucket)] if place.key_of_bucket else []),
            ],
        )

    def _endpoint(
        self,
        endpoint_name: str,
        endpoint: EndpointSettings,
        model: ModelSettings,
        source: ModelSource,
        image: ContainerImage,
        network: Network,
    ) -> HuggingFaceEndpoint:
        access = self._let_serving_read(f"{_words(endpoint.name)}ModelAccess", source)
        made = HuggingFaceEndpoint(
            self,
            _words(endpoint.name),
            endpoint_name=endpoint_name,
            model=source,
            task=model.task,
            role=self._data.roles.serving,
            placement=network.endpoints,
            key=self._data.keys.models,
            isolated=self._settings.isolation,
            instance_type=endpoint.instance_type,
            image=image,
            environment=container_environment(image, endpoint.environment),
            scale=EndpointScaling(
                minimum=endpoint.min_instances,
                maximum=endpoint.max_instances,
                concurrent_requests=endpoint.concurrent_requests_per_instance,
            ),
            alarm_topic=self.alarm_topic,
            latency_alarm=Duration.millis(endpoint.latency_alarm_ms),
            exists=self._approved[model.approved].exists if model.approved else None,
        )
        if access:
            made.model.node.add_dependency(access)
        return made


def _described(model: ModelSettings) -> str:
    """What operators are told of where a model comes from."""
    if model.approved:
        return f"approved {model.approved}"
    source = model.model_package or (f"hub/{model.hub}" if model.hub else str(model.s3))
    return f"{source} with {model.code.name}/" if model.code else source


def _words(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))
