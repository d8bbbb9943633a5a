"""One endpoint: its failure rolls back nothing else, and the next one changes no other stack."""

from collections.abc import Mapping

from aws_cdk import CfnCondition, Duration, Fn, RemovalPolicy, Stack, Tags
from constructs import Construct

from hf_sagemaker.approved_model import ApprovedModel
from hf_sagemaker.asynchronous_endpoint import AsynchronousEndpoint
from hf_sagemaker.built_image import BuiltImage
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.cost_watch import ENDPOINT_TAG
from hf_sagemaker.endpoint_api import ApiLogging
from hf_sagemaker.endpoint_model import EndpointSurroundings, ServedModel
from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.inference_components import Component, InferenceComponentsEndpoint
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.multi_model_endpoint import MultiModelEndpoint
from hf_sagemaker.placement import Network
from hf_sagemaker.prepared_models import PreparedModel
from hf_sagemaker.production_variant import VARIANT, Variant, VariantInstances
from hf_sagemaker.real_time_endpoint import RealTimeEndpoint
from hf_sagemaker.sagemaker_endpoint import SageMakerEndpoint
from hf_sagemaker.serverless_endpoint import ServerlessEndpoint
from stacks.container_settings import container_environment
from stacks.contract import approved_parameter, asynchronous_prefix, followers, publish
from stacks.data_stack import DataStack
from stacks.endpoint_settings import SHADOW, EndpointSettings, Served, words
from stacks.endpoint_watch import EndpointWatch
from stacks.inference_stack import InferenceStack
from stacks.model_settings import ModelSettings
from stacks.safe_updates import make_safe
from stacks.settings import EnvironmentSettings


