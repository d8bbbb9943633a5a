"""What an environment may cost, and who is told when it costs more. Never imports aws_cdk, see stacks/settings.py."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from stacks.settings_base import Problem, Settings

Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254, description="an e-mail address")]
TopicArn = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+$", description="ARN of an SNS topic")
]
Monitor = Annotated[
    str,
    Field(
        pattern=r"^(services|tag|arn:aws[a-z-]*:ce::\d{12}:anomalymonitor/[a-z0-9-]+)$",
        description="services, tag, or the ARN of a monitor that is there",
    ),
]


class RecipientSettings(Settings):
    """Who is told. At least one of both."""

    emails: Annotated[list[Email], Field(max_length=10)] = []
    """Addresses, at most 10."""
    topic_arn: TopicArn | None = None
    """A topic of the team's. Its policy must admit budgets.amazonaws.com and costalerts.amazonaws.com; docs/costs.md
    has it."""

    @model_validator(mode="after")
    def _tell_somebody(self) -> "RecipientSettings":
        if not self.emails and self.topic_arn is None:
            raise ValueError("must have emails, or a topic_arn: what nobody hears of watches nothing")
        return self


class BudgetSettings(RecipientSettings):
    """US dollars a month, of what carries this environment's tag. It tells and stops nothing."""

    monthly_usd: Annotated[float, Field(gt=0, le=10_000_000)]
    """The limit."""
    thresholds: Annotated[list[Annotated[float, Field(gt=0, le=1000)]], Field(min_length=1, max_length=4)] = [80, 100]
    """Percent of the limit at which people are told, one to four. Of a forecast above the limit they are told in any
    case."""

    @field_validator("thresholds")
    @classmethod
    def _each_once(cls, value: list[float]) -> list[float]:
        if len(set(value)) < len(value):
            raise ValueError("must name each threshold once")
        return value


class AnomalySettings(RecipientSettings):
    """Costs that are not as usual, as Cost Anomaly Detection finds them."""

    impact_usd: Annotated[float, Field(gt=0, le=1_000_000)] = 50
    """US dollars above the usual, from which on people are told."""
    monitor: Monitor = "services"
    """`services` makes a monitor over all services of the account. An account can have one, and many have: then take
    its ARN. `tag` makes one over what carries the environment's tag: only the account that pays may."""


class CostSettings(Settings):
    """What an environment may cost. Omitted: nobody is told."""

    budget: BudgetSettings | None = None
    anomalies: AnomalySettings | None = None

    def problems(self, account: str) -> list[Problem]:
        """Monitors of other accounts, which nobody here could subscribe to."""
        monitor = self.anomalies.monitor if self.anomalies else ""
        if not monitor.startswith("arn:") or monitor.split(":")[4] == account:
            return []
        return [("costs.anomalies.monitor", monitor, f"must be a monitor of this environment's account, {account}")]
