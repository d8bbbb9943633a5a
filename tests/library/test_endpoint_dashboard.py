"""What people see of an endpoint, and the alarm that says whether it is broken."""

import json
from typing import Any

import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Match, Template

from hf_sagemaker.endpoint_dashboard import EndpointDashboard, EndpointHealth
from hf_sagemaker.endpoint_parts import EndpointMode, EndpointPart
from hf_sagemaker.endpoint_widgets import WatchedEndpoint, cost, rows
from hf_sagemaker.prices import Price

NAME = "dev-sentiment"
PRICES = {"ml.g4dn.xlarge": Price(per_hour=0.72, as_of="2026-11-21")}
MODES: tuple[EndpointMode, ...] = ("real-time", "asynchronous", "serverless", "components", "multi-model")


def _watched(mode: EndpointMode = "real-time", **others: Any) -> WatchedEndpoint:
    types = ("ml.g4dn.xlarge",)
    part = EndpointPart(
        kind="component" if mode == "components" else "variant",
        endpoint_name=NAME,
        name="dev-sentiment-a" if mode == "components" else "AllTraffic",
        instance_types=() if mode in ("serverless", "components") else types,
    )
    arguments = {"name": NAME, "mode": mode, "parts": [part], "prices": PRICES, "region": "us-east-1"}
    return WatchedEndpoint(**{**arguments, "host_types": types if mode == "components" else (), **others})


def _text(watched: WatchedEndpoint) -> str:
    return json.dumps(rows(watched))


def _titles(watched: WatchedEndpoint) -> list[str]:
    widgets = [widget for row in rows(watched) for widget in row]
    return [widget["properties"].get("title", "text") for widget in widgets]


def _expressions(widget: Any) -> list[str]:
    return [line[0]["expression"] for line in widget["properties"]["metrics"] if isinstance(line[0], dict)]


def test_a_real_time_endpoint_shows_what_users_see_and_what_instances_do() -> None:
    assert _titles(_watched()) == [
        "Requests a minute",
        "Latency",
        "Errors a minute",
        "GPU",
        "Memory and disk",
        "Instances",
        "Requests in flight",
        "Cost of 1000 requests",
    ]


@pytest.mark.parametrize(
    ("mode", "own", "absent"),
    [
        ("asynchronous", "ApproximateBacklogSize", '"Invocations"'),
        ("asynchronous", "InvocationsProcessed", "OverheadLatency"),
        ("serverless", "ServerlessConcurrentExecutionsUtilization", "GPUUtilization"),
        ("components", "NoCapacityInvocationFailures", "ConcurrentRequestsPerModel"),
        ("multi-model", "ModelCacheHit", "NoCapacityInvocationFailures"),
        ("real-time", "ConcurrentRequestsPerModel", "ApproximateBacklogSize"),
    ],
)
def test_each_mode_shows_its_own_metrics_and_no_others(mode: EndpointMode, own: str, absent: str) -> None:
    text = _text(_watched(mode))
    assert own in text
    assert absent not in text


def test_latency_is_split_in_model_and_overhead_in_milliseconds() -> None:
    (latency,) = [w for row in rows(_watched()) for w in row if w["properties"].get("title") == "Latency"]
    assert "model0p99m / 1000" in _expressions(latency)
    assert "overhead0p99m / 1000" in _expressions(latency)
    assert latency["properties"]["yAxis"]["left"]["label"] == "milliseconds"


def test_the_cost_is_instance_time_by_price_over_requests() -> None:
    # Given reports every 10 s of an instance that costs 0.72 $ an hour: 0.002 $ for each report
    (math,) = _expressions(cost(_watched(metrics_seconds=10)))
    assert math == "IF((i0) > 0, 1000 * (n0 * 0.002) / (i0))"


def test_two_variants_are_paid_for_with_the_price_of_each() -> None:
    prices = PRICES | {"ml.m5.large": Price(per_hour=0.36, as_of="2026-11-20")}
    parts = [
        EndpointPart(kind="variant", endpoint_name=NAME, name=name, instance_types=(kind,))
        for name, kind in (("A", "ml.g4dn.xlarge"), ("B", "ml.m5.large"))
    ]
    (math,) = _expressions(cost(_watched(parts=parts, prices=prices)))
    assert math == "IF((i0 + i1) > 0, 1000 * (n0 * 0.012 + n1 * 0.006) / (i0 + i1))"


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "serverless"])
def test_without_a_price_it_says_so(mode: EndpointMode) -> None:
    words = cost(_watched(mode, prices={}))["properties"]["markdown"]
    assert "No hosting price of ml.g4dn.xlarge is known" in words
    assert "hfsm prices update" in words


