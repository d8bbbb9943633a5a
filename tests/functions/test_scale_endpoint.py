"""Scaling around updates: what is deregistered when, and that the registration ends as declared, whatever happens."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from scale_endpoint import handler, live
from scale_endpoint.declaration import parsed
from scale_endpoint.registration import Clients
from tests.functions.scaled_account import PATH, STACK, Account, Deployments, document, target, variant

G4, G5 = {"AllTraffic": "ml.g4dn.xlarge"}, {"AllTraffic": "ml.g5.xlarge"}
CONFIGS = {"small": G4, "other-model": G4, "large": G5, "two": {**G4, "Challenger": "ml.g4dn.xlarge"}}
SCALES = document(target())
BOTH = document(target(), target("Challenger"))
STEP = {"PolicyName": "FromZero", "PolicyType": "StepScaling", "StepScalingPolicyConfiguration": {"Cooldown": 300}}
ALARM = {"Policy": "FromZero", "MetricName": "HasBacklogWithoutCapacity", "Threshold": 1.0}
FROM_ZERO = document(target(Policies=[STEP], Alarm=ALARM, MinCapacity=0))


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    made = Account(dict(CONFIGS))
    clients = Clients(scaling=made, cloudwatch=made, sagemaker=made, ssm=made, cloudformation=made)
    monkeypatch.setattr(handler, "_clients", lambda: clients)
    monkeypatch.setattr(handler.time, "sleep", lambda seconds: None)
    return made


@pytest.fixture
def stack(account: Account, waiting: Any) -> Deployments:
    """With the endpoint deployed on ml.g4dn.xlarge and registered, and what that took forgotten."""
    made = Deployments(account, waiting)
    made.deploy("small", SCALES)
    account.calls.clear()
    return made


def test_a_new_endpoint_is_registered_when_it_is_there(account: Account, waiting: Any) -> None:
    Deployments(account, waiting).deploy("small", SCALES)
    assert account.calls == ["register AllTraffic", "policy Target"]
    assert account.targets[variant()]["MaxCapacity"] == 4


def test_another_instance_type_goes_off_the_registration_and_back(stack: Deployments) -> None:
    stack.deploy("large", SCALES)
    assert stack.account.calls == ["deregister AllTraffic", "update large", "register AllTraffic", "policy Target"]


def test_with_another_model_scaling_only_rests(stack: Deployments) -> None:
    stack.deploy("other-model", SCALES)
    assert stack.account.calls == ["suspend AllTraffic", "update other-model", "register AllTraffic"]
    assert not any(stack.account.targets[variant()]["SuspendedState"].values())


def test_no_scaling_begins_between_the_pause_and_the_update(stack: Deployments) -> None:
    # Given an endpoint that would scale whenever nobody looks
    stack.account.load = True
    # Then its update is not refused
    stack.deploy("other-model", SCALES)
    assert stack.account.serving == "other-model"


def test_a_variant_that_goes_is_deregistered_first_and_the_other_one_stays(account: Account, waiting: Any) -> None:
    stack = Deployments(account, waiting)
    stack.deploy("two", BOTH)
    account.calls.clear()
    stack.deploy("small", SCALES)
    assert account.calls == ["suspend AllTraffic", "deregister Challenger", "update small", "register AllTraffic"]
    assert list(account.targets) == [variant()]


@pytest.mark.parametrize("step", Deployments.steps)
@pytest.mark.parametrize("to", ["large", "two"])
def test_a_rollback_at_any_step_ends_as_it_was(stack: Deployments, step: str, to: str) -> None:
    # Given an update to another type, or to two variants, that fails after one of its steps
    stack.deploy(to, BOTH if to == "two" else SCALES, fails_at=step)
    # Then the endpoint serves as before, and is registered as before
    assert stack.account.serving == "small"
    assert list(stack.account.targets) == [variant()]
    assert list(stack.account.policies) == [(variant(), "Target")]


@pytest.mark.parametrize("step", Deployments.steps)
def test_a_rollback_to_two_variants_registers_both(account: Account, waiting: Any, step: str) -> None:
    stack = Deployments(account, waiting)
    stack.deploy("two", BOTH)
    stack.deploy("large", SCALES, fails_at=step)
    assert account.serving == "two"
    assert sorted(account.targets) == [variant(), variant("Challenger")]


@pytest.mark.parametrize("step", Deployments.steps)
def test_after_an_interruption_at_any_step_a_look_registers_what_is_declared(stack: Deployments, step: str) -> None:
    # Given a deployment of which nothing is heard any more after one of its steps
    stack.deploy("large", SCALES, dies_at=step)
    # When its end is told, whatever the end is
    stack.account.status = "UPDATE_ROLLBACK_FAILED"
    done = stack.event(stack=STACK)
    # Then what there is scales
    assert done == {"dev-text": "as declared"}
    assert list(stack.account.targets) == [variant()]


def test_a_look_does_not_disturb_a_deployment(stack: Deployments) -> None:
    # Given an endpoint that has been deregistered, and is about to be updated
    stack.deploy("large", SCALES, dies_at="pause")
    # When a scaling activity's end is told
    done = stack.event(endpoint="dev-text")
    # Then it stays deregistered
    assert done == {"dev-text": "its stack is being deployed"}
    assert stack.account.targets == {}


@pytest.mark.parametrize("step", [None, *Deployments.steps])
def test_a_function_that_runs_twice_does_the_same(account: Account, waiting: Any, step: str | None) -> None:
    stack = Deployments(account, waiting, twice=True)
    stack.deploy("small", SCALES)
    stack.deploy("large", SCALES, fails_at=step)
    assert account.serving == ("small" if step else "large")
    assert list(account.targets) == [variant()]
    assert list(account.policies) == [(variant(), "Target")]


def test_an_update_waits_for_a_scaling_activity(stack: Deployments) -> None:
    stack.account.activity = 4
    stack.deploy("other-model", SCALES)
    assert (stack.account.activity, stack.account.serving) == (0, "other-model")


def test_an_activity_without_an_end_fails_the_deployment_with_what_to_do(
    stack: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PATIENCE", 20.0)
    stack.account.activity = 1000
    with pytest.raises(AssertionError, match=r"StillMoving: The endpoint dev-text has been changing.* Deploy again"):
        stack.deploy("other-model", SCALES)


def test_scaling_that_is_added_later_is_registered(account: Account, waiting: Any) -> None:
    stack = Deployments(account, waiting)
    stack.deploy("small", document())
    assert account.targets == {}
    stack.deploy("large", SCALES)
    assert list(account.targets) == [variant()]


def test_scaling_that_is_taken_away_is_deregistered_also_with_another_type(stack: Deployments) -> None:
    stack.deploy("large", document())
    assert (stack.account.serving, stack.account.targets) == ("large", {})


@pytest.mark.parametrize("step", Deployments.steps)
def test_scaling_that_was_not_taken_away_after_all_is_back(stack: Deployments, step: str) -> None:
    stack.deploy("large", document(), fails_at=step)
    assert list(stack.account.targets) == [variant()]


def test_a_stack_that_is_deleted_leaves_nothing_registered(stack: Deployments) -> None:
    stack.deploy("small", FROM_ZERO)
    stack.delete()
    assert (stack.account.targets, stack.account.alarms) == ({}, {})


def test_a_registration_of_somebody_else_is_taken_over(account: Account, waiting: Any) -> None:
    # Given an endpoint that CloudFormation's own resources registered
    account.serving = "small"
    account.targets[variant()] = parsed(SCALES).targets[0].identity | {"MinCapacity": 1, "MaxCapacity": 2}
    account.policies[variant(), "ConcurrentRequests"] = {"PolicyName": "ConcurrentRequests", "PolicyARN": "arn:old"}
    # When it is deployed with ours, whose clean-up then deletes those resources
    stack = Deployments(account, waiting)
    stack.deploy("large", SCALES)
    account.deregister_scalable_target(ResourceId=variant())
    assert stack.event(stack=STACK) == {"dev-text": "as declared"}
    # Then it is registered with our policies alone
    assert list(account.policies) == [(variant(), "Target")]


def test_a_registration_of_somebody_else_survives_a_deployment_that_did_not_take_it_over(
    account: Account, waiting: Any
) -> None:
    account.serving = "small"
    account.targets[variant()] = parsed(SCALES).targets[0].identity | {"MinCapacity": 1, "MaxCapacity": 2}
    stack = Deployments(account, waiting)
    stack.deploy("other-model", SCALES)
    # When the first deployment with ours is rolled back, which deletes what it has made
    registration, pause = stack.registration_id, stack.pause_id
    account.calls.clear()
    stack.ask("Custom::EndpointScaling", "Delete", registration, stack.scaling_properties(("small", SCALES)))
    account.parameters.clear()
    stack.ask("Custom::EndpointScalingPause", "Delete", pause, stack.pause_properties(("small", SCALES)))
    # Then the registration stays
    assert (account.calls, list(account.targets)) == ([], [variant()])


def test_what_serves_without_its_configuration_may_be_anything(stack: Deployments) -> None:
    # Given an endpoint whose configuration somebody has deleted
    stack.account.configs["deleted"] = G4
    stack.account.serving = "deleted"
    stack.deploy("other-model", SCALES)
    assert stack.account.calls[0] == "deregister AllTraffic"


def test_variants_that_change_under_a_strategy_that_needs_them_are_told(stack: Deployments) -> None:
    properties = stack.pause_properties(("two", BOTH)) | {"Strategy": "canary"}
    with pytest.raises(AssertionError, match=r"gets AllTraffic and Challenger.* the strategy canary.*all-at-once"):
        stack.ask("Custom::EndpointScalingPause", "Update", "before", properties)
    assert stack.account.calls == []


def test_a_component_that_is_not_there_fails_the_deployment(stack: Deployments) -> None:
    component = target() | {"ResourceId": "inference-component/dev-text-a"}
    with pytest.raises(AssertionError, match="TargetMissing: inference-component/dev-text-a"):
        stack.deploy("small", document(component))


def test_a_component_that_is_there_is_registered(stack: Deployments) -> None:
    stack.account.components.add("dev-text-a")
    stack.deploy("small", document(target() | {"ResourceId": "inference-component/dev-text-a"}))
    assert list(stack.account.targets) == ["inference-component/dev-text-a"]


def test_from_zero_there_is_an_alarm_that_calls_the_policy(stack: Deployments) -> None:
    stack.deploy("small", FROM_ZERO)
    # Then the alarm's action is the policy as it is now
    policy = stack.account.policies[variant(), "FromZero"]
    assert stack.account.alarms["dev-text-AllTraffic-from-zero"] == {
        "AlarmName": "dev-text-AllTraffic-from-zero",
        "AlarmActions": [policy["PolicyARN"]],
        "MetricName": "HasBacklogWithoutCapacity",
        "Threshold": 1.0,
    }
    # and it goes with the policy
    stack.deploy("small", SCALES)
    assert stack.account.alarms == {}
    assert list(stack.account.policies) == [(variant(), "Target")]


def test_an_alarm_calls_the_new_policy_after_another_instance_type(stack: Deployments) -> None:
    stack.deploy("small", FROM_ZERO)
    before = stack.account.alarms["dev-text-AllTraffic-from-zero"]["AlarmActions"]
    stack.deploy("large", FROM_ZERO)
    after = stack.account.alarms["dev-text-AllTraffic-from-zero"]["AlarmActions"]
    assert after != before
    assert after == [stack.account.policies[variant(), "FromZero"]["PolicyARN"]]


def test_a_look_heals_what_was_changed_by_hand(stack: Deployments) -> None:
    # Given a registration that somebody has widened, with a policy of their own
    stack.account.targets[variant()]["MaxCapacity"] = 40
    stack.account.policies[variant(), "Mine"] = {"PolicyName": "Mine", "PolicyARN": "arn:mine"}
    stack.event()
    assert stack.account.targets[variant()]["MaxCapacity"] == 4
    assert list(stack.account.policies) == [(variant(), "Target")]


def test_a_look_at_what_is_as_declared_changes_nothing(stack: Deployments) -> None:
    stack.event()
    assert stack.account.calls == []


def test_an_endpoint_that_was_stopped_and_started_scales_again(stack: Deployments) -> None:
    # Given an endpoint that is not there any more
    stack.account.serving = None
    assert stack.event(endpoint="dev-text") == {"dev-text": f"not there: {variant()}"}
    assert stack.account.targets == {}
    # When it is back
    stack.account.serving = "small"
    stack.event(endpoint="dev-text")
    assert list(stack.account.targets) == [variant()]


def test_an_endpoint_that_nobody_declared_is_left_alone(stack: Deployments) -> None:
    assert stack.event(endpoint="dev-other") == {}


def test_one_endpoint_that_cannot_be_looked_at_hides_no_other(
    stack: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a first declaration that fails
    broken = {f"{PATH}/dev-broken": SCALES.replace("dev-text", "dev-broken")}
    stack.account.parameters = broken | stack.account.parameters
    heal: Callable[..., str] = handler.logic.heal

    def fails(clients: Clients, declaration: Any) -> str:
        if declaration.endpoint == "dev-broken":
            raise RuntimeError("throttled")
        return heal(clients, declaration)

    monkeypatch.setattr(handler.logic, "heal", fails)
    stack.account.targets.clear()
    # Then the second is healed, and the failure is told
    with pytest.raises(RuntimeError, match="throttled"):
        stack.event()
    assert list(stack.account.targets) == [variant()]


def _action(name: str, hour: int, minimum: int, maximum: int) -> dict[str, Any]:
    return {
        "ScheduledActionName": name,
        "Schedule": f"cron(0 {hour} ? * MON-FRI *)",
        "Timezone": "Europe/Berlin",
        "ScalableTargetAction": {"MinCapacity": minimum, "MaxCapacity": maximum},
        "Week": [day * 1440 + hour * 60 for day in range(5)],
    }


OFFICE, NIGHT = _action("office", 8, 2, 8), _action("night", 19, 1, 2)


@pytest.mark.parametrize(
    ("now", "bounds"),
    [
        (datetime(2026, 11, 23, 6, 59, tzinfo=UTC), (1, 2)),  # Monday, 07:59 in Berlin: since Friday evening
        (datetime(2026, 11, 23, 7, 0, tzinfo=UTC), (2, 8)),
        (datetime(2026, 11, 23, 18, 30, tzinfo=UTC), (1, 2)),
        (datetime(2026, 7, 6, 6, 0, tzinfo=UTC), (2, 8)),  # 08:00 in summer
        (datetime(2026, 11, 21, 12, 0, tzinfo=UTC), (1, 2)),  # Saturday
    ],
)
def test_a_registration_has_the_bounds_of_its_hour(now: datetime, bounds: tuple[int, int]) -> None:
    (declared,) = parsed(document(target(Actions=[OFFICE, NIGHT]))).targets
    assert declared.bounds(now) == bounds


def test_scheduled_actions_are_put_once_and_removed(stack: Deployments) -> None:
    stack.deploy("small", document(target(Actions=[OFFICE, NIGHT])))
    assert "Week" not in stack.account.actions[variant(), "office"]
    stack.account.calls.clear()
    stack.deploy("small", document(target(Actions=[OFFICE])))
    assert [name for _, name in stack.account.actions] == ["office"]
    assert "action office" not in stack.account.calls
