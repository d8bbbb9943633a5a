"""The budget of an environment, and the watch over unusual costs."""

import json
from typing import Any

import pytest
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Match, Template

from hf_sagemaker.cost_watch import AnomalyWatch, Budget, CostWatch, Recipients

TOPIC = "arn:aws:sns:us-east-1:123456789012:money"
MONITOR = "arn:aws:ce::123456789012:anomalymonitor/0a1b"


def _watch(stack: Any, **options: Any) -> Template:
    CostWatch(stack, "Costs", environment="dev", **options)
    return Template.from_stack(stack)


def _both(stack: Any) -> Recipients:
    return Recipients(emails=["ml@example.com"], topic=sns.Topic.from_topic_arn(stack, "Money", TOPIC))


def test_a_budget_counts_what_carries_the_environments_tag(stack: Any) -> None:
    template = _watch(stack, budget=Budget(monthly_usd=500, recipients=_both(stack)))
    template.has_resource_properties(
        "AWS::Budgets::Budget",
        {
            "Budget": {
                "BudgetLimit": {"Amount": 500, "Unit": "USD"},
                "TimeUnit": "MONTHLY",
                "CostFilters": {"TagKeyValue": ["user:hf-sagemaker:environment$dev"]},
            }
        },
    )


def test_people_are_told_at_each_threshold_and_of_a_forecast(stack: Any) -> None:
    template = _watch(stack, budget=Budget(monthly_usd=500, thresholds=[50], recipients=_both(stack)))
    (budget,) = template.find_resources("AWS::Budgets::Budget").values()
    told = budget["Properties"]["NotificationsWithSubscribers"]
    kinds = [(each["Notification"]["NotificationType"], each["Notification"]["Threshold"]) for each in told]
    assert kinds == [("ACTUAL", 50), ("FORECASTED", 100)]
    assert all(
        each["Subscribers"]
        == [
            {"SubscriptionType": "EMAIL", "Address": "ml@example.com"},
            {"SubscriptionType": "SNS", "Address": TOPIC},
        ]
        for each in told
    )


def test_more_thresholds_than_aws_takes_are_refused(stack: Any) -> None:
    budget = Budget(monthly_usd=500, thresholds=[10, 20, 30, 40, 50], recipients=_both(stack))
    with pytest.raises(ValueError, match="has 5 thresholds: AWS takes 4, and the forecast"):
        CostWatch(stack, "Costs", environment="dev", budget=budget)


def test_mails_come_daily_and_a_topic_hears_at_once(stack: Any) -> None:
    # Given recipients of both kinds, which one subscription cannot have
    template = _watch(stack, anomalies=AnomalyWatch(impact_usd=20, recipients=_both(stack)))
    for kind, frequency in (("EMAIL", "DAILY"), ("SNS", "IMMEDIATE")):
        template.has_resource_properties(
            "AWS::CE::AnomalySubscription",
            {
                "Frequency": frequency,
                "Subscribers": [Match.object_like({"Type": kind})],
                "ThresholdExpression": Match.string_like_regexp('"Values": \\["20"\\]'),
            },
        )


@pytest.mark.parametrize(
    ("monitor", "expected"),
    [
        ("services", {"MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"}),
        ("tag", {"MonitorType": "CUSTOM"}),
    ],
)
def test_a_monitor_is_made(stack: Any, monitor: str, expected: dict[str, str]) -> None:
    template = _watch(stack, anomalies=AnomalyWatch(monitor=monitor, recipients=_both(stack)))
    (made,) = template.find_resources("AWS::CE::AnomalyMonitor").values()
    properties = made["Properties"]
    specification = properties.pop("MonitorSpecification", None)
    assert properties == expected | {"MonitorName": "hf-sagemaker-dev"}
    if monitor == "tag":
        tags = json.loads(specification)["Tags"]
        assert (tags["Key"], tags["Values"]) == ("hf-sagemaker:environment", ["dev"])


def test_a_monitor_that_is_there_is_taken(stack: Any) -> None:
    template = _watch(stack, anomalies=AnomalyWatch(monitor=MONITOR, recipients=_both(stack)))
    template.resource_count_is("AWS::CE::AnomalyMonitor", 0)
    template.has_resource_properties("AWS::CE::AnomalySubscription", {"MonitorArnList": [MONITOR]})
