"""The constructs of each mode by themselves."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import CfnCondition, Fn, Stack
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Match, Template

from hf_sagemaker.asynchronous_endpoint import AsynchronousEndpoint
from hf_sagemaker.compatibility import IncompatibleError
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint_model import EndpointSurroundings, ServedModel
from hf_sagemaker.inference_components import Component, InferenceComponentsEndpoint
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.multi_model_endpoint import MultiModelEndpoint
from hf_sagemaker.production_variant import Variant, VariantInstances
from hf_sagemaker.real_time_endpoint import RealTimeEndpoint
from hf_sagemaker.sagemaker_endpoint import SageMakerEndpoint
from hf_sagemaker.serverless_endpoint import ServerlessEndpoint
from hf_sagemaker.serving import Serving

CONFIG, ENDPOINT, COMPONENT = (
    f"AWS::SageMaker::{name}" for name in ("EndpointConfig", "Endpoint", "InferenceComponent")
)
MODEL = ServedModel(source=ModelSource.from_registry("arn:aws:sagemaker:us-east-1:123456789012:model-package/group/1"))
RESERVATION = "arn:aws:sagemaker:us-east-1:123456789012:training-plan/mine"
STOCK = ContainerImage(
    name="stock", uri="stock", product="inference", processor="cpu", serving=Serving(server="toolkit")
)
GPU = ContainerImage(name="gpu", uri="gpu", product="inference", cuda=(12, 4), serving=Serving())


def _surroundings(stack: Any, **others: Any) -> EndpointSurroundings:
    return EndpointSurroundings(role=stack.role, placement=stack.placement, key=stack.key, **others)


def _real_time(stack: Any, *variants: Variant, **others: Any) -> RealTimeEndpoint:
    variants = variants or (Variant(model=MODEL, instances=VariantInstances()),)
    options = {"surroundings": _surroundings(stack), **others}
    return RealTimeEndpoint(stack, "Endpoint", endpoint_name="words", variants=variants, **options)


def _asynchronous(stack: Any, **others: Any) -> AsynchronousEndpoint:
    return AsynchronousEndpoint(
        stack,
        "Endpoint",
        endpoint_name="words",
        model=MODEL,
        instances=VariantInstances(minimum=0),
        surroundings=_surroundings(stack, **others),
        bucket=stack.buckets.data,
        bucket_key=stack.keys.data,
        prefix="asynchronous/words/",
        topic_key=stack.keys.operations,
    )


def _components(stack: Any, *names: str, **others: Any) -> InferenceComponentsEndpoint:
    options: dict[str, Any] = {"instances": VariantInstances(types=["ml.g5.12xlarge"], minimum=0, maximum=4), **others}
    components = [Component(name=name, model=MODEL, memory_mb=2048, accelerators=1) for name in names]
    return InferenceComponentsEndpoint(
        stack,
        "Endpoint",
        endpoint_name="words",
        components=components,
        surroundings=_surroundings(stack),
        **options,
    )


def _serverless(stack: Any, image: ContainerImage | None = None) -> ServerlessEndpoint:
    model = ServedModel(source=MODEL.source, image=image)
    return ServerlessEndpoint(
        stack, "Endpoint", endpoint_name="words", model=model, surroundings=_surroundings(stack), max_concurrency=9
    )


def _multi_model(stack: Any, image: ContainerImage = STOCK, prefix: str = "many/") -> MultiModelEndpoint:
    return MultiModelEndpoint(
        stack,
        "Endpoint",
        endpoint_name="words",
        bucket=stack.buckets.models,
        prefix=prefix,
        image=image,
        instances=VariantInstances(types=["ml.m5.xlarge"], volume_gb=64),
        surroundings=_surroundings(stack),
        task="fill-mask",
    )


EVERY: dict[str, Callable[[Any], SageMakerEndpoint]] = {
    "real-time": _real_time,
    "asynchronous": _asynchronous,
    "serverless": _serverless,
    "components": lambda stack: _components(stack, "small"),
    "multi-model": _multi_model,
}


@pytest.mark.parametrize("mode", EVERY)
def test_every_mode_offers_the_same(stack: Any, mode: str) -> None:
    endpoint = EVERY[mode](stack)
    assert (endpoint.mode, endpoint.endpoint_name) == (mode, "words")
    assert {part.endpoint_name for part in endpoint.parts} == {"words"}
    assert endpoint.alarms
    # And an update keeps what scaling has reached, and brings what the settings say
    Template.from_stack(stack).has_resource_properties(
        ENDPOINT,
        {
            "EndpointName": "words",
            "RetainAllVariantProperties": True,
            "ExcludeRetainedVariantProperties": [
                {"VariantPropertyType": "DesiredWeight"},
                {"VariantPropertyType": "DataCaptureConfig"},
            ],
        },
    )


@pytest.mark.parametrize("mode", EVERY)
def test_no_alarm_waits_for_the_endpoint_which_a_deployment_watches_by_them(stack: Any, mode: str) -> None:
    endpoint = EVERY[mode](stack)
    logical_id = stack.get_logical_id(endpoint.endpoint)
    for alarm in Template.from_stack(stack).find_resources("AWS::CloudWatch::Alarm").values():
        assert logical_id not in str(alarm)


# --- real time -------------------------------------------------------------------------------------------------------


def test_metrics_come_every_ten_seconds_and_requests_go_where_fewest_are(stack: Any) -> None:
    _real_time(stack)
    Template.from_stack(stack).has_resource_properties(
        CONFIG,
        {
            "MetricsConfig": {"EnableEnhancedMetrics": True, "MetricPublishFrequencyInSeconds": 10},
            "ProductionVariants": [
                Match.object_like({"RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}})
            ],
        },
    )


def test_several_types_are_pools_in_their_order(stack: Any) -> None:
    instances = VariantInstances(types=["ml.g5.xlarge", "ml.g4dn.xlarge"], provisioning_seconds=900)
    endpoint = _real_time(stack, Variant(model=MODEL, instances=instances))
    assert endpoint.parts[0].instance_types == ("ml.g5.xlarge", "ml.g4dn.xlarge")
    Template.from_stack(stack).has_resource_properties(
        CONFIG,
        {
            "ProductionVariants": [
                Match.object_like(
                    {
                        "InstanceType": Match.absent(),
                        "InstancePools": [
                            {"InstanceType": "ml.g5.xlarge", "Priority": 1},
                            {"InstanceType": "ml.g4dn.xlarge", "Priority": 2},
                        ],
                        "VariantInstanceProvisionTimeoutInSeconds": 900,
                    }
                )
            ]
        },
    )


def test_a_reservation_admits_no_other_capacity(stack: Any) -> None:
    _real_time(stack, Variant(model=MODEL, instances=VariantInstances(capacity_reservation_arn=RESERVATION)))
    reserved = {"CapacityReservationPreference": "capacity-reservations-only", "MlReservationArn": RESERVATION}
    Template.from_stack(stack).has_resource_properties(
        CONFIG, {"ProductionVariants": [Match.object_like({"CapacityReservationConfig": reserved})]}
    )


@pytest.mark.parametrize(
    "wrong", [{"types": []}, {"types": ["ml.g5.xlarge", "ml.g4dn.xlarge"], "capacity_reservation_arn": RESERVATION}]
)
def test_instances_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"one to five|one instance type"):
        VariantInstances(**wrong)


def test_types_that_need_and_refuse_the_volume_key_are_not_mixed(stack: Any) -> None:
    instances = VariantInstances(types=["ml.g4dn.xlarge", "ml.p3.2xlarge"])
    with pytest.raises(ValueError, match=r"ml\.g4dn\.xlarge refuse the volume key"):
        _real_time(stack, Variant(model=MODEL, instances=instances))


def _variant(name: str, weight: float = 1) -> Variant:
    return Variant(name=name, model=MODEL, instances=VariantInstances(), weight=weight)


def test_each_variant_has_a_weight_instances_and_alarms(stack: Any) -> None:
    endpoint = _real_time(stack, _variant("old", 9), _variant("new", 1))
    template = Template.from_stack(stack)
    named = [{"VariantName": "old", "InitialVariantWeight": 9}, {"VariantName": "new", "InitialVariantWeight": 1}]
    template.has_resource_properties(CONFIG, {"ProductionVariants": [Match.object_like(each) for each in named]})
    assert [part.resource_id for part in endpoint.parts] == ["endpoint/words/variant/old", "endpoint/words/variant/new"]
    watched = [json.dumps(each["Properties"]) for each in template.find_resources("AWS::CloudWatch::Alarm").values()]
    assert all(any(f'"Value": "{name}"' in each for each in watched) for name in ("old", "new"))
    assert not [each for each in watched if '"Value": "old"' in each and '"Value": "new"' in each]


def test_a_shadow_is_no_part(stack: Any) -> None:
    endpoint = _real_time(stack, shadow=_variant("shadow", 0.5))
    assert [part.name for part in endpoint.parts] == ["AllTraffic"]
    shadow = Match.object_like({"VariantName": "shadow", "InitialVariantWeight": 0.5})
    Template.from_stack(stack).has_resource_properties(CONFIG, {"ShadowProductionVariants": [shadow]})


def test_a_shadow_of_several_and_names_that_repeat_are_refused(stack: Any, new_stack: type[Any]) -> None:
    with pytest.raises(ValueError, match="one production variant"):
        _real_time(stack, _variant("old"), _variant("new"), shadow=_variant("shadow"))
    with pytest.raises(ValueError, match="must differ"):
        _real_time(new_stack(), _variant("old"), _variant("old"))


# --- asynchronous ----------------------------------------------------------------------------------------------------


def test_answers_and_failures_lie_below_a_prefix_of_the_endpoint(stack: Any) -> None:
    _asynchronous(stack)
    template = Template.from_stack(stack)
    (config,) = template.find_resources(CONFIG).values()
    output = config["Properties"]["AsyncInferenceConfig"]["OutputConfig"]
    assert output["S3OutputPath"] == "s3://data/asynchronous/words/output/"
    assert output["S3FailurePath"] == "s3://data/asynchronous/words/failure/"
    assert output["KmsKeyId"].endswith("key/data")
    # And topics are told, encrypted, by TLS only
    assert set(output["NotificationConfig"]) == {"SuccessTopic", "ErrorTopic"}
    template.has_resource_properties("AWS::SNS::Topic", {"KmsMasterKeyId": Match.any_value()})
    template.has_resource_properties(
        "AWS::SNS::TopicPolicy", {"PolicyDocument": {"Statement": [Match.object_like({"Effect": "Deny"})]}}
    )


def test_from_zero_instances_it_begins_with_one(stack: Any) -> None:
    _asynchronous(stack)
    Template.from_stack(stack).has_resource_properties(
        CONFIG, {"ProductionVariants": [Match.object_like({"InitialInstanceCount": 1})]}
    )


@pytest.mark.parametrize(
    ("metric", "variant"),
    [("InvocationFailures", "AllTraffic"), ("ExpiredRequests", "AllTraffic"), ("ApproximateBacklogSize", None)],
)
def test_the_queue_is_watched(stack: Any, metric: str, variant: str | None) -> None:
    # Given that SageMaker counts what waits by endpoint, and what became of it by variant
    dimensions = [{"Name": "EndpointName", "Value": "words"}]
    if variant:
        dimensions.append({"Name": "VariantName", "Value": variant})
    _asynchronous(stack)
    Template.from_stack(stack).has_resource_properties(
        "AWS::CloudWatch::Alarm", {"MetricName": metric, "Dimensions": dimensions}
    )


def test_who_may_ask_may_put_a_request_and_read_its_answer(stack: Any) -> None:
    caller = iam.Role(stack, "Caller", assumed_by=iam.AccountRootPrincipal())
    endpoint = _asynchronous(stack)
    endpoint.grant_invoke(caller)
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    allowed = {
        str(each["Action"]): str(each["Resource"]) for each in policy["Properties"]["PolicyDocument"]["Statement"]
    }
    assert stack.get_logical_id(endpoint.endpoint) in allowed["sagemaker:InvokeEndpointAsync"]
    assert "asynchronous/words/input/*" in allowed["s3:PutObject"]
    assert {name in allowed["s3:GetObject"] for name in ("words/output/*", "words/failure/*")} == {True}


def test_topics_are_there_before_the_first_model_is_approved(stack: Any) -> None:
    # Given an endpoint that waits for an approved model
    approved = CfnCondition(stack, "Approved", expression=Fn.condition_equals("1", "2"))
    _asynchronous(stack, exists=approved)
    # Then nothing but its topics is there: the function that deploys models could not make them
    resources = Template.from_stack(stack).to_json()["Resources"].values()
    assert {each["Type"] for each in resources if "Condition" not in each} == {
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
    }


# --- serverless ------------------------------------------------------------------------------------------------------


def test_serverless_has_no_instances_no_network_and_no_isolation(stack: Any) -> None:
    endpoint = _serverless(stack, STOCK)
    template = Template.from_stack(stack)
    variant = {"ServerlessConfig": {"MaxConcurrency": 9, "MemorySizeInMB": 4096}, "InstanceType": Match.absent()}
    template.has_resource_properties(
        CONFIG,
        {
            "ProductionVariants": [Match.object_like(variant)],
            "MetricsConfig": Match.absent(),
            "KmsKeyId": Match.any_value(),
        },
    )
    absent = {"VpcConfig": Match.absent(), "EnableNetworkIsolation": Match.absent()}
    template.has_resource_properties("AWS::SageMaker::Model", absent)
    assert endpoint.parts[0].instance_types == ()


def test_serverless_refuses_an_image_that_needs_a_device(stack: Any) -> None:
    with pytest.raises(IncompatibleError, match="serverless has no GPU"):
        _serverless(stack, GPU)


# --- components ------------------------------------------------------------------------------------------------------


def test_components_share_instances_that_follow_their_copies(stack: Any) -> None:
    endpoint = _components(stack, "small", "large-one")
    template = Template.from_stack(stack)
    scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 4}
    template.has_resource_properties(
        CONFIG,
        {
            "ExecutionRoleArn": Match.any_value(),
            "EnableNetworkIsolation": True,
            "VpcConfig": Match.any_value(),
            "ProductionVariants": [Match.object_like({"ManagedInstanceScaling": scaling, "ModelName": Match.absent()})],
        },
    )
    template.has_resource_properties(
        COMPONENT,
        {
            "InferenceComponentName": "words-large-one",
            "RuntimeConfig": {"CopyCount": 1},
            "Specification": Match.object_like(
                {
                    "ComputeResourceRequirements": {
                        "MinMemoryRequiredInMb": 2048,
                        "NumberOfAcceleratorDevicesRequired": 1,
                    }
                }
            ),
        },
    )
    assert [part.resource_id for part in endpoint.parts] == [
        "inference-component/words-small",
        "inference-component/words-large-one",
    ]


def test_a_component_goes_before_its_endpoint_and_comes_back_when_its_own_alarms_go_off(stack: Any) -> None:
    endpoint = _components(stack, "small")
    (component,) = Template.from_stack(stack).find_resources(COMPONENT).values()
    assert component["Properties"]["EndpointName"] == {
        "Fn::GetAtt": [stack.get_logical_id(endpoint.endpoint), "EndpointName"]
    }
    named = str(component["Properties"]["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"])
    for alarm in endpoint.alarms:
        default = alarm.node.default_child
        assert default is not None
        assert Stack.of(stack).get_logical_id(default) in named  # type: ignore[arg-type]


def test_who_may_ask_a_component_names_it(stack: Any) -> None:
    caller = iam.Role(stack, "Caller", assumed_by=iam.AccountRootPrincipal())
    _components(stack, "small").grant_invoke(caller)
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    assert "inference-component/words-small" in str(policy)


@pytest.mark.parametrize("types", [["ml.g5.xlarge", "ml.g6.xlarge"]])
def test_components_are_on_one_type_and_have_names_of_their_own(
    stack: Any, new_stack: type[Any], types: list[str]
) -> None:
    with pytest.raises(ValueError, match="give one type"):
        _components(stack, "small", instances=VariantInstances(types=types))
    with pytest.raises(ValueError, match="must differ"):
        _components(new_stack(), "small", "small")


# --- multi-model -----------------------------------------------------------------------------------------------------


def test_one_container_serves_what_lies_below_the_prefix(stack: Any) -> None:
    _multi_model(stack)
    Template.from_stack(stack).has_resource_properties(
        "AWS::SageMaker::Model",
        {
            "PrimaryContainer": {
                "Mode": "MultiModel",
                "ModelDataUrl": "s3://models/many/",
                "MultiModelConfig": {"ModelCacheSetting": "Enabled"},
                "Environment": {"HF_TASK": "fill-mask", "HF_HUB_OFFLINE": "1"},
            }
        },
    )


def test_a_server_of_one_model_and_a_key_that_is_no_prefix_are_refused(stack: Any, new_stack: type[Any]) -> None:
    with pytest.raises(IncompatibleError, match="stock server"):
        _multi_model(stack, GPU)
    with pytest.raises(ValueError, match="ends in a slash"):
        _multi_model(new_stack(), prefix="many")
