"""What instances cost, for reports of training runs. Never imports aws_cdk, see stacks/settings.py."""

from datetime import date
from typing import Annotated

from pydantic import Field

from hf_sagemaker.instance_types import UnknownInstanceTypeError, Use, instance_type
from hf_sagemaker.prices import Price, price_table
from stacks.settings_base import Problem, Settings


class PriceSettings(Settings):
    """Prices of this environment's region or contract. Without a price a report has seconds and percent, but no sum."""

    per_hour: dict[str, Annotated[float, Field(gt=0, le=10000)]] = {}
    """Instance type → US dollars per hour of training on demand, over the dated defaults, which are those of us-east-1
    (hf_sagemaker/prices.json; `hfsm prices` shows all)."""
    hosting_per_hour: dict[str, Annotated[float, Field(gt=0, le=10000)]] = {}
    """Instance type → US dollars per hour of hosting, for `hfsm prices monthly`. There are no defaults."""
    as_of: date | None = None
    """The day on which these were looked up; reports show it. `hfsm prices update` asks AWS and writes all three."""

    def table(self, region: str) -> dict[str, Price]:
        """Instance type → price."""
        return price_table(region, self.per_hour, self.as_of.isoformat() if self.as_of else None)

    def problems(self) -> list[Problem]:
        """Prices of what there is not."""
        found: list[Problem] = []
        uses: tuple[tuple[str, dict[str, float], Use], ...] = (
            ("per_hour", self.per_hour, "training"),
            ("hosting_per_hour", self.hosting_per_hour, "hosting"),
        )
        for field, prices, use in uses:
            for name in prices:
                try:
                    instance_type(name, use)
                except UnknownInstanceTypeError as error:
                    found.append((f"prices.{field}.{name}", name, str(error)))
        return found
