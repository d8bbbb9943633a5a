"""Inference: the endpoints whose settings name a model."""

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker.endpoint import EndpointScaling, HuggingFaceEndpoint
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.placement import Network
from stacks.container_settings import container_environment
from stacks.contract import publish
from stacks.data_stack import DataStack
from stacks.settings import EndpointSettings, EnvironmentSettings, ModelSettings


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
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self.alarm_topic = sns.Topic(self, "AlarmTopic", master_key=data.keys.operations, enforce_ssl=True)
        # The policy that enforces TLS replaces the topic's default one, by which alarms were allowed to publish.
        self.alarm_topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.alarm_topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        self.endpoints: dict[str, HuggingFaceEndpoint] = {}
        for endpoint in settings.inference.endpoints:
            if endpoint.model is None:
                continue
            self.endpoints[endpoint.name] = self._endpoint(
                f"{environment}-{endpoint.name}",
                endpoint,
                endpoint.model,
                settings=settings,
                network=network,
                data=data,
            )
            publish(
                self,
                environment,
                {
                    f"inference/{endpoint.name}/endpoint-name": f"{environment}-{endpoint.name}",
                    f"inference/{endpoint.name}/image": endpoint.image,
                },
            )

    def _endpoint(
        self,
        endpoint_name: str,
        endpoint: EndpointSettings,
        model: ModelSettings,
        *,
        settings: EnvironmentSettings,
        network: Network,
        data: DataStack,
    ) -> HuggingFaceEndpoint:
        image = settings.described(endpoint.image)
        return HuggingFaceEndpoint(
            self,
            "".join(word.capitalize() for word in endpoint.name.split("-")),
            endpoint_name=endpoint_name,
            model=ModelSource.from_registry(model.model_package),
            role=data.roles.serving,
            placement=network.endpoints,
            key=data.keys.models,
            isolated=settings.isolation,
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
        )
