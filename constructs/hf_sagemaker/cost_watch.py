"""A budget of an environment, and a watch over unusual costs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_ce as ce
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker.runbooks import see

ENVIRONMENT_TAG, ENDPOINT_TAG = "hf-sagemaker:environment", "hf-sagemaker:endpoint"
"""By which the bill is split, once they are activated in the payer's account: docs/costs.md."""
_MOST_NOTIFICATIONS = 5


@dataclass(frozen=True, kw_only=True)
class Recipients:
    """Who is told. emails: at most 10. topic: its policy must admit the services that publish. One at least."""

    emails: Sequence[str] = ()
    topic: sns.ITopic | None = None


@dataclass(frozen=True, kw_only=True)
class Budget:
    """US dollars for a month, and who is told at how much of it.

    thresholds: percent of what was spent, at most four; at 100 percent of what will have been spent by the end of the
    month people are told in any case.
    """

    monthly_usd: float
    recipients: Recipients
    thresholds: Sequence[float] = (80, 100)


@dataclass(frozen=True, kw_only=True)
class AnomalyWatch:
    """Who is told of costs that are not as usual, from how many US dollars on.

    monitor: `services` makes one over all services of the account, of which an account can have one; `tag` makes one
    over what carries the environment's tag, which only the account that pays may have. Else the ARN of one that is
    there.
    """

    recipients: Recipients
    impact_usd: float = 50
    monitor: str = "services"


class CostWatch(Construct):
    """Tells people when an environment costs more than it may, or more than usual. It stops nothing."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        budget: Budget | None = None,
        anomalies: AnomalyWatch | None = None,
    ) -> None:
        """Creates what is asked for.

        environment: value of the tag by which costs are its own. budget, anomalies: omitted: there is none.

        Raises ValueError where AWS would take fewer notifications.
        """
        super().__init__(scope, construct_id)
        if budget:
            self._add_budget(environment, budget)
        if anomalies:
            self._add_anomalies(environment, anomalies)

    def _add_budget(self, environment: str, budget: Budget) -> None:
        told = [("ACTUAL", threshold) for threshold in budget.thresholds] + [("FORECASTED", 100)]
        if len(told) > _MOST_NOTIFICATIONS:
            raise ValueError(
                f"The budget has {len(budget.thresholds)} thresholds: AWS takes {_MOST_NOTIFICATIONS - 1}, and the "
                "forecast."
            )
        subscribers = [
            budgets.CfnBudget.SubscriberProperty(subscription_type=kind, address=address)
            for kind, address in _addresses(budget.recipients)
        ]
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=budget.monthly_usd, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:{ENVIRONMENT_TAG}${environment}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=kind,
                        threshold=threshold,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=subscribers,
                )
                for kind, threshold in told
            ],
        )

    def _add_anomalies(self, environment: str, anomalies: AnomalyWatch) -> None:
        monitor = anomalies.monitor
        if not monitor.startswith("arn:"):
            monitor = self._monitor(environment, by_tag=monitor == "tag").attr_monitor_arn
        impact = {
            "Dimensions": {
                "Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                "MatchOptions": ["GREATER_THAN_OR_EQUAL"],
                "Values": [f"{anomalies.impact_usd:g}"],
            }
        }
        # SNS hears of each at once and of nothing else; mails are a daily summary.
        kinds = (("EMAIL", "DAILY", "Mails"), ("SNS", "IMMEDIATE", "Topic"))
        for kind, frequency, construct_id in kinds:
            addresses = [address for each, address in _addresses(anomalies.recipients) if each == kind]
            if addresses:
                ce.CfnAnomalySubscription(
                    self,
                    construct_id,
                    subscription_name=f"hf-sagemaker-{environment}-{construct_id.lower()}: {see('anomaly')}",
                    frequency=frequency,
                    monitor_arn_list=[monitor],
                    subscribers=[
                        ce.CfnAnomalySubscription.SubscriberProperty(type=kind, address=address)
                        for address in addresses
                    ],
                    threshold_expression=json.dumps(impact),
                )

    def _monitor(self, environment: str, *, by_tag: bool) -> ce.CfnAnomalyMonitor:
        kind: dict[str, Any] = {"monitor_type": "DIMENSIONAL", "monitor_dimension": "SERVICE"}
        if by_tag:
            tags = {"Key": ENVIRONMENT_TAG, "MatchOptions": ["EQUALS"], "Values": [environment]}
            kind = {"monitor_type": "CUSTOM", "monitor_specification": json.dumps({"Tags": tags})}
        return ce.CfnAnomalyMonitor(self, "Monitor", monitor_name=f"hf-sagemaker-{environment}", **kind)


def _addresses(recipients: Recipients) -> list[tuple[str, str]]:
    topic = [("SNS", recipients.topic.topic_arn)] if recipients.topic else []
    return [*(("EMAIL", address) for address in recipients.emails), *topic]