def test_the_cost_of_a_serverless_endpoint_is_on_the_bill() -> None:
    assert "hf-sagemaker:endpoint" in cost(_watched("serverless"))["properties"]["markdown"]


def test_queue_time_and_batch_size_are_shown_where_the_container_tells_them() -> None:
    assert "QueueTime" not in _text(_watched())
    assert '"HfSageMaker/Serving", "BatchSize", "EndpointName", "dev-sentiment"' in _text(_watched(batching=True))


def test_without_a_gpu_there_is_no_graph_of_one() -> None:
    part = EndpointPart(kind="variant", endpoint_name=NAME, name="AllTraffic", instance_types=("ml.m5.large",))
    assert "GPU" not in _titles(_watched(parts=[part]))


@pytest.mark.parametrize("mode", MODES)
def test_every_widget_has_a_place_and_no_id_twice(stack: Any, mode: EndpointMode) -> None:
    watched = _watched(mode)
    EndpointDashboard(
        stack,
        "Dashboard",
        endpoint_name=NAME,
        mode=mode,
        parts=watched.parts,
        prices=PRICES,
        host_types=watched.host_types,
    )
    (dashboard,) = Template.from_stack(stack).find_resources("AWS::CloudWatch::Dashboard").values()
    assert dashboard["Properties"]["DashboardName"] == NAME
    widgets = json.loads(dashboard["Properties"]["DashboardBody"])["widgets"]
    assert all(widget["x"] + widget["width"] <= 24 for widget in widgets)
    for widget in widgets:
        ids = [line[-1]["id"] for line in widget["properties"].get("metrics", []) if "id" in line[-1]]
        assert len(ids) == len(set(ids))


def _alarm(stack: Any, name: str) -> cloudwatch.Alarm:
    metric = cloudwatch.Metric(namespace="AWS/SageMaker", metric_name="Invocation5XXErrors")
    return metric.create_alarm(stack, name, threshold=1, evaluation_periods=1)


def test_alarms_are_shown_first(stack: Any) -> None:
    alarm = _alarm(stack, "ServerFaults")
    parts = _watched().parts
    EndpointDashboard(stack, "Dashboard", endpoint_name=NAME, mode="real-time", parts=parts, prices={}, alarms=[alarm])
    Template.from_stack(stack).has_resource_properties(
        "AWS::CloudWatch::Dashboard",
        {
            "DashboardBody": {
                "Fn::Join": ["", Match.array_with([{"Fn::GetAtt": [Match.string_like_regexp("ServerFaults"), "Arn"]}])]
            }
        },
    )


def test_an_endpoint_is_broken_when_one_of_its_alarms_is_on(stack: Any) -> None:
    alarms = [_alarm(stack, name) for name in ("ServerFaults", "Latency")]
    EndpointHealth(stack, "Health", endpoint_name=NAME, alarms=alarms, topic=sns.Topic(stack, "Topic"))
    (broken,) = Template.from_stack(stack).find_resources("AWS::CloudWatch::CompositeAlarm").values()
    properties = broken["Properties"]
    assert properties["AlarmName"] == "dev-sentiment-broken"
    rule = "".join(each if isinstance(each, str) else "?" for each in properties["AlarmRule"]["Fn::Join"][1])
    assert rule == 'ALARM("?") OR ALARM("?")'
    assert "docs/runbooks.md#server-faults" in properties["AlarmDescription"]
    assert properties["AlarmActions"] == properties["OKActions"]


@pytest.mark.parametrize("count", [0, 101])
def test_none_or_too_many_alarms_are_refused(stack: Any, count: int) -> None:
    alarm = _alarm(stack, "ServerFaults")
    with pytest.raises(ValueError, match=f"has {count} alarms: one to 100"):
        EndpointHealth(stack, "Health", endpoint_name=NAME, alarms=[alarm] * count)
