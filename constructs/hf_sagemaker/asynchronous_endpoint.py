"""Asynchronous: requests and answers lie in S3, a queue is between them, and instances may go to zero."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker.endpoint_alarms import queue_alarms
from hf_sagemaker.endpoint_model import EndpointSurroundings, ServedModel
from hf_sagemaker.production_variant import VARIANT, VariantInstances
from hf_sagemaker.real_time_endpoint import METRICS_SECONDS
from hf_sagemaker.sagemaker_endpoint import SageMakerEndpoint

_BACKLOG = 100


class AsynchronousEndpoint(SageMakerEndpoint):
    """Model, endpoint configuration, endpoint, topics and alarms.

    success_topic, error_topic: told of each request when it is done. alarms: failures, requests that expired, backlog.
    input_prefix, output_prefix, failure_prefix: keys in the bucket, with a slash at the end.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        model: ServedModel,
        instances: VariantInstances,
        surroundings: EndpointSurroundings,
        bucket: s3.IBucket,
        bucket_key: kms.IKey,
        prefix: str,
        topic_key: kms.IKey,
        max_concurrent_requests_per_instance: int | None = None,
        metrics_seconds: int | None = METRICS_SECONDS,
        backlog_alarm: int = _BACKLOG,
    ) -> None:
        """Creates the endpoint. The role must be able to read and put below the prefix, and to publish to the topics.

        instances: with minimum 0, scaling may take the last one away; the endpoint begins with one.
        bucket, bucket_key, prefix: where requests and answers lie; the prefix is the endpoint's own and ends in a
            slash. How long they stay, the bucket's life cycle says.
        topic_key: encrypts the topics.
        max_concurrent_requests_per_instance: that SageMaker sends to a container. Omitted: SageMaker chooses.
        metrics_seconds: how often metrics are published. Omitted: every 10 seconds.
        backlog_alarm: requests that may wait. Omitted: 100.

        Raises UnknownInstanceTypeError, IncompatibleError and ValueError as RealTimeEndpoint does.
        """
        super().__init__(
            scope, construct_id, endpoint_name=endpoint_name, mode="asynchronous", surroundings=surroundings
        )
        self._bucket, self._bucket_key = bucket, bucket_key
        self.input_prefix, self.output_prefix, self.failure_prefix = (
            f"{prefix}{name}/" for name in ("input", "output", "failure")
        )
        self.success_topic, self.error_topic = (
            sns.Topic(self, f"{name}Topic", master_key=topic_key, enforce_ssl=True) for name in ("Success", "Error")
        )
        instances.refuse_problems(model, isolated=surroundings.isolated)
        made = surroundings.model(self, "Model", model.container)
        self._create(
            [instances.variant(VARIANT, model=made, image=model.image)],
            instances.known,
            metrics_seconds=metrics_seconds,
            async_inference_config=self._config(max_concurrent_requests_per_instance),
        )
        self.parts = [self._variant_part(VARIANT, instances.types)]
        self._finish(queue_alarms(self, self.parts[0], backlog_alarm))

    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Lets the grantee put requests, hand them to the endpoint, and read what became of them."""
        answers = [self._bucket.arn_for_objects(f"{each}*") for each in (self.output_prefix, self.failure_prefix)]
        grants = [
            iam.Grant.add_to_principal(grantee=grantee, actions=[action], resource_arns=resources)
            for action, resources in (
                ("sagemaker:InvokeEndpointAsync", self._invoked()),
                ("s3:PutObject", [self._bucket.arn_for_objects(f"{self.input_prefix}*")]),
                ("s3:GetObject", answers),
            )
        ]
        grants.append(self._bucket_key.grant_encrypt_decrypt(grantee))
        for further in grants[1:]:
            grants[0] = grants[0].combine(further)
        return grants[0]

    def _config(self, concurrent: int | None) -> sagemaker.CfnEndpointConfig.AsyncInferenceConfigProperty:
        properties = sagemaker.CfnEndpointConfig
        return properties.AsyncInferenceConfigProperty(
            client_config=properties.AsyncInferenceClientConfigProperty(
                max_concurrent_invocations_per_instance=concurrent
            )
            if concurrent
            else None,
            output_config=properties.AsyncInferenceOutputConfigProperty(
                kms_key_id=self._bucket_key.key_arn,
                s3_output_path=self._bucket.s3_url_for_object(self.output_prefix),
                s3_failure_path=self._bucket.s3_url_for_object(self.failure_prefix),
                notification_config=properties.AsyncInferenceNotificationConfigProperty(
                    success_topic=self.success_topic.topic_arn, error_topic=self.error_topic.topic_arn
                ),
            ),
        )
