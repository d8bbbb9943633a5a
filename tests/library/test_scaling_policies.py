"""What Application Auto Scaling is told: the right metric for each mode, in the words of its API."""

from typing import Any

import botocore.session
import pytest
from botocore.validate import validate_parameters

from hf_sagemaker.endpoint_parts import EndpointMode, EndpointPart
from hf_sagemaker.scaling_policies import METRICS, EndpointScaling, ScalingMetric, ScheduledCapacity, declared, problems

VARIANT = EndpointPart(kind="variant", endpoint_name="dev-a", name="AllTraffic", instance_types=("ml.g4dn.xlarge",))
SERVERLESS = EndpointPart(kind="variant", endpoint_name="dev-a", name="AllTraffic")
COMPONENT = EndpointPart(kind="component", endpoint_name="dev-a", name="dev-a-chat", instance_types=("ml.g5.xlarge",))
OFFICE = ScheduledCapacity(name="office", cron="0 8 ? * MON-FRI *", time_zone="Europe/Berlin", minimum=2, maximum=8)


def _part(mode: EndpointMode) -> EndpointPart:
    return {"components": COMPONENT, "serverless": SERVERLESS}.get(mode, VARIANT)


def _tracking(said: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = said["Policies"][0]["TargetTrackingScalingPolicyConfiguration"]
    return found


@pytest.mark.parametrize(("mode", "metric"), [(mode, metric) for mode, known in METRICS.items() for metric in known])
def test_every_request_is_one_that_the_api_takes(mode: EndpointMode, metric: ScalingMetric) -> None:
    # Given a declaration with everything in it
    lowest = 0 if mode in ("components", "asynchronous") else 1
    said = declared(mode, _part(mode), EndpointScaling(minimum=lowest, metric=metric, schedule=(OFFICE,)))
    # Then botocore, with its enumerations, has nothing against its requests
    session = botocore.session.get_session()
    api = session.get_service_model("application-autoscaling")
    identity = {"ServiceNamespace": "sagemaker"} | {name: said[name] for name in ("ResourceId", "ScalableDimension")}
    requests = [("RegisterScalableTarget", {name: said[name] for name in ("MinCapacity", "MaxCapacity")})]
    requests += [("PutScalingPolicy", policy) for policy in said["Policies"]]
    requests += [
        ("PutScheduledAction", {name: value for name, value in action.items() if name != "Week"})
        for action in said["Actions"]
    ]
    for operation, request in requests:
        shape = api.operation_model(operation).input_shape
        validate_parameters(identity | request, shape)
        _assert_enumerated(identity | request, shape)
    if said["Alarm"]:
        alarm = {name: value for name, value in said["Alarm"].items() if name != "Policy"} | {"AlarmName": "a"}
        shape = session.get_service_model("cloudwatch").operation_model("PutMetricAlarm").input_shape
        validate_parameters(alarm, shape)
        _assert_enumerated(alarm, shape)


def _assert_enumerated(value: Any, shape: Any) -> None:
    """botocore checks no enumerations by itself."""
    if shape.type_name == "structure":
        for name, each in value.items():
            _assert_enumerated(each, shape.members[name])
    elif shape.type_name == "list":
        for each in value:
            _assert_enumerated(each, shape.member)
    elif getattr(shape, "enum", None):
        assert value in shape.enum


@pytest.mark.parametrize(
    ("mode", "metric"),
    [
        ("real-time", "SageMakerVariantConcurrentRequestsPerModelHighResolution"),
        ("components", "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"),
        ("multi-model", "SageMakerVariantInvocationsPerInstance"),
        ("serverless", "SageMakerVariantProvisionedConcurrencyUtilization"),
    ],
)
def test_a_mode_scales_by_the_metric_that_suits_it(mode: EndpointMode, metric: str) -> None:
    said = _tracking(declared(mode, _part(mode), EndpointScaling()))
    assert said["PredefinedMetricSpecification"] == {"PredefinedMetricType": metric}


def test_an_asynchronous_endpoint_scales_by_its_backlog_per_instance() -> None:
    said = _tracking(declared("asynchronous", VARIANT, EndpointScaling(minimum=1)))
    assert said["CustomizedMetricSpecification"] == {
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": "dev-a"}],
        "Statistic": "Average",
    }


@pytest.mark.parametrize(
    ("mode", "metric", "dimension"),
    [
        ("asynchronous", "HasBacklogWithoutCapacity", {"Name": "EndpointName", "Value": "dev-a"}),
        ("components", "NoCapacityInvocationFailures", {"Name": "InferenceComponentName", "Value": "dev-a-chat"}),
    ],
)
def test_out_of_zero_leads_a_step(mode: EndpointMode, metric: str, dimension: dict[str, str]) -> None:
    said = declared(mode, _part(mode), EndpointScaling(minimum=0))
    assert (said["Alarm"]["MetricName"], said["Alarm"]["Dimensions"]) == (metric, [dimension])
    assert (said["Alarm"]["Threshold"], said["Alarm"]["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
    assert said["Policies"][1]["PolicyName"] == said["Alarm"]["Policy"]
    assert said["Policies"][1]["PolicyType"] == "StepScaling"


def test_a_night_at_zero_needs_the_step_too() -> None:
    night = ScheduledCapacity(name="night", cron="0 20 ? * * *", time_zone="UTC", minimum=0, maximum=1)
    assert declared("asynchronous", VARIANT, EndpointScaling(minimum=1, schedule=(night,)))["Alarm"] is not None


def test_without_zero_there_is_no_step() -> None:
    said = declared("asynchronous", VARIANT, EndpointScaling(minimum=1))
    assert (len(said["Policies"]), said["Alarm"]) == (1, None)


def test_as_asked() -> None:
    said = declared(
        "real-time",
        VARIANT,
        EndpointScaling(
            minimum=2,
            maximum=9,
            metric="gpu-utilization",
            target=60,
            scale_out_cooldown=30,
            scale_in_cooldown=900,
            scale_in=False,
        ),
    )
    assert (said["MinCapacity"], said["MaxCapacity"]) == (2, 9)
    tracking = _tracking(said)
    assert tracking["CustomizedMetricSpecification"]["MetricName"] == "GPUUtilization"
    assert tracking["CustomizedMetricSpecification"]["Namespace"] == "/aws/sagemaker/Endpoints"
    del tracking["CustomizedMetricSpecification"]
    assert tracking == {"TargetValue": 60, "ScaleOutCooldown": 30, "ScaleInCooldown": 900, "DisableScaleIn": True}


def test_a_schedule_comes_with_the_minutes_of_its_week() -> None:
    (action,) = declared("real-time", VARIANT, EndpointScaling(schedule=(OFFICE,)))["Actions"]
    assert action["Schedule"] == "cron(0 8 ? * MON-FRI *)"
    assert action["ScalableTargetAction"] == {"MinCapacity": 2, "MaxCapacity": 8}
    assert action["Week"] == [480, 1920, 3360, 4800, 6240]


@pytest.mark.parametrize(
    ("mode", "scaling", "types", "field", "words"),
    [
        ("real-time", EndpointScaling(metric="backlog"), (), "metric", "real-time has: concurrent-requests, invo"),
        ("asynchronous", EndpointScaling(metric="concurrent-requests"), (), "metric", "asynchronous has: backlog"),
        ("serverless", EndpointScaling(metric="cpu-utilization"), (), "metric", "provisioned-concurrency"),
        ("components", EndpointScaling(metric="gpu-utilization"), (), "metric", "components has: concurrent-requests"),
        ("real-time", EndpointScaling(metric="gpu-memory"), ("ml.m5.xlarge",), "metric", "ml.m5.xlarge has no GPU"),
        ("real-time", EndpointScaling(minimum=0), (), "minimum", "at least 1 in mode real-time"),
        ("serverless", EndpointScaling(target=5), (), "target", "0.1 to 0.9"),
        ("real-time", EndpointScaling(minimum=3, maximum=2), (), "maximum", "at least 3"),
        ("real-time", EndpointScaling(scale_in_cooldown=4000), (), "scale_in_cooldown", "0 to 3600"),
    ],
)
def test_what_does_not_belong_together_is_told(
    mode: EndpointMode, scaling: EndpointScaling, types: tuple[str, ...], field: str, words: str
) -> None:
    ((found, problem),) = problems(mode, scaling, types)
    assert found == field
    assert words in problem


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"cron": "0 8 1 * ? *"}, "cron", "every week"),
        ({"cron": "0 8 ? JAN MON *"}, "cron", "every week"),
        ({"cron": "0/5 * ? * MON *"}, "cron", "at most 50 times"),
        ({"cron": "8 o'clock"}, "cron", "must be"),
        ({"time_zone": "Berlin"}, "time_zone", "Europe/Berlin"),
        ({"minimum": 0}, "minimum", "at least 1"),
    ],
)
def test_a_schedule_that_cannot_be_is_told(changed: dict[str, Any], field: str, words: str) -> None:
    entry = ScheduledCapacity(**({f: getattr(OFFICE, f) for f in OFFICE.__dataclass_fields__} | changed))
    ((found, problem),) = problems("real-time", EndpointScaling(schedule=(entry,)))
    assert found == f"schedule.0.{field}"
    assert words in problem


def test_a_construct_is_told_all_problems_at_once() -> None:
    with pytest.raises(ValueError, match=r"AllTraffic: metric must be .*; minimum must be at least 1"):
        declared("real-time", VARIANT, EndpointScaling(minimum=0, metric="backlog"))
