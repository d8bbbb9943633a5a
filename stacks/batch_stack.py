"""One batch transform: its failure rolls back nothing else."""

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy, Stack
from constructs import Construct

from hf_sagemaker.batch_states import BatchData
from hf_sagemaker.batch_transform import BatchSchedule, HuggingFaceBatchTransform
from hf_sagemaker.built_image import BuiltImage
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.job_task import JobInstances
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.placement import Network
from hf_sagemaker.prepared_models import PreparedModel
from hf_sagemaker.transform_job_task import Batches
from stacks.batch_settings import BatchTransformSettings
from stacks.container_settings import container_environment
from stacks.contract import publish
from stacks.data_stack import DataStack
from stacks.endpoint_settings import words
from stacks.inference_stack import InferenceStack
from stacks.model_settings import ModelSettings
from stacks.settings import EnvironmentSettings

BATCH = "Batch"
"""With which the ids of batch transforms' stacks begin, and of no others."""


class BatchStack(Stack):
    """Offers `transform`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: EnvironmentSettings,
        transform: BatchTransformSettings,
        network: Network,
        data: DataStack,
        images: Mapping[str, ImageByDigest],
        inference: InferenceStack,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self._settings, self._data, self._images, self._inference = settings, data, images, inference
        role = data.roles.transforming
        assert role is not None, "an environment with batch transforms has the role for them"
        source, image = self._source(transform.model), settings.described(transform.image)
        if not transform.model.is_registered:
            source, image = self._prepared(source, transform)
        place = self._place(transform)
        schedule = transform.schedule
        self.transform = HuggingFaceBatchTransform(
            self,
            "Transform",
            name=transform.name,
            environment=environment,
            model=source,
            task=transform.model.task,
            image=image,
            variables=container_environment(image, transform.environment),
            role=role,
            placement=network.endpoints,
            keys=data.keys,
            data=place,
            topic=inference.alarm_topic,
            content_type=transform.content_type,
            accept=transform.accept,
            instances=JobInstances(type=transform.instance_type, count=transform.instance_count),
            batches=Batches(
                split=transform.split,
                strategy=transform.strategy,
                max_payload_mb=transform.max_payload_mb,
                max_concurrent=transform.max_concurrent,
            ),
            max_run=Duration.hours(transform.max_hours),
            schedule=BatchSchedule(cron=schedule.cron, time_zone=schedule.time_zone) if schedule else None,
            isolated=settings.isolation,
            removal_policy=removal_policy,
        )
        data.people.allow_workflow(self.transform, self.transform.state_machine)
        publish(
            self,
            environment,
            {
                f"batch/{transform.name}/state-machine-arn": self.transform.state_machine.state_machine_arn,
                f"batch/{transform.name}/bucket": place.bucket.bucket_name,
                f"batch/{transform.name}/input": place.source_prefix,
                f"batch/{transform.name}/output": place.prefix,
            },
        )

    def _place(self, transform: BatchTransformSettings) -> BatchData:
        buckets = self._data.buckets
        name, prefix = transform.place
        source = next((bucket for bucket, _ in buckets.read_only if bucket.bucket_name == name), buckets.data)
        return BatchData(source=source, source_prefix=prefix, bucket=buckets.data, prefix=transform.output)

    def _source(self, model: ModelSettings) -> ModelSource:
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

    def _prepared(self, source: ModelSource, transform: BatchTransformSettings) -> tuple[ModelSource, ContainerImage]:
        """The model as it can be served, and its image as a build has left it when this is deployed."""
        function = self._inference.model_preparation
        assert function is not None, "an environment that prepares models has the function for it"
        image = self._images[transform.image]
        built = BuiltImage(
            self,
            f"{words(transform.image)}Image",
            image=self._settings.described(transform.image),
            repository_uri=image.repository_uri,
            digest_parameter=image.parameter_name,
        )
        prepared = PreparedModel(
            self,
            "PreparedModel",
            source=source,
            image=built,
            bucket=self._data.buckets.models,
            function=function,
            code=transform.model.code,
        )
        return prepared.source, built.image
