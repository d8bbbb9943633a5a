"""What scales an endpoint, with a SageMaker that only counts: policies, cooldowns, bounds, schedules, suspension."""

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.cloudwatch.models import cloudwatch_backends

from localcloud.autoscaling import tracking
from localcloud.autoscaling.capacity import INSTANCES
from localcloud.autoscaling.scaler import Scaler
from localcloud.cloudwatch.metrics import store_of
from localcloud.settings import LocalCloud

VARIANT = "endpoint/some/variant/AllTraffic"
REGION = "us-east-1"


class CountingSageMaker:
    """An endpoint of one variant that has its instances at once."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.status = "InService"
        self.refuses = ""
        self.seconds = 0.0

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803 (boto3's name)
        time.sleep(self.seconds)
        variant = {
            "VariantName": "AllTraffic",
            "DesiredInstanceCount": self.count,
            "CurrentInstanceCount": self.count,
        }
        return {"EndpointName": EndpointName, "EndpointStatus": self.status, "ProductionVariants": [variant]}

    def update_endpoint_weights_and_capacities(
        self,
        EndpointName: str,  # noqa: N803
        DesiredWeightsAndCapacities: list[dict[str, Any]],  # noqa: N803
    ) -> None:
        if self.refuses:
            raise ClientError({"Error": {"Code": "ValidationException", "Message": self.refuses}}, EndpointName)
        (change,) = DesiredWeightsAndCapacities
        self.count = change["DesiredInstanceCount"]


class Scaled:
    """A registered variant of an account of its own, whose minute of waiting lasts a second."""

    def __init__(self, tmp_path: Path, *, count: int, least: int = 1, most: int = 10) -> None:
        self.account = str(uuid.uuid4().int)[:12]
        self.sagemaker = CountingSageMaker(count)
        self.cloud = LocalCloud(
            port=1,
            state_dir=tmp_path,
            image_store=tmp_path,
            requirements_dir=tmp_path,
            minute=1,
            account=self.account,
        )
        self.scaler = Scaler(self.cloud, lambda account, region: self.sagemaker)
        self.backend = applicationautoscaling_backends[self.account][REGION]
        self.target = self.backend.register_scalable_target("sagemaker", VARIANT, INSTANCES, least, most, "", None)  # type: ignore[arg-type]
        self.cloudwatch = cloudwatch_backends[self.account][REGION]

    def policy(self, name: str, kind: str, **configuration: Any) -> Any:
        return self.backend.put_scaling_policy(name, "sagemaker", VARIANT, INSTANCES, configuration, kind)

    def tracking(self, name: str = "target", **more: Any) -> tuple[Any, Any]:
        """A policy that aims at 5 of the metric of that name; its two alarms."""
        metric = {"Namespace": "Own", "MetricName": name, "Statistic": "Average", "Dimensions": []}
        policy = self.policy(name, "TargetTrackingScaling", TargetValue=5, CustomizedMetricSpecification=metric, **more)
        policy.alarms = tracking.make_alarms(policy)
        high, *low = policy.alarms
        return high, low[0] if low else None

    def measured(self, value: float, name: str = "target") -> None:
        """The only data point of the last whole minutes."""
        for back in range(5):
            at = time.time() - back * self.cloud.seconds(60)
            datum = {"MetricName": name, "Value": value, "Timestamp": datetime.fromtimestamp(at, UTC)}
            store_of(self.cloudwatch).put("Own", datum)

    def goes_off(self, alarm: Any) -> None:
        alarm.state_value = "ALARM"
        (arn,) = alarm.alarm_actions
        self.scaler.act(arn, alarm)

    @property
    def activities(self) -> list[dict[str, Any]]:
        return [each.describe() for each in self.scaler.activities(self.account, REGION)]


MakeScaled = Callable[..., Scaled]


@pytest.fixture
def scaled(tmp_path: Path) -> Iterator[MakeScaled]:
    made: list[Scaled] = []

    def make(**arguments: Any) -> Scaled:
        made.append(Scaled(tmp_path, **arguments))
        return made[-1]

    yield make
    for each in made:
        each.scaler.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_high_metric_brings_what_it_is_in_proportion_to(scaled: MakeScaled) -> None:
    # Given two instances, with three times as much of the metric as is aimed at
    variant = scaled(count=2)
    high, _ = variant.tracking()
    variant.measured(15)

    # When the alarm goes off, then there are three times as many
    variant.goes_off(high)
    assert variant.sagemaker.count == 6
    # And the activity says why
    (activity,) = variant.activities
    assert activity["StatusCode"] == "Successful"
    assert activity["Description"] == "Setting desired instance count to 6."
    assert high.name in activity["Cause"]


def test_a_low_metric_gives_back_what_is_not_needed(scaled: MakeScaled) -> None:
    variant = scaled(count=6, least=2)
    _, low = variant.tracking()
    variant.measured(0)

    variant.goes_off(low)

    assert variant.sagemaker.count == 2


def test_capacity_stays_within_its_bounds(scaled: MakeScaled) -> None:
    variant = scaled(count=2, most=4)
    high, _ = variant.tracking()
    variant.measured(500)

    variant.goes_off(high)

    assert variant.sagemaker.count == 4


def test_target_tracking_cannot_leave_zero_and_a_step_can(scaled: MakeScaled) -> None:
    # Given nothing
    variant = scaled(count=0, least=0)
    high, _ = variant.tracking()
    variant.measured(100)

    # When target tracking is asked, then nothing comes of it
    variant.goes_off(high)
    assert variant.sagemaker.count == 0

    # And a step brings the first one
    step = variant.policy(
        "from-zero",
        "StepScaling",
        AdjustmentType="ChangeInCapacity",
        StepAdjustments=[{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
    )
    high.alarm_actions = [step.policy_arn]
    variant.goes_off(high)
    assert variant.sagemaker.count == 1


def test_what_was_added_counts_until_the_cooldown_is_over(scaled: MakeScaled) -> None:
    # Given a step that adds two, with a cooldown of five minutes
    variant = scaled(count=1)
    high, _ = variant.tracking()
    variant.measured(6)
    step = variant.policy(
        "steps",
        "StepScaling",
        AdjustmentType="ChangeInCapacity",
        Cooldown=300,
        StepAdjustments=[
            {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 2},
            {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 3},
        ],
    )
    high.alarm_actions = [step.policy_arn]
    variant.goes_off(high)
    assert variant.sagemaker.count == 3

    # When it is asked again within it, then nothing happens; and a larger step adds only what is larger about it
    variant.goes_off(high)
    assert variant.sagemaker.count == 3
    variant.measured(100)
    variant.goes_off(high)
    assert variant.sagemaker.count == 4

    # And after the cooldown it adds again
    time.sleep(variant.cloud.seconds(301))
    variant.measured(100)
    variant.goes_off(high)
    assert variant.sagemaker.count == 7


def test_scaling_in_waits_for_the_cooldowns(scaled: MakeScaled) -> None:
    # Given a scaling out, with a cooldown of two minutes
    variant = scaled(count=2)
    high, low = variant.tracking(ScaleOutCooldown=120, ScaleInCooldown=0)
    variant.measured(10)
    variant.goes_off(high)
    assert variant.sagemaker.count == 4

    # When the metric falls within it, then nothing is given back before it is over
    variant.measured(0)
    variant.goes_off(low)
    assert variant.sagemaker.count == 4
    time.sleep(variant.cloud.seconds(121))
    variant.measured(0)
    variant.goes_off(low)
    assert variant.sagemaker.count == 1


def test_capacity_is_given_back_only_when_every_policy_would(scaled: MakeScaled) -> None:
    # Given two policies, of which one needs what is there
    variant = scaled(count=4)
    _, low = variant.tracking("one")
    _, other = variant.tracking("other")
    other.state_value = "OK"
    variant.measured(0, "one")

    # When the other's alarm asks, then nothing is given back; with both it is
    variant.goes_off(low)
    assert variant.sagemaker.count == 4
    other.state_value = "ALARM"
    variant.goes_off(low)
    assert variant.sagemaker.count == 1


def test_a_policy_that_may_not_scale_in_has_no_alarm_for_it(scaled: MakeScaled) -> None:
    high, low = scaled(count=1).tracking(DisableScaleIn=True)

    assert tracking.HIGH in high.name
    assert low is None


@pytest.mark.parametrize(("what", "value"), [("DynamicScalingOutSuspended", 50), ("DynamicScalingInSuspended", 0)])
def test_what_is_suspended_is_not_done(scaled: MakeScaled, what: str, value: float) -> None:
    variant = scaled(count=3)
    high, low = variant.tracking()
    variant.target.suspended_state = {what: True}  # type: ignore[assignment]
    variant.measured(value)

    variant.goes_off(high if value else low)

    assert variant.sagemaker.count == 3


def test_nothing_is_asked_of_an_endpoint_that_changes(scaled: MakeScaled) -> None:
    variant = scaled(count=2)
    variant.sagemaker.status = "Updating"
    high, _ = variant.tracking()
    variant.measured(50)

    variant.goes_off(high)

    assert (variant.sagemaker.count, variant.activities) == (2, [])


def test_two_alarms_that_ask_at_the_same_moment_are_both_heard(scaled: MakeScaled) -> None:
    # Given an alarm that would give back what is at its minimum already, and one of another policy that wants more
    variant = scaled(count=1)
    variant.sagemaker.seconds = 0.3
    _, low = variant.tracking("idle")
    high, _ = variant.tracking("waiting")
    variant.measured(0, "idle")
    variant.measured(15, "waiting")

    # When both ask at once
    for alarm in (low, high):
        alarm.state_value = "ALARM"
        variant.scaler.ask(alarm.alarm_actions[0], alarm)

    # Then there is what the second one wants
    until(lambda: variant.sagemaker.count == 3)


def test_a_refusal_is_a_failed_activity(scaled: MakeScaled) -> None:
    variant = scaled(count=2)
    variant.sagemaker.refuses = "no more instances in this account"
    high, _ = variant.tracking()
    variant.measured(50)

    variant.goes_off(high)

    (activity,) = variant.activities
    assert activity["StatusCode"] == "Failed"
    assert "no more instances in this account" in activity["StatusMessage"]


def test_a_new_minimum_is_reached_as_soon_as_the_endpoint_takes_changes(scaled: MakeScaled) -> None:
    # Given an endpoint that is being created, with one instance where three are the least
    variant = scaled(count=1, least=3)
    variant.sagemaker.status = "Creating"
    variant.scaler.start()
    variant.scaler.check_bounds(variant.target, "")
    time.sleep(0.5)
    assert variant.sagemaker.count == 1

    # When it is in service, then it gets the others
    variant.sagemaker.status = "InService"
    until(lambda: variant.sagemaker.count == 3)


def test_a_scheduled_action_changes_the_bounds(scaled: MakeScaled) -> None:
    # Given one that comes every minute
    variant = scaled(count=1)
    bounds: Any = {"MinCapacity": 4, "MaxCapacity": 8}
    at: Any = None
    variant.backend.put_scheduled_action(
        "sagemaker", "rate(1 minute)", "UTC", "morning", VARIANT, INSTANCES, at, at, bounds
    )

    # When its time has come, then the target has its bounds, and the endpoint what they ask for
    variant.scaler.start()
    until(lambda: variant.sagemaker.count == 4)
    assert (variant.target.min_capacity, variant.target.max_capacity) == (4, 8)
    until(lambda: bool(variant.activities))
    assert "morning" in variant.activities[0]["Cause"]
