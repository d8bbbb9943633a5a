"""Budgets that can be changed, and cost anomalies that are watched for: moto has neither.

Nothing here costs anything: no budget is ever exceeded, and no anomaly is found.
"""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import moto.budgets.urls
import moto.ce.urls
from moto.budgets.responses import BudgetsResponse
from moto.ce.responses import CostExplorerResponse
from moto.core.exceptions import JsonRESTError
from moto.core.utils import unix_time

from localcloud.settings import LocalCloud


class BudgetResponse(BudgetsResponse):
    """The operations that are different here."""

    def update_budget(self) -> str:
        account, budget = self._get_param("AccountId"), self._get_param("NewBudget")
        self.backend.describe_budget(account, budget["BudgetName"])
        kept = self.backend.budgets[account][budget["BudgetName"]]
        kept.budget = {"TimePeriod": kept.budget["TimePeriod"], **budget, "LastUpdatedTime": unix_time()}
        return json.dumps({})

    def describe_subscribers_for_notification(self) -> str:
        account, name = self._get_param("AccountId"), self._get_param("BudgetName")
        self.backend.describe_budget(account, name)
        wanted = self._get_param("Notification")
        notifications = self.backend.budgets[account][name].notifications
        found: Any = [each for notice in notifications if notice.details == wanted for each in notice.subscribers]
        return json.dumps({"Subscribers": found})


class UnknownError(JsonRESTError):
    """UnknownMonitorException or UnknownSubscriptionException."""


class AnomalyResponse(CostExplorerResponse):
    """Monitors and subscriptions, kept as they were requested."""

    def create_anomaly_monitor(self) -> str:
        monitor = {**self._get_param("AnomalyMonitor"), "CreationDate": f"{datetime.now(UTC):%Y-%m-%d}"}
        return json.dumps({"MonitorArn": self._create("monitor", monitor)})

    def get_anomaly_monitors(self) -> str:
        return json.dumps({"AnomalyMonitors": self._get("monitor", self._get_param("MonitorArnList"))})

    def update_anomaly_monitor(self) -> str:
        return json.dumps({"MonitorArn": self._update("monitor", ("MonitorName",))})

    def delete_anomaly_monitor(self) -> str:
        return self._delete("monitor")

    def create_anomaly_subscription(self) -> str:
        return json.dumps({"SubscriptionArn": self._create("subscription", self._get_param("AnomalySubscription"))})

    def get_anomaly_subscriptions(self) -> str:
        return json.dumps({"AnomalySubscriptions": self._get("subscription", self._get_param("SubscriptionArnList"))})

    def update_anomaly_subscription(self) -> str:
        names = ("Threshold", "Frequency", "MonitorArnList", "Subscribers", "SubscriptionName", "ThresholdExpression")
        return json.dumps({"SubscriptionArn": self._update("subscription", names)})

    def delete_anomaly_subscription(self) -> str:
        return self._delete("subscription")

    def _kept(self, kind: str) -> dict[str, dict[str, Any]]:
        kept: dict[str, dict[str, Any]] = vars(self.ce_backend).setdefault(f"localcloud_{kind}s", {})
        return kept

    def _create(self, kind: str, request: dict[str, Any]) -> str:
        arn = f"arn:aws:ce::{self.current_account}:anomaly{kind}/{uuid.uuid4()}"
        self._kept(kind)[arn] = {**request, f"{kind.capitalize()}Arn": arn}
        return arn

    def _get(self, kind: str, arns: list[str] | None) -> list[dict[str, Any]]:
        kept = self._kept(kind)
        return [self._found(kind, arn) for arn in (kept if arns is None else arns)]

    def _update(self, kind: str, names: tuple[str, ...]) -> str:
        arn: str = self._get_param(f"{kind.capitalize()}Arn")
        changes = {name: self._get_param(name) for name in names}
        self._found(kind, arn).update({name: value for name, value in changes.items() if value is not None})
        return arn

    def _delete(self, kind: str) -> str:
        arn = self._get_param(f"{kind.capitalize()}Arn")
        self._found(kind, arn)
        del self._kept(kind)[arn]
        return json.dumps({})

    def _found(self, kind: str, arn: str) -> dict[str, Any]:
        if arn not in self._kept(kind):
            raise UnknownError(f"Unknown{kind.capitalize()}Exception", f"No anomaly {kind} {arn} was found.")
        return self._kept(kind)[arn]


def install(cloud: LocalCloud) -> None:
    """Before the first request: moto reads its URL tables once. cloud is not read."""
    for paths, response in ((moto.budgets.urls.url_paths, BudgetResponse), (moto.ce.urls.url_paths, AnomalyResponse)):
        for path in paths:
            paths[path] = response.dispatch
