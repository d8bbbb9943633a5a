"""What is around an endpoint's update, as templates: what comes before what, and what the alarms are."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Duration
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Match, Template

from hf_sagemaker.endpoint_alarms import PartAlarms, rollback_names
from hf_sagemaker.endpoint_model import EndpointSurroundings, ServedModel
from hf_sagemaker.endpoint_parts import EndpointPart
from hf_sagemaker.endpoint_safety import EndpointSafety
from hf_sagemaker.endpoint_scaling import PAUSE_TYPE, SCALING_TYPE, ScaledEndpoint, ScalingFunction
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.production_variant import Variant, VariantInstances
from hf_sagemaker.real_time_endpoint import RealTimeEndpoint
from hf_sagemaker.scaling_policies import EndpointScaling, ScheduledCapacity
from hf_sagemaker.smoke_request import EXAMPLE_BYTES, SMOKE_TYPE, RequestExample, SmokeFunction, example_of
from hf_sagemaker.update_safety import ROLLBACK_ALARMS, UpdateSafety

LAMBDA = Path(__file__).parents[2] / "lambda"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/group/1"
EXAMPLE = RequestExample(body=b'{"inputs": "good"}')


def _scaling_function(stack: Any) -> ScalingFunction:
    return ScalingFunction(
        stack,
        "ScalingFunction",
        environment="dev",
        declarations="/hf-sagemaker/dev/scaling",
        keys=stack.keys,
        topic=sns.Topic(stack, "Topic"),
        function_root=LAMBDA,
    )


def _endpoint(stack: Any, *names: str) -> RealTimeEndpoint:
    return RealTimeEndpoint(
        stack,
        "Endpoint",
        endpoint_name="dev-text",
        variants=[
            Variant(
                name=name,
                model=ServedModel(source=ModelSource.from_registry(PACKAGE)),
                instances=VariantInstances(types=["ml.g4dn.xlarge"], minimum=1, maximum=3),
            )
            for name in names or ("AllTraffic",)
        ],
        surroundings=EndpointSurroundings(role=stack.role, placement=stack.placement, key=stack.key),
    )


def _safe(stack: Any, *names: str, **options: Any) -> EndpointSafety:
    endpoint = _endpoint(stack, *names)
    return EndpointSafety(
        endpoint,
        "Safety",
        scaling_function=_scaling_function(stack),
        smoke_function=SmokeFunction(stack, "SmokeFunction", environment="dev", keys=stack.keys, function_root=LAMBDA),
        **{
            "update": UpdateSafety(),
            "scaling": {part.name: EndpointScaling(maximum=3) for part in endpoint.parts},
            "example": EXAMPLE,
            **options,
        },
    )


def _only(template: Template, kind: str) -> tuple[str, dict[str, Any]]:
    ((logical_id, body),) = template.find_resources(kind).items()
    return logical_id, body


def test_a_deployment_goes_from_the_pause_to_the_request(stack: Any) -> None:
    _safe(stack)
    template = Template.from_stack(stack)
    pause, _ = _only(template, PAUSE_TYPE)
    endpoint_id, endpoint = _only(template, "AWS::SageMaker::Endpoint")
    declaration_id, declaration = _only(template, "AWS::SSM::Parameter")
    registration_id, registration = _only(template, SCALING_TYPE)
    _, request = _only(template, SMOKE_TYPE)
    assert pause in endpoint["DependsOn"]
    assert endpoint_id in declaration["DependsOn"]
    assert {endpoint_id, declaration_id} <= set(registration["DependsOn"])
    assert {endpoint_id, registration_id} <= set(request["DependsOn"])


def test_the_pause_comes_with_each_configuration(stack: Any) -> None:
    _safe(stack)
    template = Template.from_stack(stack)
    config, _ = _only(template, "AWS::SageMaker::EndpointConfig")
    _, pause = _only(template, PAUSE_TYPE)
    assert pause["Properties"]["EndpointConfigName"] == {"Fn::GetAtt": [config, "EndpointConfigName"]}
    assert pause["Properties"]["Strategy"] == "canary"
    # and the registration with each pause
    pause_id, _ = _only(template, PAUSE_TYPE)
    assert _only(template, SCALING_TYPE)[1]["Properties"]["Pause"] == {"Ref": pause_id}


def _said(template: Template) -> Any:
    """The declaration's document."""
    _, declaration = _only(template, "AWS::SSM::Parameter")
    before, _stack, after = declaration["Properties"]["Value"]["Fn::Join"][1]
    return json.loads(f"{before}stack{after}")


