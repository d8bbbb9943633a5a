"""The endpoint construct by itself."""

from typing import Any

import pytest
from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Match, Template

from hf_sagemaker import dlc_catalog
from hf_sagemaker.compatibility import IncompatibleError
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint import HuggingFaceEndpoint
from hf_sagemaker.image_extension import ImageExtension
from hf_sagemaker.instance_types import UnknownInstanceTypeError
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.native_scaling import EndpointScaling
from hf_sagemaker.serving import Serving

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/group/1"


def _endpoint(stack: Any, **options: Any) -> HuggingFaceEndpoint:
    return HuggingFaceEndpoint(
        stack,
        "Endpoint",
        endpoint_name="sentiment",
        model=ModelSource.from_registry(PACKAGE),
        role=stack.role,
        placement=stack.placement,
        key=stack.key,
        **options,
    )


def test_by_default_one_g4dn_instance_without_a_volume_key(stack: Any) -> None:
    _endpoint(stack)
    Template.from_stack(stack).has_resource_properties(
        "AWS::SageMaker::EndpointConfig",
        {
            "KmsKeyId": Match.absent(),  # local NVMe refuses it
            "ProductionVariants": [Match.object_like({"InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 1})],
        },
    )


def test_a_type_without_local_storage_gets_the_key(stack: Any) -> None:
    _endpoint(stack, instance_type="ml.m5.xlarge")
    Template.from_stack(stack).has_resource_properties(
        "AWS::SageMaker::EndpointConfig", {"KmsKeyId": Match.string_like_regexp("key/team$")}
    )


def test_the_model_is_isolated_in_the_vpc(stack: Any) -> None:
    _endpoint(stack)
    Template.from_stack(stack).has_resource_properties(
        "AWS::SageMaker::Model",
        {
            "EnableNetworkIsolation": True,
            "VpcConfig": {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
        },
    )


def _acknowledged(construct: Any) -> set[str]:
    entries = [entry for entry in construct.node.metadata if entry.type == "aws:cdk:acknowledged-rules"]
    return {rule for entry in entries for rule in entry.data}


@pytest.mark.parametrize(("instance_type", "acknowledged"), [("ml.g4dn.xlarge", True), ("ml.m5.xlarge", False)])
def test_a_missing_volume_key_is_explained_where_it_is_missing(
    stack: Any, instance_type: str, acknowledged: bool
) -> None:
    rule = "PCI.DSS.321::PCI.DSS.321-SageMakerEndpointConfigurationKMSKeyConfigured"
    assert (rule in _acknowledged(_endpoint(stack, instance_type=instance_type))) is acknowledged


def test_the_way_of_images_is_explained(stack: Any) -> None:
    assert "HfSageMaker::Control-42" in _acknowledged(_endpoint(stack))


def test_as_asked(stack: Any) -> None:
    topic = sns.Topic(stack, "Topic")
    _endpoint(
        stack,
        inference_ami_version="al2-ami-sagemaker-inference-gpu-3-1",
        scale=EndpointScaling(minimum=2, maximum=9, concurrent_requests=3, scale_in_cooldown=Duration.minutes(20)),
        alarm_topic=topic,
        latency_alarm=Duration.millis(250),
    )
    template = Template.from_stack(stack)
    template.has_resource_properties(
        "AWS::ApplicationAutoScaling::ScalableTarget", {"MinCapacity": 2, "MaxCapacity": 9}
    )
    template.has_resource_properties(
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        {"TargetTrackingScalingPolicyConfiguration": {"TargetValue": 3, "ScaleInCooldown": 1200}},
    )
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {"MetricName": "ModelLatency", "Threshold": 250_000, "AlarmActions": [{"Ref": Match.any_value()}]},
    )
    template.has_resource_properties(
        "AWS::SageMaker::EndpointConfig",
        {"ProductionVariants": [Match.object_like({"InferenceAmiVersion": "al2-ami-sagemaker-inference-gpu-3-1"})]},
    )


def test_scaling_needs_no_role_of_ours(stack: Any) -> None:
    _endpoint(stack)
    assert not Template.from_stack(stack).find_resources("AWS::IAM::Role")


def test_scaling_is_removed_before_the_endpoint(stack: Any) -> None:
    # CloudFormation deletes what refers to the endpoint first
    endpoint = _endpoint(stack)
    (target,) = Template.from_stack(stack).find_resources("AWS::ApplicationAutoScaling::ScalableTarget").values()
    assert stack.get_logical_id(endpoint.endpoint) in str(target["Properties"]["ResourceId"])


def test_grant_invoke_names_this_endpoint(stack: Any) -> None:
    caller = iam.Role(stack, "Caller", assumed_by=iam.AccountRootPrincipal())
    endpoint = _endpoint(stack)
    endpoint.grant_invoke(caller)
    Template.from_stack(stack).has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": [
                    {
                        "Action": "sagemaker:InvokeEndpoint",
                        "Effect": "Allow",
                        "Resource": {"Ref": stack.get_logical_id(endpoint.endpoint)},
                    }
                ]
            }
        },
    )


def test_variables_with_which_the_server_would_not_start_are_refused_at_synth(stack: Any) -> None:
    # Given an image with the batching server; when its queue is to hold words
    base = dlc_catalog.resolve("inference", transformers="4.51.3", region="us-east-1")
    image = ImageExtension(purpose="inference", base=base).described("mine")
    with pytest.raises(IncompatibleError) as caught:
        _endpoint(stack, image=image, environment={"HFSM_MAX_QUEUE": "many", "HF_TRUST_REMOTE_CODE": "1"})
    # Then both variables are named
    assert {line.split(" must")[0] for line in str(caught.value).splitlines()} == {
        "variable HFSM_MAX_QUEUE",
        "variable HF_TRUST_REMOTE_CODE",
    }


@pytest.mark.parametrize(("serving", "means"), [(Serving(), "no model could"), (None, "a model that failed")])
def test_alarms_mean_what_the_server_answers(stack: Any, serving: Serving | None, means: str) -> None:
    base = dlc_catalog.resolve("inference", transformers="4.51.3", region="us-east-1")
    _endpoint(stack, image=ContainerImage.from_dlc(base, serving=serving))
    Template.from_stack(stack).has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {"Threshold": 25, "AlarmDescription": Match.string_like_regexp(means), "Metrics": Match.any_value()},
    )


def test_an_unknown_instance_type_is_refused(stack: Any) -> None:
    with pytest.raises(UnknownInstanceTypeError, match="Nearest"):
        _endpoint(stack, instance_type="ml.g4dn.3xlarge")