class EndpointStack(Stack):
    """Offers `endpoint`, of whichever mode."""

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
        api_logging: ApiLogging | None,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self._environment, self._settings, self._data, self._images = environment, settings, data, images
        self._inference, self._network, self._of = inference, network, endpoint
        # What serving may read lies there, as does the function that looks for approvals once this stack is there.
        self.add_stack_dependency(inference)
        self._name = f"{environment}-{endpoint.name}"
        self._built: dict[str, BuiltImage] = {}
        self._approved = {name: self._approved_model(name) for name in endpoint.followed_job_types}
        self._exists = self._condition()
        self._served = {each.name: self._served_model(each) for each in endpoint.served}
        self.endpoint = self._endpoint()
        self._watch(api_logging, removal_policy)
        # On each resource: cost reports are by this tag.
        Tags.of(self).add(ENDPOINT_TAG, endpoint.name)
        self._publish()

    def _endpoint(self) -> SageMakerEndpoint:
        match self._of.mode:
            case "real-time":
                return self._real_time()
            case "asynchronous":
                return self._asynchronous()
            case "serverless":
                return self._serverless()
            case "components":
                return self._components()
            case "multi-model":
                return self._multi_model()

    def _real_time(self) -> RealTimeEndpoint:
        of = self._of
        variants = [
            Variant(
                name=each.name,
                model=self._served[each.name],
                instances=self._instances(each.instance_type, each.min_instances, each.max_instances),
                weight=each.weight,
            )
            for each in of.variants
        ]
        shadow = None
        if of.shadow:
            shadow = Variant(
                name=SHADOW,
                model=self._served[SHADOW],
                instances=self._instances(of.shadow.instance_type, of.shadow.instances, of.shadow.instances),
                weight=of.shadow.weight,
            )
        return RealTimeEndpoint(
            self,
            "Endpoint",
            endpoint_name=self._name,
            variants=variants or [Variant(name=VARIANT, model=self._served[""], instances=self._instances())],
            shadow=shadow,
            surroundings=self._surroundings(),
            routing=_routing(of),
            metrics_seconds=of.metrics_seconds,
            latency_alarm=Duration.millis(of.latency_alarm_ms),
        )

    def _asynchronous(self) -> AsynchronousEndpoint:
        of, data = self._of, self._data
        return AsynchronousEndpoint(
            self,
            "Endpoint",
            endpoint_name=self._name,
            model=self._served[""],
            instances=self._instances(),
            surroundings=self._surroundings(),
            bucket=data.buckets.data,
            bucket_key=data.keys.data,
            prefix=f"{asynchronous_prefix(of.asynchronous.expires_days)}{of.name}/",
            topic_key=data.keys.operations,
            max_concurrent_requests_per_instance=of.asynchronous.max_concurrent_requests_per_instance,
            metrics_seconds=of.metrics_seconds,
            backlog_alarm=of.asynchronous.backlog_alarm,
        )

    def _serverless(self) -> ServerlessEndpoint:
        of, serverless = self._of, self._of.serverless
        assert serverless is not None, "a serverless endpoint says so"
        return ServerlessEndpoint(
            self,
            "Endpoint",
            endpoint_name=self._name,
            model=self._served[""],
            surroundings=self._surroundings(),
            memory_mb=serverless.memory_mb,
            max_concurrency=serverless.max_concurrency,
            provisioned_concurrency=serverless.provisioned_concurrency,
            latency_alarm=Duration.millis(of.latency_alarm_ms),
        )

    def _components(self) -> InferenceComponentsEndpoint:
        of = self._of
        return InferenceComponentsEndpoint(
            self,
            "Endpoint",
            endpoint_name=self._name,
            components=[
                Component(
                    name=each.name,
                    model=self._served[each.name],
                    copies=each.min_copies,
                    memory_mb=each.memory_mb,
                    accelerators=each.accelerators,
                    cpus=each.cpus,
                )
                for each in of.components
            ],
            instances=self._instances(),
            surroundings=self._surroundings(),
            routing=_routing(of),
            metrics_seconds=of.metrics_seconds,
            latency_alarm=Duration.millis(of.latency_alarm_ms),
        )

    def _multi_model(self) -> MultiModelEndpoint:
        of, models = self._of, self._of.multi_model
        assert models is not None, "a multi-model endpoint names its models"
        image = self._image(of.image).image
        return MultiModelEndpoint(
            self,
            "Endpoint",
            endpoint_name=self._name,
            bucket=self._data.buckets.models,
            prefix=models.s3,
            image=image,
            instances=self._instances(),
            surroundings=self._surroundings(),
            task=models.task,
            environment=container_environment(image, of.environment),
            cache=models.cache,
            metrics_seconds=of.metrics_seconds,
            latency_alarm=Duration.millis(of.latency_alarm_ms),
        )

    def _watch(self, api_logging: ApiLogging | None, removal_policy: RemovalPolicy) -> None:
        """What is around the endpoint, which is whole: around its updates, and around its life."""
        of, settings = self._of, self._settings
        safety = make_safe(self.endpoint, of, settings=settings, inference=self._inference, data=self._data)
        images = [settings.described(each.image) for each in of.served]
        watch = EndpointWatch(
            self,
            "Watch",
            environment=self._environment,
            settings=settings,
            endpoint=of,
            watched=self.endpoint,
            data=self._data,
            topic=self._inference.alarm_topic,
            jobs=self._network.jobs,
            monitoring_role=self._data.roles.monitoring,
            keeper=self._inference.keeper,
            api_logging=api_logging,
            host_types=of.all_instance_types if of.mode == "components" else (),
            metrics_seconds=of.metrics_seconds,
            batching=bool(images) and all(map(_batches, images)),
            deployment=safety.deployment,
            exists=self._exists,
            removal_policy=removal_policy,
        )
        if watch.kept:
            safety.scaled.pause.node.add_dependency(watch.kept.presence)

    def _surroundings(self) -> EndpointSurroundings:
        roles = self._data.roles
        usual = roles.capturing if self._of.capture else roles.serving
        role = {"serverless": roles.serverless, "asynchronous": roles.asynchronous}.get(self._of.mode, usual)
        assert role is not None, "an environment with such an endpoint has the role for it"
        return EndpointSurroundings(
            role=role,
            placement=self._network.endpoints,
            key=self._data.keys.models,
            isolated=self._settings.isolation,
            alarm_topic=self._inference.alarm_topic,
            exists=self._exists,
        )

    def _instances(
        self, instance_type: str | None = None, minimum: int | None = None, maximum: int | None = None
    ) -> VariantInstances:
        """The endpoint's, with what a part of it says over them."""
        of = self._of
        return VariantInstances(
            types=[instance_type] if instance_type else [name for name, _ in of.types],
            minimum=of.min_instances if minimum is None else minimum,
            maximum=of.max_instances if maximum is None else maximum,
            startup_seconds=of.startup_seconds,
            model_download_seconds=of.model_download_seconds,
            provisioning_seconds=of.provisioning_seconds,
            volume_gb=of.volume_gb,
            inference_ami_version=of.inference_ami_version,
            capacity_reservation_arn=of.capacity_reservation_arn,
        )

    def _approved_model(self, job_type: str) -> ApprovedModel:
        return ApprovedModel(
            self,
            f"{words(job_type)}Approved",
            job_type=job_type,
            group=f"{self._environment}-{job_type}",
            version_parameter=approved_parameter(self._environment, job_type),
        )

    def _condition(self) -> CfnCondition | None:
        """Where it follows job types, the endpoint is there once each of them has an approved model."""
        conditions = [each.exists for each in self._approved.values()]
        if len(conditions) < 2:
            return conditions[0] if conditions else None
        # The CDK's own class, which its types do not see as what it is.
        return CfnCondition(self, "AllApproved", expression=Fn.condition_and(*conditions))  # type: ignore[arg-type]

    def _served_model(self, served: Served) -> ServedModel:
        model = served.model
        source, image = self._source(model), self._settings.described(served.image)
        if not model.is_registered:
            source, image = self._prepared(served, source)
        return ServedModel(
            source=source,
            # What a registered model runs in, its package says: here it is only compatible with the host.
            image=image,
            task=model.task,
            environment={
                **container_environment(image, served.environment),
                # The dimension of the server's own metrics, which the dashboard shows.
                **({"HFSM_ENDPOINT_NAME": self._name} if _batches(image) else {}),
            },
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

    def _image(self, name: str) -> BuiltImage:
        """As a build has left it when this is deployed."""
        if name not in self._built:
            self._built[name] = BuiltImage(
                self,
                f"{words(name)}Image",
                image=self._settings.described(name),
                repository_uri=self._images[name].repository_uri,
                digest_parameter=self._images[name].parameter_name,
            )
        return self._built[name]

    def _prepared(self, served: Served, source: ModelSource) -> tuple[ModelSource, ContainerImage]:
        """The model as it can be served, and its image."""
        function, built = self._inference.model_preparation, self._image(served.image)
        assert function is not None, "an environment that prepares models has the function for it"
        prepared = PreparedModel(
            self,
            f"{words(served.name)}PreparedModel",
            source=source,
            image=built,
            bucket=self._data.buckets.models,
            function=function,
            code=served.model.code,
        )
        return prepared.source, built.image

    def _publish(self) -> None:
        """What operators' tools read."""
        of = self._of
        values = {
            "endpoint-name": self._name,
            "mode": of.mode,
            "image": ", ".join(dict.fromkeys(each.image for each in of.served)) or of.image,
            "model": _described(of),
        }
        if isinstance(self.endpoint, AsynchronousEndpoint):
            bucket = self._data.buckets.data
            values["input"] = bucket.s3_url_for_object(self.endpoint.input_prefix)
            values["output"] = bucket.s3_url_for_object(self.endpoint.output_prefix)
        publish(
            self,
            self._environment,
            {
                **{f"inference/{of.name}/{name}": value for name, value in values.items()},
                **{f"{followers(name)}/{of.name}": self.stack_name for name in self._approved},
            },
        )


def _batches(image: ContainerImage) -> bool:
    return image.serving is not None and image.serving.server == "batching"


def _routing(endpoint: EndpointSettings) -> str:
    return endpoint.routing.replace("-", "_").upper()


def _described(endpoint: EndpointSettings) -> str:
    """What operators are told of where its models come from."""
    if endpoint.multi_model:
        return f"{endpoint.multi_model.s3}*"
    found = [(each.name, _described_model(each.model)) for each in endpoint.served]
    return ", ".join(f"{name}: {model}" if name else model for name, model in found)


def _described_model(model: ModelSettings) -> str:
    if model.approved:
        return f"approved {model.approved}"
    source = model.model_package or (f"hub/{model.hub}" if model.hub else str(model.s3))
    return f"{source} with {model.code.name}/" if model.code else source
