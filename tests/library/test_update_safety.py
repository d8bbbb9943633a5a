"""How an update takes traffic over: within SageMaker's limits, and refused where it has no such thing."""

from typing import Any

import botocore.session
import pytest
from botocore.validate import validate_parameters

from hf_sagemaker.endpoint_parts import EndpointMode
from hf_sagemaker.update_safety import ROLLBACK_ALARMS, STRATEGIES, Strategy, UpdateSafety


@pytest.mark.parametrize("strategy", STRATEGIES["real-time"])
def test_every_strategy_is_one_that_the_api_takes(strategy: Strategy) -> None:
    config = UpdateSafety(strategy=strategy).deployment_config(["alarm"])
    shape = botocore.session.get_session().get_service_model("sagemaker").shape_for("DeploymentConfig")
    assert config is not None
    validate_parameters(config, shape)
    policy = next(value for name, value in config.items() if name.endswith("UpdatePolicy"))
    assert 600 <= policy["MaximumExecutionTimeoutInSeconds"] <= 28800
    assert config["AutoRollbackConfiguration"] == {"Alarms": [{"AlarmName": "alarm"}]}


def test_a_component_rolls_as_the_api_takes_it() -> None:
    config = UpdateSafety(strategy="rolling", size_percent=20).component_deployment_config(["alarm"])
    shape = (
        botocore.session.get_session().get_service_model("sagemaker").shape_for("InferenceComponentDeploymentConfig")
    )
    assert config is not None
    validate_parameters(config, shape)
    assert config["RollingUpdatePolicy"]["MaximumBatchSize"] == {"Type": "CAPACITY_PERCENT", "Value": 20}


def test_canary_as_asked() -> None:
    safety = UpdateSafety(strategy="canary", size_percent=20, wait=120, termination_wait=60, longest=7200)
    assert safety.deployment_config([]) == {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "WaitIntervalInSeconds": 120,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 20},
            },
            "TerminationWaitInSeconds": 60,
            "MaximumExecutionTimeoutInSeconds": 7200,
        }
    }


def test_the_time_for_an_update_holds_all_its_waits() -> None:
    assert UpdateSafety(strategy="linear", size_percent=10, wait=600).longest_execution == 3600 + 10 * 600


def test_ten_alarms_are_watched_and_no_more() -> None:
    config = UpdateSafety().deployment_config([f"alarm-{i}" for i in range(14)])
    assert config is not None
    assert [each["AlarmName"] for each in config["AutoRollbackConfiguration"]["Alarms"]][-1] == "alarm-9"


@pytest.mark.parametrize(
    ("mode", "disposable", "variants", "strategy", "guarded"),
    [
        ("real-time", False, 1, "canary", True),
        ("real-time", True, 1, "all-at-once", True),
        ("asynchronous", False, 1, "canary", True),
        ("components", False, 0, "rolling", True),
        ("serverless", False, 1, "all-at-once", False),
        ("real-time", False, 2, "all-at-once", False),  # variants may come and go
    ],
)
def test_what_an_endpoint_has_when_nothing_is_said(
    mode: EndpointMode, disposable: bool, variants: int, strategy: Strategy, guarded: bool
) -> None:
    safety = UpdateSafety.default(mode, disposable=disposable, variants=variants)
    assert (safety.strategy, safety.is_guarded) == (strategy, guarded)
    assert safety.problems(mode, variants=variants) == []
    assert (safety.deployment_config(["alarm"]) is not None) == guarded


@pytest.mark.parametrize(
    ("asked", "of", "field", "words"),
    [
        ({"strategy": "canary"}, {"mode": "serverless"}, "strategy", "all-at-once for an endpoint of mode serverless"),
        ({"strategy": "canary"}, {"mode": "components"}, "strategy", "rolling or all-at-once"),
        ({"strategy": "rolling"}, {"variants": 2}, "strategy", "one variant and no shadow"),
        ({"strategy": "rolling"}, {"has_shadow": True}, "strategy", "one variant and no shadow"),
        ({"strategy": "canary"}, {"instance_types": ["ml.inf1.xlarge"]}, "strategy", "ml.inf1.xlarge"),
        ({"strategy": "canary", "size_percent": 51}, {}, "size_percent", "1 to 50 with canary"),
        ({"strategy": "linear", "size_percent": 9}, {}, "size_percent", "10 to 50 with linear"),
        ({"strategy": "rolling", "size_percent": 4}, {}, "size_percent", "5 to 50 with rolling"),
        ({"strategy": "all-at-once", "size_percent": 10}, {}, "size_percent", "left out"),
        ({"wait": 3601}, {}, "wait", "0 to 3600"),
        ({"strategy": "rolling", "termination_wait": 60}, {}, "termination_wait", "left out"),
        ({"longest": 500}, {}, "longest", "600 to 28800"),
    ],
)
def test_what_sagemaker_does_not_have_is_told(
    asked: dict[str, Any], of: dict[str, Any], field: str, words: str
) -> None:
    safety = UpdateSafety(**({"rollback_alarms": () if of.get("mode") == "serverless" else ROLLBACK_ALARMS} | asked))
    ((found, problem),) = safety.problems(**({"mode": "real-time"} | of))
    assert found == field
    assert words in problem


def test_serverless_endpoints_have_no_alarms_to_roll_back_by() -> None:
    ((field, problem),) = UpdateSafety(strategy="all-at-once").problems("serverless")
    assert (field, problem[:10]) == ("rollback_alarms", "must be []")
