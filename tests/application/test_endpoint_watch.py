"""What stands around an endpoint, as its settings say."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.assertions import Template
from pydantic import ValidationError

from hf_sagemaker.endpoint_api import ApiLogging
from hf_sagemaker.endpoint_keeper import EndpointKeeper
from hf_sagemaker.endpoint_parts import EndpointMode, EndpointPart
from stacks.endpoint_settings import EndpointSettings
from stacks.endpoint_watch import EndpointWatch
from stacks.ml_environment import MlEnvironment
from stacks.settings import EnvironmentSettings

ROOT = Path(__file__).parents[2]
CALLER = "arn:aws:iam::111122223333:role/checkout"


@dataclass
class Served:
    """An endpoint, however it was made."""

    endpoint: sagemaker.CfnEndpoint
    endpoint_config: sagemaker.CfnEndpointConfig
    alarms: Sequence[cloudwatch.Alarm]
    mode: EndpointMode = "real-time"
    endpoint_name: str = "dev-greeting"
    parts: Sequence[EndpointPart] = field(
        default=(
            EndpointPart(
                kind="variant",
                endpoint_name="dev-greeting",
                name="AllTraffic",
                instance_types=("ml.g4dn.xlarge",),
            ),
        )
    )


def _watched(settings: EnvironmentSettings, *, mode: EndpointMode = "real-time", **said: Any) -> Template:
    """The template of a stack with an endpoint, of which the settings say this."""
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=context, builtin_cloud_formation_validation=False)
    environment = MlEnvironment(app, "dev", settings)
    data, inference = (environment.node.find_child(name) for name in ("Data", "Inference"))
    assert isinstance(inference, Stack)
    stack = Stack(environment, "EndpointGreeting")
    config = sagemaker.CfnEndpointConfig(stack, "Config", production_variants=[])
    name = config.attr_endpoint_config_name
    endpoint = sagemaker.CfnEndpoint(stack, "Endpoint", endpoint_name="dev-greeting", endpoint_config_name=name)
    metric = cloudwatch.Metric(namespace="AWS/SageMaker", metric_name="Invocation5XXErrors")
    alarm = metric.create_alarm(stack, "ServerFaults", threshold=1, evaluation_periods=1)
    topic = inference.alarm_topic  # type: ignore[attr-defined]
    keys = data.keys  # type: ignore[attr-defined]
    keeper = EndpointKeeper(
        inference, "OwnKeeper", environment="dev", topic=topic, keys=keys, function_root=ROOT / "lambda"
    )
    EndpointWatch(
        stack,
        "Watch",
        environment="dev",
        settings=settings,
        endpoint=EndpointSettings(name="greeting", **said),
        watched=Served(endpoint, config, [alarm], mode),
        data=data,  # type: ignore[arg-type]
        topic=topic,
        jobs=environment.node.find_child("Network").network.jobs,  # type: ignore[attr-defined]
        monitoring_role=data.roles.training,  # type: ignore[attr-defined]
        keeper=keeper if settings.disposable else None,
        api_logging=ApiLogging(stack, "Logging") if said.get("api") else None,
        removal_policy=RemovalPolicy.DESTROY,
    )
    return Template.from_stack(stack)


@pytest.fixture
def dev() -> EnvironmentSettings:
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    return EnvironmentSettings(**content | {"prices": {"hosting_per_hour": {"ml.g4dn.xlarge": 0.7364}}})


def _types(template: Template) -> set[str]:
    return {each["Type"] for each in template.to_json()["Resources"].values()}


def test_every_endpoint_is_seen_and_can_be_stopped(dev: EnvironmentSettings) -> None:
    template = _watched(dev)
    assert _types(template) >= {
        "AWS::CloudWatch::Dashboard",
        "AWS::CloudWatch::CompositeAlarm",
        "Custom::EndpointPresence",
    }
    assert not _types(template) & {"AWS::ApiGateway::RestApi", "AWS::IAM::Role"}
    (dashboard,) = template.find_resources("AWS::CloudWatch::Dashboard").values()
    assert "US dollars" in json.dumps(dashboard)


def test_where_others_rely_on_it_nothing_can_stop_it(dev: EnvironmentSettings) -> None:
    template = _watched(dev.model_copy(update={"disposable": False}))
    assert "Custom::EndpointPresence" not in _types(template)
    assert "/lifetimes/" not in json.dumps(template.to_json())


def test_a_mode_that_needs_no_stop_has_none(dev: EnvironmentSettings) -> None:
    assert "Custom::EndpointPresence" not in _types(_watched(dev, mode="serverless"))


def test_it_has_what_its_settings_say(dev: EnvironmentSettings) -> None:
    # Given an endpoint with everything
    template = _watched(
        dev,
        lifetime={"hours": 72},
        callers=[CALLER],
        api={"access": "regional", "requests_per_second": 5},
        capture={"percent": 5, "expires_days": 7},
    )
    text = json.dumps(template.to_json())
    # Then each is there, and its address is told
    assert '\\"hours\\":72' in text
    assert "/hf-sagemaker/dev/inference/greeting/invoker-role-arn" in text
    assert "/hf-sagemaker/dev/inference/greeting/api-url" in text
    assert '"ThrottlingRateLimit": 5' in text
    assert "captured/7-days/dev-greeting" in text


def test_what_is_monitored_is_captured_and_never_stopped(dev: EnvironmentSettings) -> None:
    # Given monitors of both kinds
    monitor = {
        "data_quality": {"baseline": "baselines/greeting/"},
        "model_quality": {
            "baseline": "baselines/greeting/",
            "ground_truth": "truths/greeting/",
            "problem": "Regression",
            "inference_attribute": "score",
        },
    }
    template = _watched(dev, capture={}, monitor=monitor)
    # Then each has its schedule, and nothing stops the endpoint, which SageMaker would refuse
    schedules = template.find_resources("AWS::SageMaker::MonitoringSchedule").values()
    names = {each["Properties"]["MonitoringScheduleName"] for each in schedules}
    assert names == {"dev-greeting-data-quality", "dev-greeting-model-quality"}
    assert "Custom::EndpointPresence" not in _types(template)


MONITOR = {"data_quality": {"baseline": "baselines/greeting/"}}


@pytest.mark.parametrize(
    ("said", "variants", "region", "words"),
    [
        ({}, 1, "us-east-1", "must have `capture` beside it"),
        ({"capture": {}, "lifetime": {"hours": 72}}, 1, "us-east-1", "SageMaker stops no endpoint that has a monitor"),
        ({"capture": {}}, 2, "us-east-1", "must be left out with 2 variants"),
        ({"capture": {}}, 1, "us-gov-west-1", "no image of Model Monitor"),
    ],
)
def test_monitors_that_cannot_be_are_told(said: dict[str, Any], variants: int, region: str, words: str) -> None:
    endpoint = EndpointSettings(name="greeting", monitor=MONITOR, **said)  # type: ignore[arg-type]
    ((path, _, problem),) = endpoint.watch_problems(
        "inference.endpoints.0", "real-time", variants=variants, disposable=True, region=region
    )
    assert path == "inference.endpoints.0.monitor"
    assert words in problem


def test_a_monitor_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="must say data_quality, model_quality, or both"):
        EndpointSettings(name="greeting", monitor={})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "mode", "words"),
    [
        ({"lifetime": {"hours": 72}}, "serverless", "costs nothing between requests"),
        ({"api": {"access": "regional"}}, "asynchronous", "InvokeEndpointAsync"),
        ({"capture": {}}, "multi-model", "a capture does not say which one answered"),
        ({"callers": [CALLER, CALLER]}, "real-time", "must be named once"),
    ],
)
def test_what_does_not_fit_the_mode_is_told(said: dict[str, Any], mode: EndpointMode, words: str) -> None:
    endpoint = EndpointSettings(name="greeting", **said)
    ((path, _, problem),) = endpoint.watch_problems("inference.endpoints.0", mode, disposable=True, region="us-east-1")
    assert path.startswith("inference.endpoints.0.")
    assert words in problem
