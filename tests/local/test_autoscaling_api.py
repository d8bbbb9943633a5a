"""Application Auto Scaling of a running embedded AWS: what is registered, and an endpoint that really scales."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.compute_projects import Projects, until
from tests.local.embedded_aws import RunningLocalCloud
from tests.local.test_compute_endpoints import DOCKERFILE, SERVE, Endpoints, model

VARIANT = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/some/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
CONCURRENCY = {
    "PolicyName": "concurrency",
    "PolicyType": "TargetTrackingScaling",
    "TargetTrackingScalingPolicyConfiguration": {
        "TargetValue": 5.0,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
        },
    },
}
MORNING = {
    "ScheduledActionName": "morning",
    "Schedule": "cron(0 8 ? * MON-FRI *)",
    "Timezone": "Europe/Berlin",
    "ScalableTargetAction": {"MinCapacity": 2, "MaxCapacity": 4},
}


@pytest.fixture
def scaling(quick_localcloud: RunningLocalCloud) -> Iterator[Any]:
    """The client; whatever is registered is deregistered afterwards."""
    client = quick_localcloud.client("application-autoscaling")
    yield client
    for target in client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]:
        client.deregister_scalable_target(**{name: target[name] for name in VARIANT})


def alarms(running: RunningLocalCloud) -> dict[str, Any]:
    found = running.client("cloudwatch").describe_alarms(AlarmNamePrefix="TargetTracking-")["MetricAlarms"]
    return {each["AlarmName"]: each for each in found}


@pytest.mark.parametrize(
    ("resource_id", "dimension"),
    [
        ("endpoint/some/variant/One", "sagemaker:variant:DesiredInstanceCount"),
        ("endpoint/some/variant/One", "sagemaker:variant:DesiredProvisionedConcurrency"),
        ("inference-component/one", "sagemaker:inference-component:DesiredCopyCount"),
    ],
)
def test_everything_that_scales_can_be_registered(scaling: Any, resource_id: str, dimension: str) -> None:
    scaling.register_scalable_target(
        ServiceNamespace="sagemaker", ResourceId=resource_id, ScalableDimension=dimension, MinCapacity=0, MaxCapacity=2
    )

    (found,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[resource_id])[
        "ScalableTargets"
    ]
    assert (found["ScalableDimension"], found["MinCapacity"], found["MaxCapacity"]) == (dimension, 0, 2)
    assert "aws-service-role/sagemaker.application-autoscaling" in found["RoleARN"]


def test_a_resource_of_another_kind_than_its_dimension_is_refused(scaling: Any) -> None:
    with pytest.raises(ClientError, match="Unsupported service namespace, resource type or scalable dimension"):
        scaling.register_scalable_target(
            **VARIANT | {"ResourceId": "inference-component/x"}, MinCapacity=1, MaxCapacity=2
        )


def test_target_tracking_makes_its_alarms_and_keeps_its_arn(scaling: Any, quick_localcloud: RunningLocalCloud) -> None:
    # Given a policy
    scaling.register_scalable_target(**VARIANT, MinCapacity=1, MaxCapacity=2)
    first = scaling.put_scaling_policy(**VARIANT, **CONCURRENCY)

    # Then it has an alarm for each direction, on the metric of its variant
    made = alarms(quick_localcloud)
    high, low = (made[each["AlarmName"]] for each in first["Alarms"])
    assert (high["Threshold"], high["Period"], high["EvaluationPeriods"]) == (5, 10, 3)
    assert (low["Threshold"], low["Period"], low["EvaluationPeriods"]) == (4.5, 10, 90)
    assert {each["Name"]: each["Value"] for each in high["Dimensions"]} == {
        "EndpointName": "some",
        "VariantName": "AllTraffic",
    }
    assert high["AlarmActions"] == [first["PolicyARN"]]

    # When it is put again, then it is the same policy, with other alarms
    second = scaling.put_scaling_policy(**VARIANT, **CONCURRENCY)
    assert second["PolicyARN"] == first["PolicyARN"]
    assert set(alarms(quick_localcloud)) == {each["AlarmName"] for each in second["Alarms"]}


def test_deregistering_removes_policies_alarms_and_actions(scaling: Any, quick_localcloud: RunningLocalCloud) -> None:
    # Given a target with a policy and a scheduled action
    scaling.register_scalable_target(**VARIANT, MinCapacity=1, MaxCapacity=2)
    scaling.put_scaling_policy(**VARIANT, **CONCURRENCY)
    scaling.put_scheduled_action(**VARIANT, **MORNING)

    # When it is deregistered, then all of them are gone
    scaling.deregister_scalable_target(**VARIANT)
    assert scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"] == []
    assert scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"] == []
    assert alarms(quick_localcloud) == {}


@pytest.mark.parametrize(
    "call",
    [
        lambda scaling: scaling.deregister_scalable_target(**VARIANT),
        lambda scaling: scaling.put_scaling_policy(**VARIANT, **CONCURRENCY),
        lambda scaling: scaling.put_scheduled_action(**VARIANT, **MORNING),
        lambda scaling: scaling.delete_scheduled_action(**VARIANT, ScheduledActionName="morning"),
        lambda scaling: scaling.delete_scaling_policy(**VARIANT, PolicyName="concurrency"),
    ],
)
def test_what_is_not_registered_is_not_found(scaling: Any, call: Callable[[Any], object]) -> None:
    with pytest.raises(ClientError) as refused:
        call(scaling)

    assert refused.value.response["Error"]["Code"] == "ObjectNotFoundException"


def test_a_schedule_that_is_not_understood_is_refused(scaling: Any) -> None:
    scaling.register_scalable_target(**VARIANT, MinCapacity=1, MaxCapacity=2)

    with pytest.raises(ClientError, match="six fields"):
        scaling.put_scheduled_action(**VARIANT, **MORNING | {"Schedule": "cron(0 8 * * *)"})


@pytest.fixture(scope="module")
def endpoints(quick_localcloud: RunningLocalCloud) -> Endpoints:
    projects = Projects(quick_localcloud)
    return Endpoints(
        quick_localcloud, projects.image({"Dockerfile": DOCKERFILE, "serve.py": SERVE}, "inference"), projects.bucket
    )


def test_an_endpoint_follows_its_load(endpoints: Endpoints, scaling: Any) -> None:
    # Given an endpoint with one instance that is scaled by a metric
    name, described = endpoints.create(endpoints.config(model("hello")))
    assert described["EndpointStatus"] == "InService", described
    variant = VARIANT | {"ResourceId": f"endpoint/{name}/variant/AllTraffic"}
    scaling.register_scalable_target(**variant, MinCapacity=1, MaxCapacity=2)
    metric = {"Namespace": "Load", "MetricName": name, "Statistic": "Average", "Dimensions": []}
    tracked = {"TargetValue": 5.0, "CustomizedMetricSpecification": metric, "ScaleOutCooldown": 0, "ScaleInCooldown": 0}
    scaling.put_scaling_policy(
        **variant,
        PolicyName="load",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=tracked,
    )
    cloudwatch = endpoints.running.client("cloudwatch")

    def instances(load: float) -> int:
        cloudwatch.put_metric_data(Namespace="Load", MetricData=[{"MetricName": name, "Value": load}])
        (found,) = endpoints.sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"]
        return int(found["CurrentInstanceCount"])

    # When the load is twice what one instance is to have, then there are two
    until(lambda: instances(10), lambda count: count == 2, seconds=120)
    # And when it is gone for a quarter of an hour, one again
    until(lambda: instances(0), lambda count: count == 1, seconds=120)
    # And the activities tell both
    activities = scaling.describe_scaling_activities(ServiceNamespace="sagemaker", ResourceId=variant["ResourceId"])
    wanted = ["Setting desired instance count to 1.", "Setting desired instance count to 2."]
    assert [each["Description"] for each in activities["ScalingActivities"]] == wanted
    endpoints.settled(name)
    endpoints.delete(name)
