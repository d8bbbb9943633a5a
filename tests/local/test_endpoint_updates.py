"""Updates of endpoints: traffic goes over step by step and comes back, and no request is lost on the way."""

import json
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.sagemaker.deployment_config import DeploymentConfig
from localcloud.sagemaker.endpoint_update import Baking, RolledBackError
from localcloud.sagemaker.serving_container import Stop
from tests.local.compute_projects import until
from tests.local.quick_endpoints import (
    VARIANT,
    QuickEndpoints,
    blue_green,
    percent,
    quick_endpoints,
    rolling,
)


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickEndpoints]:
    with quick_endpoints(tmp_path_factory.mktemp("localcloud")) as made:
        yield made


def test_a_canary_gets_its_share_and_then_everything_and_no_request_fails(endpoints: QuickEndpoints) -> None:
    # Given an endpoint under load, whose answers take a while
    name = endpoints.create(endpoints.config(endpoints.variant("old", delay=0.1)))
    new = endpoints.config(endpoints.variant("new", delay=0.1))
    canary = blue_green("CANARY", wait=120, CanarySize=percent(25))

    # When it is updated by a canary of a quarter
    with endpoints.load(name) as load:
        endpoints.update(name, new, DeploymentConfig=canary)
        pending = endpoints.baking(name)
        first = len(load.answers)
        described = endpoints.settled(name)
        canaries = load.answers[first : first + 50]

    # Then the canary is seen, in the answers and in the description
    stage = pending["ProductionVariants"][0]["VariantStatus"][0]
    assert pending["EndpointConfigName"] == new
    assert "WaitIntervalInSeconds" in stage["StatusMessage"]
    assert "canary capacity" in stage["StatusMessage"]
    assert 2 <= canaries.count("new") <= 30, canaries

    # And then the new one answers everything, and nobody has seen an error
    assert described["EndpointConfigName"] == new
    assert described["LastDeploymentConfig"] == canary
    assert load.errors == []
    assert load.answers[-1] == "new"


def test_traffic_goes_over_in_equal_steps(endpoints: QuickEndpoints) -> None:
    # Given an endpoint
    name = endpoints.create(endpoints.config(endpoints.variant("old")))
    new = endpoints.config(endpoints.variant("new"))

    # When it is updated in linear steps of a third
    linear = blue_green("LINEAR", wait=30, keep=30, LinearStepSize=percent(34))
    endpoints.update(name, new, DeploymentConfig=linear)
    seen = []
    while endpoints.described(name)["EndpointStatus"] == "Updating":
        pending = endpoints.described(name).get("PendingDeploymentSummary", {})
        for variant in pending.get("ProductionVariants", ()):
            seen += [stage["StatusMessage"] for stage in variant.get("VariantStatus", ())]

    # Then it bakes at each of them, and once more before the old containers go
    stages = list(dict.fromkeys(message for message in seen if message.startswith("Baking")))
    assert "linear capacity" in stages[0]
    assert "(TerminationWaitInSeconds) with traffic enabled on full capacity of 1 instance(s)" in stages[-1]
    assert endpoints.settled(name)["EndpointConfigName"] == new


def test_an_alarm_sends_all_traffic_back_and_no_request_fails(endpoints: QuickEndpoints) -> None:
    # Given an endpoint under load, and an alarm
    old = endpoints.config(endpoints.variant("old", delay=0.1))
    name = endpoints.create(old)
    alarm = endpoints.alarm("OK")
    canary = blue_green("CANARY", wait=1800, alarms=(alarm,), CanarySize=percent(50))

    # When the alarm goes off while the canary bakes
    with endpoints.load(name) as load:
        endpoints.update(name, endpoints.config(endpoints.variant("new", delay=0.1)), DeploymentConfig=canary)
        endpoints.baking(name)
        until(lambda: load.counted["new"], lambda answers: answers > 0, seconds=10)
        endpoints.ring(alarm)
        described = endpoints.settled(name)
        back = len(load.answers)
        until(lambda: len(load.answers), lambda answers: answers > back + 10, seconds=10)

    # Then the endpoint is in service with what it had, and says why
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == old
    assert alarm in described["FailureReason"]
    assert "PendingDeploymentSummary" not in described

    # And nobody has seen an error
    assert load.errors == []
    assert set(load.answers[-5:]) == {"old"}


