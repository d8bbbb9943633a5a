"""Budgets in CloudFormation, where they are not as other resources are."""

import json

from tests.local.embedded_aws import Stacks


def template(address: str) -> str:
    notification = {"ComparisonOperator": "GREATER_THAN", "NotificationType": "ACTUAL", "Threshold": 80}
    subscribers = [{"SubscriptionType": "EMAIL", "Address": address}]
    limit = {"Amount": 100, "Unit": "USD"}
    properties = {
        "Budget": {"BudgetName": "named", "BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": limit},
        "NotificationsWithSubscribers": [{"Notification": notification, "Subscribers": subscribers}],
    }
    return json.dumps({"Resources": {"Budget": {"Type": "AWS::Budgets::Budget", "Properties": properties}}})


def test_a_named_budget_cannot_get_other_subscribers(stacks: Stacks) -> None:
    # Given a budget with a name
    stack = stacks.create("named-budget", template("one@example.com"))
    assert stack["StackStatus"] == "CREATE_COMPLETE"

    # When somebody else is to hear of it, then CloudFormation replaces it, and there cannot be two of that name
    stack = stacks.update("named-budget", template("two@example.com"))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "already exists" in stacks.reasons("named-budget", "UPDATE_FAILED")["Budget"]
