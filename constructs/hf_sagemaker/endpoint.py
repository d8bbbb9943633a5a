"""A real-time endpoint that serves a Hugging Face model, scales, and is watched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import CfnCondition, CfnResource, Duration
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker import compatibility
from hf_sagemaker.compliance import NOT_ISOLATED, acknowledge
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.instance_types import InstanceType
from hf_sagemaker.instance_types import instance_type as find_instance_type
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.placement import Placement

VARIANT = "AllTraffic"
"""Name of the only production variant. It stays the same, so that updates shift traffic instead of failing."""
_STARTUP_SECONDS = 600
_VOLUME_KEY = (
    "HIPAA.Security::HIPAA.Security-SageMakerEndpointConfigurationKMSKeyConfigured",
    "NIST.800.53.R5::NIST.800.53.R5-SageMakerEndpointConfigurationKMSKeyConfigured",
    "PCI.DSS.321::PCI.DSS.321-SageMakerEndpointConfigurationKMSKeyConfigured",
)


@dataclass(frozen=True, kw_only=True)
class EndpointScaling:
    """How many instances, and what moves the number.

    minimum, maximum: instances.
    concurrent_requests: target of requests in flight per instance, from the 10-second concurrency metric.
    scale_out_cooldown, scale_in_cooldown: omitted: one minute out, five minutes in: a model takes minutes to load.
    """

    minimum: int = 1
    maximum: int = 2
    concurrent_requests: float = 5.0
    scale_out_cooldown: Duration | None = None
    scale_in_cooldown: Duration | None = None


class HuggingFaceEndpoint(Construct):
    """Model, endpoint configuration, endpoint, scaling and alarms.

    endpoint: its name is the one given, so that callers need not learn a new one.
    alarms: client faults (4XX), server faults (5XX) and latency, in this order. The batching server answers 4XX to what
        no model could answer, 500 when the model fails, and 503 where it has no room, no time or no worker. The stock
        server answers every fault with 400, a model that failed included: there the first is no mere client matter.
    """

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
        scale: EndpointScaling | None = None,
        alarm_topic: sns.ITopic | None = None,
        latency_alarm: Duration | None = None,
        exists: CfnCondition | None = None,
    ) -> None:
        """Creates the endpoint.

        role: assumed by the containers; reads the model.
        placement: where the containers run.
        key: encrypts the instances' volumes where the type takes a key; local NVMe is encrypted by hardware.
        image: what the model runs in, by its digest. The package of a registered model names it too, and that counts:
            omitted, nothing is checked, and the host image is SageMaker's default.
        task: the transformers pipeline task that a model from S3 or the mirror serves (HF_TASK), for example
            `text-classification`. Omitted: the container derives it from the model's configuration.
        inference_ami_version: host image whose driver runs the container's CUDA. Omitted: the one that fits the image.
        environment: variables of the container, over those of the model package. Omitted: those alone.
        isolated: the containers have no network; SageMaker brings the model. Omitted: they have none.
        scale: omitted: one to two instances.
        alarm_topic: told when an alarm changes. Omitted: the alarms only show.
        latency_alarm: limit of the 99th percentile of model latency. Omitted: one second.
        exists: the endpoint, and all that belongs to it, is there only where this is true. Omitted: it is there.

        Raises UnknownInstanceTypeError when SageMaker hosting has no such instance type, and IncompatibleError with all
        reasons why the image cannot run there, and why a variable cannot be what it is. Raises ValueError when a model
        from S3 or the mirror has no image.
        """
        super().__init__(scope, construct_id)
        instance = find_instance_type(instance_type, "hosting")
        if image:
            inference_ami_version = inference_ami_version or compatibility.inference_ami_version(image)
            compatibility.refuse(
                (f"instance type {instance_type}", compatibility.instance_problem(image, instance, "hosting")),
                (
                    f"host image {inference_ami_version}",
                    inference_ami_version and compatibility.inference_ami_problem(image, inference_ami_version),
                ),
            )
        compatibility.refuse(
            *(
                (f"variable {name}", problem)
                for name, problem in (
                    *compatibility.variable_problems(environment or {}, instance),
                    *(image.serving.variable_problems(environment or {}) if image and image.serving else ()),
                )
            ),
            *(
                ("the container", problem)
                for problem in compatibility.isolation_problems(
                    # What a container without isolation reaches is its network's matter, which is not known here.
                    isolated=isolated,
                    leaves_vpc=not isolated,
                    environment=environment or {},
                )
            ),
        )
        self._endpoint_name = endpoint_name
        scale = scale or EndpointScaling()
        self.model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=role.role_arn,
            primary_container=_container(model, image, task, environment or {}),
            enable_network_isolation=isolated,
            vpc_config=sagemaker.CfnModel.VpcConfigProperty(
                subnets=placement.subnet_ids,
                security_group_ids=placement.security_group_ids,
            ),
        )
        if not isolated:
            acknowledge(self, NOT_ISOLATED, "HfSageMaker::Control-38")
        # SageMaker reads the model with the role while it creates it: the role's policies must be there.
        self.model.node.add_dependency(role)
        self.endpoint_config = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            kms_key_id=key.key_arn if instance.takes_volume_key else None,
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    variant_name=VARIANT,
                    model_name=self.model.attr_model_name,
                    instance_type=instance_type,
                    initial_instance_count=scale.minimum,
                    initial_variant_weight=1,
                    inference_ami_version=inference_ami_version,
                    container_startup_health_check_timeout_in_seconds=_STARTUP_SECONDS,
                )
            ],
        )
        self._acknowledge(instance)
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=endpoint_name,
            endpoint_config_name=self.endpoint_config.attr_endpoint_config_name,
            # Otherwise each update sets the number of instances back to the initial one, at any load.
            retain_all_variant_properties=True,
        )
        self._add_scaling(scale)
        self.alarms = self._add_alarms(latency_alarm or Duration.seconds(1), alarm_topic, image)
        if exists:
            for each in self.node.find_all():
                if isinstance(each, CfnResource):
                    each.cfn_options.condition = exists

    def metric(self, name: str, *, statistic: str, period: Duration | None = None) -> cloudwatch.Metric:
        """A metric of the endpoint in namespace AWS/SageMaker, for example `Invocations`. period: omitted: a minute."""
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=name,
            dimensions_map={"EndpointName": self._endpoint_name, "VariantName": VARIANT},
            statistic=statistic,
            period=period or Duration.minutes(1),
        )

    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Lets the grantee call InvokeEndpoint on this endpoint."""
        return iam.Grant.add_to_principal(
            grantee=grantee, actions=["sagemaker:InvokeEndpoint"], resource_arns=[self.endpoint.ref]
        )

    def _acknowledge(self, instance: InstanceType) -> None:
        """At one place, since both are asked of every endpoint."""
        reason = (
            "SageMaker pulls images from a registry in the VPC only when that is no ECR; an image in ECR, and so every "
            "one of this account, it pulls by way of its own platform. Instead of the way, what is pulled is "
            "fixed: the container is isolated (control 38), its image cannot change (47), comes from this account or "
            "from AWS's (48), and the network admits no other registry (87)."
        )
        local_storage = (
            f" {instance.name} has local NVMe, which its hardware encrypts with a key of its own; SageMaker refuses a "
            "KMS key for it. Types without it get this environment's key (control 40)."
        )
        acknowledge(
            self,
            reason + ("" if instance.takes_volume_key else local_storage),
            "HfSageMaker::Control-42",
            *(() if instance.takes_volume_key else _VOLUME_KEY),
        )

    def _add_scaling(self, scale: EndpointScaling) -> None:
        # The L2 ScalableTarget would add a role that SageMaker ignores: it uses its service-linked one.
        target = scaling.CfnScalableTarget(
            self,
            "ScalableTarget",
            service_namespace="sagemaker",
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            resource_id=f"endpoint/{self.endpoint.attr_endpoint_name}/variant/{VARIANT}",
            min_capacity=scale.minimum,
            max_capacity=scale.maximum,
        )
        scaling.CfnScalingPolicy(
            self,
            "ScalingPolicy",
            policy_name="ConcurrentRequests",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=scale.concurrent_requests,
                predefined_metric_specification=scaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
                    predefined_metric_type="SageMakerVariantConcurrentRequestsPerModelHighResolution"
                ),
                scale_out_cooldown=(scale.scale_out_cooldown or Duration.minutes(1)).to_seconds(),
                scale_in_cooldown=(scale.scale_in_cooldown or Duration.minutes(5)).to_seconds(),
            ),
        )

    def _add_alarms(
        self, latency: Duration, topic: sns.ITopic | None, image: ContainerImage | None
    ) -> Sequence[cloudwatch.Alarm]:
        # No traffic gives no data, which is no fault: missing data does not breach.
        faults = [
            self.metric(name, statistic="Sum").create_alarm(
                self,
                construct_id,
                alarm_description=f"{description} at endpoint {self._endpoint_name}",
                threshold=5,
                evaluation_periods=3,
                datapoints_to_alarm=2,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            )
            for construct_id, name, description in (
                ("ClientFaults", "Invocation4XXErrors", _client_faults(image)),
                ("ServerFaults", "Invocation5XXErrors", "A model that failed, or requests too many (5XX)"),
            )
        ]
        slow = self.metric("ModelLatency", statistic="p99").create_alarm(
            self,
            "Latency",
            alarm_description=f"99th percentile of model latency at endpoint {self._endpoint_name}",
            threshold=latency.to_milliseconds() * 1000,  # the metric is in microseconds
            evaluation_periods=3,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        for alarm in (*faults, slow):
            if topic:
                alarm.add_alarm_action(actions.SnsAction(topic))
        return [*faults, slow]


def _client_faults(image: ContainerImage | None) -> str:
    if image and image.serving and image.serving.server == "batching":
        return "Requests that no model could answer (4XX)"
    return "Requests refused, or a model that failed (4XX)"


def _container(
    model: ModelSource, image: ContainerImage | None, task: str | None, environment: Mapping[str, str]
) -> sagemaker.CfnModel.ContainerDefinitionProperty:
    if model.data is None:
        return sagemaker.CfnModel.ContainerDefinitionProperty(
            model_package_name=model.model_package_arn, environment=dict(environment) or None
        )
    if image is None:
        raise ValueError(f"{model.name} comes without an image, which a registered model would name: give one.")
    kind, compression = ("S3Object", "Gzip") if model.data.is_archive else ("S3Prefix", "None")
    return sagemaker.CfnModel.ContainerDefinitionProperty(
        image=image.uri,
        model_data_source=sagemaker.CfnModel.ModelDataSourceProperty(
            s3_data_source=sagemaker.CfnModel.S3DataSourceProperty(
                s3_uri=model.data.uri, s3_data_type=kind, compression_type=compression
            )
        ),
        # The model is there: nothing is to be asked of the Hub, which a container without a network waits for in vain.
        environment={"HF_HUB_OFFLINE": "1", **({"HF_TASK": task} if task else {}), **environment},
    )
