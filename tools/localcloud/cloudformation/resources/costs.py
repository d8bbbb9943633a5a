"""Budgets, and what watches for cost anomalies."""

import json

from localcloud.cloudformation.resource import Deployed, Properties, Request, ResourceType, delete_if_there


class Budget(ResourceType):
    """`Ref` answers its name."""

    type_name = "AWS::Budgets::Budget"
    replaced_by = frozenset({"NotificationsWithSubscribers", "ResourceTags"})

    def must_replace(self, before: Properties, after: Properties) -> bool:
        names = [each["Budget"].get("BudgetName") for each in (before, after)]
        return super().must_replace(before, after) or names[0] != names[1]

    def create(self, request: Request) -> Deployed:
        given = request.properties["Budget"].get("BudgetName")
        name = given or request.name("BudgetName", longest=100)
        self._call(request, "CreateBudget", Budget={**request.properties["Budget"], "BudgetName": name})
        return Deployed(name)

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        own = {**request.properties["Budget"], "BudgetName": deployed.physical_id}
        self._call(request, "UpdateBudget", NewBudget=own)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        budgets = request.api("budgets")
        delete_if_there(budgets.delete_budget, AccountId=request.api.account, BudgetName=deployed.physical_id)

    def _call(self, request: Request, operation: str, **own: Properties) -> None:
        client = request.api("budgets")
        call = client.create_budget if operation == "CreateBudget" else client.update_budget
        call(**request.arguments("budgets", operation, AccountId=request.api.account, **own))


class AnomalyMonitor(ResourceType):
    """`Ref` answers its ARN. Its specification is JSON in a template, and an object in the API."""

    type_name = "AWS::CE::AnomalyMonitor"
    replaced_by = frozenset({"MonitorType", "MonitorDimension", "MonitorSpecification", "ResourceTags"})

    def create(self, request: Request) -> Deployed:
        properties = request.properties
        monitor = {name: properties[name] for name in ("MonitorName", "MonitorType")}
        if dimension := properties.get("MonitorDimension"):
            monitor["MonitorDimension"] = dimension
        if specification := properties.get("MonitorSpecification"):
            monitor["MonitorSpecification"] = json.loads(specification)
        arguments = request.arguments("ce", "CreateAnomalyMonitor", AnomalyMonitor=monitor)
        arn = request.api("ce").create_anomaly_monitor(**arguments)["MonitorArn"]
        return Deployed(arn, {"MonitorArn": arn})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        name = request.properties["MonitorName"]
        request.api("ce").update_anomaly_monitor(MonitorArn=deployed.physical_id, MonitorName=name)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ce").delete_anomaly_monitor, MonitorArn=deployed.physical_id)


class AnomalySubscription(ResourceType):
    """`Ref` answers its ARN. Its threshold is JSON in a template, and an object in the API."""

    type_name = "AWS::CE::AnomalySubscription"
    replaced_by = frozenset({"ResourceTags"})
    _MEMBERS = ("SubscriptionName", "Frequency", "MonitorArnList", "Subscribers", "Threshold", "ThresholdExpression")

    def create(self, request: Request) -> Deployed:
        arguments = request.arguments("ce", "CreateAnomalySubscription", AnomalySubscription=self._said(request))
        arn = request.api("ce").create_anomaly_subscription(**arguments)["SubscriptionArn"]
        return Deployed(arn, {"SubscriptionArn": arn})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        own = {"SubscriptionArn": deployed.physical_id, **self._said(request)}
        request.api("ce").update_anomaly_subscription(**request.arguments("ce", "UpdateAnomalySubscription", **own))
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ce").delete_anomaly_subscription, SubscriptionArn=deployed.physical_id)

    def _said(self, request: Request) -> Properties:
        said = {name: request.properties[name] for name in self._MEMBERS if name in request.properties}
        if expression := said.get("ThresholdExpression"):
            said["ThresholdExpression"] = json.loads(expression)
        return said


TYPES = (Budget, AnomalyMonitor, AnomalySubscription)