def test_errors_of_the_canary_ring_the_alarm_that_sends_it_back(endpoints: QuickEndpoints) -> None:
    # Given an endpoint under load, and an alarm that looks at its errors
    old = endpoints.config(endpoints.variant("old"))
    name = endpoints.create(old)
    alarm = f"errors-{name}"
    endpoints.cloudwatch.put_metric_alarm(
        AlarmName=alarm,
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": VARIANT}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )

    # When it is updated to a model that fails
    canary = blue_green("CANARY", wait=1800, alarms=(alarm,), CanarySize=percent(50))
    with endpoints.load(name) as load:
        endpoints.update(name, endpoints.config(endpoints.variant("500")), DeploymentConfig=canary)
        endpoints.baking(name)
        described = endpoints.settled(name)
        failed = len(load.errors)
        answered = len(load.answers)
        until(lambda: len(load.answers), lambda answers: answers > answered + 10, seconds=10)

    # Then it goes back by itself, and only those that the new model got have failed
    assert described["EndpointConfigName"] == old
    assert alarm in described["FailureReason"]
    assert failed > 0
    assert len(load.errors) <= failed + 1  # one may have been on its way
    assert all("Received server error (500) from primary" in error for error in load.errors), load.errors[0]


def test_an_alarm_that_rings_already_ends_the_update_before_anything_is_started(endpoints: QuickEndpoints) -> None:
    # Given an endpoint, and an alarm in ALARM
    old = endpoints.config(endpoints.variant("old"))
    name = endpoints.create(old)
    alarm = endpoints.alarm("ALARM")

    # When it is updated with that alarm, by a configuration that would not even start
    guarded = blue_green("ALL_AT_ONCE", wait=0, alarms=(alarm,))
    endpoints.update(name, endpoints.config(endpoints.variant("unhealthy")), DeploymentConfig=guarded)
    described = endpoints.settled(name)

    # Then the alarm is the reason
    assert described["EndpointConfigName"] == old
    assert alarm in described["FailureReason"]


def test_a_rolling_update_replaces_containers_in_batches(endpoints: QuickEndpoints) -> None:
    # Given an endpoint with two containers, under load
    name = endpoints.create(endpoints.config(endpoints.variant("old", InitialInstanceCount=2, delay=0.1)))
    new = endpoints.config(endpoints.variant("new", InitialInstanceCount=2, delay=0.1))

    # When it is updated one by one
    with endpoints.load(name) as load:
        endpoints.update(name, new, DeploymentConfig=rolling(wait=60, batch=1))
        endpoints.baking(name)
        half = endpoints.described(name)["PendingDeploymentSummary"]["ProductionVariants"][0]
        described = endpoints.settled(name)

    # Then half of it was new at first, and nobody has seen an error
    assert (half["CurrentInstanceCount"], half["DesiredInstanceCount"]) == (1, 2)
    assert described["EndpointConfigName"] == new
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert load.errors == []
    assert load.answers[-1] == "new"


def test_a_rolling_update_rolls_back_to_as_many_as_there_were(endpoints: QuickEndpoints) -> None:
    # Given an endpoint with two containers, under load, and an alarm
    old = endpoints.config(endpoints.variant("old", InitialInstanceCount=2))
    name = endpoints.create(old)
    alarm = endpoints.alarm("OK")

    # When the alarm goes off after the last batch: nothing of the old is left then
    new = endpoints.config(endpoints.variant("new", InitialInstanceCount=2))
    with endpoints.load(name) as load:
        endpoints.update(name, new, DeploymentConfig=rolling(wait=120, batch=1, alarms=(alarm,)))
        until(lambda: endpoints.described(name)["ProductionVariants"][0], _has_one, seconds=30)
        endpoints.ring(alarm)
        described = endpoints.settled(name)

    # Then there are two of the old again, and nobody has seen an error
    assert described["EndpointConfigName"] == old
    assert alarm in described["FailureReason"]
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert load.errors == []


def _has_one(variant: dict[str, Any]) -> bool:
    return bool(variant["CurrentInstanceCount"] == 1)


def running_containers(endpoints: QuickEndpoints, name: str) -> int:
    """How many of an endpoint's run."""
    with urllib.request.urlopen(f"{endpoints.running.endpoint_url}/_localcloud/status") as answer:
        containers = json.load(answer)["containers"]
    return sum(f"endpoint {name}," in each["description"] and each["exit_code"] is None for each in containers)


def test_a_rollback_that_fails_leaves_both_in_service(endpoints: QuickEndpoints) -> None:
    # Given a rolling update under way, whose alarm goes off when no old container can be started any more
    old = endpoints.variant("old", InitialInstanceCount=2)
    name = endpoints.create(endpoints.config(old))
    alarm = endpoints.alarm("OK")
    new = endpoints.config(endpoints.variant("new", InitialInstanceCount=2))
    endpoints.update(name, new, DeploymentConfig=rolling(wait=120, batch=1, alarms=(alarm,)))
    until(lambda: endpoints.described(name)["ProductionVariants"][0], _has_one, seconds=30)
    endpoints.sagemaker.delete_model(ModelName=old["ModelName"])
    endpoints.ring(alarm)

    # Then the endpoint says so, and serves
    described = endpoints.settled(name)
    assert described["EndpointStatus"] == "UpdateRollbackFailed"
    assert "The rollback failed too" in described["FailureReason"]
    assert endpoints.ask(name) in ("old", "new")

    # And an update that fails leaves it so
    endpoints.update(name, endpoints.config(endpoints.variant("unhealthy")))
    assert "did not pass the ping health check" in endpoints.settled(name)["FailureReason"]
    assert endpoints.ask(name) in ("old", "new")

    # And the next one repairs it, and leaves nothing of both
    repaired = endpoints.config(endpoints.variant("repaired"))
    endpoints.update(name, repaired)
    assert endpoints.settled(name)["EndpointConfigName"] == repaired
    assert {endpoints.ask(name) for _ in range(10)} == {"repaired"}
    assert running_containers(endpoints, name) == 1


def test_an_update_that_takes_too_long_is_undone() -> None:
    # Given an update that would bake longer than it may take
    endless = blue_green("CANARY", wait=1200, CanarySize=percent(50))
    endless["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 600
    baking = Baking(DeploymentConfig(endless), "123456789012", "us-east-1", lambda seconds: seconds / 6000, Stop())

    # Then its time is over before that
    baking.wait(500)
    with pytest.raises(RolledBackError, match=r"MaximumExecutionTimeoutInSeconds \(600\)"):
        baking.wait(1200)


@pytest.mark.parametrize(
    ("deployment", "words"),
    [
        (blue_green("CANARY", wait=0, CanarySize=percent(60)), "CanarySize must be 1 to 50 percent"),
        (blue_green("CANARY", wait=0), "type CANARY has CanarySize"),
        (rolling(wait=0, batch=1), "at most 50 percent of the variant's 1 instance"),
        ({**rolling(wait=0, batch=1), **blue_green("ALL_AT_ONCE", wait=0)}, "not both"),
    ],
)
def test_a_deployment_that_cannot_be_is_refused(
    endpoints: QuickEndpoints, serving: str, deployment: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=words) as error:
        endpoints.update(serving, endpoints.config(endpoints.variant("new")), DeploymentConfig=deployment)
    assert error.value.response["Error"]["Code"] == "ValidationException"


@pytest.fixture(scope="module")
def serving(endpoints: QuickEndpoints) -> str:
    """An endpoint in service, which no test changes; its name."""
    return endpoints.create(endpoints.config(endpoints.variant("old")))


@pytest.mark.parametrize(
    "change", [{"InstanceType": "ml.g5.xlarge"}, {"VariantName": "Another"}], ids=["another type", "removed"]
)
def test_a_registered_variant_is_neither_removed_nor_given_another_type(
    endpoints: QuickEndpoints, serving: str, change: dict[str, str]
) -> None:
    # Given an endpoint whose variant Application Auto Scaling knows
    register(endpoints, serving)

    # When an update would take it away, or give it other instances
    with pytest.raises(ClientError, match="must be deregistered as scalable targets") as error:
        endpoints.update(serving, endpoints.config(endpoints.variant("new", **change)))

    # Then it is refused, and the variant is named
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert f"endpoint/{serving}/variant/{VARIANT}" in str(error.value)
    assert endpoints.described(serving)["EndpointStatus"] == "InService"


def register(endpoints: QuickEndpoints, name: str) -> None:
    endpoints.running.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="sagemaker",
        ResourceId=f"endpoint/{name}/variant/{VARIANT}",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        MinCapacity=1,
        MaxCapacity=2,
    )


def test_a_registered_variant_gets_another_model_and_a_deletion_deregisters_it(endpoints: QuickEndpoints) -> None:
    # Given an endpoint whose variant Application Auto Scaling knows
    name = endpoints.create(endpoints.config(endpoints.variant("old")))
    register(endpoints, name)

    # When it gets another model
    endpoints.update(name, endpoints.config(endpoints.variant("new")))
    endpoints.settled(name)

    # Then that one answers
    assert endpoints.ask(name) == "new"

    # And when it is deleted, nobody scales it any more
    endpoints.sagemaker.delete_endpoint(EndpointName=name)
    targets = endpoints.running.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker"
    )
    assert f"endpoint/{name}/variant/{VARIANT}" not in [each["ResourceId"] for each in targets["ScalableTargets"]]