def test_what_is_declared_is_what_is_registered(stack: Any) -> None:
    _safe(stack)
    template = Template.from_stack(stack)
    _, declaration = _only(template, "AWS::SSM::Parameter")
    _, registration = _only(template, SCALING_TYPE)
    assert declaration["Properties"]["Name"] == "/hf-sagemaker/dev/scaling/dev-text"
    assert registration["Properties"]["Document"] == declaration["Properties"]["Value"]
    (target,) = _said(template)["Targets"]
    assert (target["ResourceId"], target["MaxCapacity"]) == ("endpoint/dev-text/variant/AllTraffic", 3)


def test_an_endpoint_that_does_not_scale_has_a_declaration_that_says_so(stack: Any) -> None:
    _safe(stack, scaling=None)
    assert _said(Template.from_stack(stack))["Targets"] == []


def test_more_parts_than_a_parameter_holds_are_refused(stack: Any) -> None:
    office = tuple(
        ScheduledCapacity(name=f"office-{i}", cron="0 8 ? * * *", time_zone="UTC", minimum=1, maximum=2)
        for i in range(10)
    )
    parts = [EndpointPart(kind="component", endpoint_name="dev-text", name=f"dev-text-{i}") for i in range(10)]
    with pytest.raises(ValueError, match="the scaling of 10 parts takes"):
        ScaledEndpoint(
            stack,
            "Scaled",
            function=_scaling_function(stack),
            endpoint_name="dev-text",
            mode="components",
            parts=[(part, EndpointScaling(schedule=office)) for part in parts],
        )


