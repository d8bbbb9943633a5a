"""Observability: what people see of a whole environment, and what it costs."""

from aws_cdk import Stack
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker.cost_watch import AnomalyWatch, Budget, CostWatch, Recipients
from hf_sagemaker.endpoint_api import ApiLogging
from hf_sagemaker.environment_dashboard import EnvironmentDashboard
from stacks.cost_settings import RecipientSettings
from stacks.settings import EnvironmentSettings


class ObservabilityStack(Stack):
    """A dashboard that finds the endpoints that matter, a budget, and a watch over unusual costs. Endpoints bring their
    own dashboards, so that nothing here changes with them.

    api_logging: what stages of APIs wait for. None where there are none.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: EnvironmentSettings,
        serves_apis: bool = False,
    ) -> None:
        """serves_apis: some endpoint has an API, which writes logs. Omitted: none has."""
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        EnvironmentDashboard(self, "Dashboard", environment=environment)
        self.api_logging = ApiLogging(self, "ApiLogging") if serves_apis else None
        budget, anomalies = settings.costs.budget, settings.costs.anomalies
        CostWatch(
            self,
            "Costs",
            environment=environment,
            budget=Budget(
                monthly_usd=budget.monthly_usd,
                thresholds=budget.thresholds,
                recipients=self._recipients("BudgetTopic", budget),
            )
            if budget
            else None,
            anomalies=AnomalyWatch(
                impact_usd=anomalies.impact_usd,
                monitor=anomalies.monitor,
                recipients=self._recipients("AnomalyTopic", anomalies),
            )
            if anomalies
            else None,
        )

    def _recipients(self, construct_id: str, settings: RecipientSettings) -> Recipients:
        arn = settings.topic_arn
        topic = sns.Topic.from_topic_arn(self, construct_id, arn) if arn else None
        return Recipients(emails=settings.emails, topic=topic)