def test_what_is_being_changed_is_neither_updated_nor_deleted(endpoints: QuickEndpoints) -> None:
    # Given an endpoint whose update bakes
    name = endpoints.create(endpoints.config(endpoints.variant("old")))
    new = endpoints.config(endpoints.variant("new"))
    endpoints.update(name, new, DeploymentConfig=blue_green("ALL_AT_ONCE", wait=0, keep=60))

    # Then whoever wants to change it must wait
    for change in (
        lambda: endpoints.update(name, new),
        lambda: endpoints.sagemaker.delete_endpoint(EndpointName=name),
        lambda: endpoints.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": VARIANT, "DesiredInstanceCount": 2}]
        ),
    ):
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            change()
    assert endpoints.settled(name)["EndpointConfigName"] == new


@pytest.mark.parametrize(
    ("options", "count", "weight"),
    [
        ({"RetainAllVariantProperties": True}, 2, 3.0),
        ({}, 1, 1.0),
        (
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredInstanceCount"}],
            },
            1,
            3.0,
        ),
        (
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
            },
            2,
            1.0,
        ),
    ],
    ids=["all", "nothing", "not the count", "not the weight"],
)
def test_an_update_keeps_what_scaling_has_set(
    endpoints: QuickEndpoints, options: dict[str, Any], count: int, weight: float
) -> None:
    # Given an endpoint that was scaled
    name = endpoints.create(endpoints.config(endpoints.variant("old")))
    change = {"VariantName": VARIANT, "DesiredInstanceCount": 2, "DesiredWeight": 3.0}
    endpoints.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=[change])
    endpoints.settled(name)

    # When it is updated
    endpoints.update(name, endpoints.config(endpoints.variant("new", InitialVariantWeight=1.0)), **options)
    (variant,) = endpoints.settled(name)["ProductionVariants"]

    # Then the update keeps what it was told to keep
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (count, weight)