def test_an_update_is_given_back_by_the_endpoints_own_alarms(stack: Any) -> None:
    _safe(stack)
    template = Template.from_stack(stack)
    _, endpoint = _only(template, "AWS::SageMaker::Endpoint")
    config = endpoint["Properties"]["DeploymentConfig"]
    named = [each["AlarmName"]["Ref"] for each in config["AutoRollbackConfiguration"]["Alarms"]]
    alarms = template.find_resources("AWS::CloudWatch::Alarm")
    assert [
        next(
            word
            for word in ("ServerFaults", "ModelErrors", "Latency", "ClientFaults", "GpuMemory", "Disk")
            if word in name
        )
        for name in named
    ] == ["ServerFaults", "ModelErrors", "Latency", "ClientFaults", "GpuMemory", "Disk"]
    assert set(named) <= set(alarms)
    assert config["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["Type"] == "CANARY"
    # and no alarm depends on the endpoint, which depends on them
    endpoint_id, _ = _only(template, "AWS::SageMaker::Endpoint")
    assert not [name for name in named if endpoint_id in json.dumps(alarms[name])]


def test_several_variants_are_asked_one_by_one_and_may_come_and_go(stack: Any) -> None:
    _safe(stack, "Champion", "Challenger", update=UpdateSafety.default("real-time", disposable=False, variants=2))
    template = Template.from_stack(stack)
    template.has_resource_properties(
        "AWS::SageMaker::Endpoint", {"DeploymentConfig": Match.absent(), "RetainAllVariantProperties": True}
    )
    template.has_resource_properties(PAUSE_TYPE, {"Strategy": Match.absent()})
    template.has_resource_properties(SMOKE_TYPE, {"Variants": ["Champion", "Challenger"]})


def test_the_number_of_instances_is_never_reset(stack: Any) -> None:
    # An update keeps the count that scaling has reached, also with another instance type
    _safe(stack)
    _, endpoint = _only(Template.from_stack(stack), "AWS::SageMaker::Endpoint")
    assert endpoint["Properties"]["RetainAllVariantProperties"] is True
    excluded = endpoint["Properties"].get("ExcludeRetainedVariantProperties", [])
    assert "DesiredInstanceCount" not in json.dumps(excluded)


def test_problems_are_told_all_at_once(stack: Any) -> None:
    with pytest.raises(ValueError, match=r"dev-text: strategy must be another one.*; wait must be 0 to 3600"):
        _safe(stack, "Champion", "Challenger", update=UpdateSafety(strategy="rolling", wait=4000))


def test_an_example_that_is_no_text_goes_into_the_template(stack: Any) -> None:
    _safe(stack, example=RequestExample(body=b"\x89PNG", content_type="image/png"))
    Template.from_stack(stack).has_resource_properties(
        SMOKE_TYPE, {"Example": {"ContentType": "image/png", "BodyBase64": "iVBORw=="}}
    )


def test_without_an_example_the_rollback_in_silence_is_still_found(stack: Any) -> None:
    _safe(stack, example=None)
    Template.from_stack(stack).has_resource_properties(
        SMOKE_TYPE, {"Example": Match.absent(), "EndpointConfigName": Match.any_value()}
    )


def test_an_example_is_no_data_set(stack: Any) -> None:
    with pytest.raises(ValueError, match="may have 100000"):
        _safe(stack, example=RequestExample(body=b"0" * (EXAMPLE_BYTES + 1)))


@pytest.mark.parametrize(
    ("task", "known"),
    [("text-classification", True), ("question-answering", True), ("image-classification", False), (None, False)],
)
def test_a_task_of_text_has_an_example(task: str | None, known: bool) -> None:
    assert (example_of(task) is not None) is known


def test_the_function_that_scales_hears_of_changes(stack: Any) -> None:
    _scaling_function(stack)
    template = Template.from_stack(stack)
    template.has_resource_properties(
        "AWS::Events::Rule",
        {
            "EventPattern": {
                "detail-type": ["SageMaker Endpoint State Change"],
                "detail": {"EndpointName": [{"prefix": "dev-"}]},
            },
            "Targets": [
                Match.object_like(
                    {
                        "InputTransformer": {
                            "InputPathsMap": {"endpoint": "$.detail.EndpointName"},
                            "InputTemplate": '{"declarations": "/hf-sagemaker/dev/scaling", "endpoint": <endpoint>}',
                        }
                    }
                )
            ],
        },
    )
    template.has_resource_properties(
        "AWS::Events::Rule",
        {
            "ScheduleExpression": "rate(1 day)",
            "Targets": [Match.object_like({"Input": '{"declarations": "/hf-sagemaker/dev/scaling"}'})],
        },
    )


def _part(*types: str) -> EndpointPart:
    return EndpointPart(kind="variant", endpoint_name="dev-text", name="AllTraffic", instance_types=types)


def test_faults_are_shares_of_at_least_five(stack: Any) -> None:
    PartAlarms(part=_part("ml.m5.xlarge"), image=None, latency=Duration.seconds(1)).create(stack)
    Template.from_stack(stack).has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "Metrics": Match.array_with(
                [Match.object_like({"Expression": "IF(faults >= 5, 100 * faults / requests, 0)"})]
            ),
            "Threshold": 5,
            "TreatMissingData": "notBreaching",
            "AlarmDescription": Match.string_like_regexp(r"docs/runbooks\.md#server-faults$"),
        },
    )


@pytest.mark.parametrize(
    ("types", "watched"),
    [
        (("ml.g4dn.xlarge",), True),
        (("ml.m5.xlarge",), False),
        (("ml.g5.12xlarge",), False),  # four GPUs, whose memory the metric adds up
        (("ml.g4dn.xlarge", "ml.m5.xlarge"), False),
    ],
)
def test_gpu_memory_is_watched_where_there_is_one_gpu(stack: Any, types: tuple[str, ...], watched: bool) -> None:
    alarms = PartAlarms(part=_part(*types), image=None, latency=Duration.seconds(1)).create(stack)
    assert any(alarm.node.id == "GpuMemory" for alarm in alarms) is watched


def test_of_one_component_only_its_own_alarms_give_back(stack: Any) -> None:
    alarms = [
        alarm
        for words in ("Chat", "ChatSmall")
        for alarm in PartAlarms(
            part=EndpointPart(kind="component", endpoint_name="dev-text", name=f"dev-text-{words.lower()}"),
            image=None,
            latency=Duration.seconds(1),
            prefix=words,
        ).create(stack)
    ]
    own = [alarm.alarm_name for alarm in alarms if alarm.node.id.startswith("Chat") and "Small" not in alarm.node.id]
    assert sorted(rollback_names(alarms, ROLLBACK_ALARMS, "Chat")) == sorted(own)