def test_the_last_deployment_configuration_is_used_again_when_it_is_retained(endpoints: QuickEndpoints) -> None:
    # Given an endpoint that was made with a deployment configuration
    name = f"endpoint-{uuid.uuid4().hex[:8]}"
    canary = blue_green("CANARY", wait=60, CanarySize=percent(50))
    config = endpoints.config(endpoints.variant("old"))
    endpoints.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, DeploymentConfig=canary)
    endpoints.settled(name)

    # When it is updated with that one
    endpoints.update(name, endpoints.config(endpoints.variant("new")), RetainDeploymentConfig=True)

    # Then it bakes
    assert "canary" in endpoints.baking(name)["ProductionVariants"][0]["VariantStatus"][0]["StatusMessage"]
    assert endpoints.settled(name)["LastDeploymentConfig"] == canary


def test_every_change_of_status_is_an_event(endpoints: QuickEndpoints) -> None:
    # Given a rule for what SageMaker says of endpoints
    sqs, events = endpoints.running.client("sqs"), endpoints.running.client("events")
    url = sqs.create_queue(QueueName="endpoint-events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    kinds = '["SageMaker Endpoint State Change", "SageMaker Endpoint Deployment State Change"]'
    events.put_rule(Name="endpoints", EventPattern=f'{{"source": ["aws.sagemaker"], "detail-type": {kinds}}}')
    events.put_targets(Rule="endpoints", Targets=[{"Id": "queue", "Arn": arn}])

    # When an endpoint is made, updated with an alarm that rings, and deleted
    name = endpoints.create(endpoints.config(endpoints.variant("old")))
    guarded = blue_green("ALL_AT_ONCE", wait=0, alarms=(endpoints.alarm("ALARM"),))
    endpoints.update(name, endpoints.config(endpoints.variant("new")), DeploymentConfig=guarded)
    endpoints.settled(name)
    endpoints.sagemaker.delete_endpoint(EndpointName=name)

    # Then each status was told
    said: set[str] = set()

    def listen() -> set[str]:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            said.update(status for status in _STATUSES if f'"EndpointStatus": "{status}"' in message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return said

    until(listen, lambda seen: seen == set(_STATUSES), seconds=15)


_STATUSES = ("CREATING", "IN_SERVICE", "UPDATING", "ROLLING_BACK", "DELETING")
