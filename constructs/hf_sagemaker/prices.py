"""What an hour of an instance costs: a dated table of defaults, under what a platform team knows better.

Prices are an input and never asked of AWS at synth. The defaults are for us-east-1; of another region there are none,
since a wrong sum is worse than none. Imports no CDK.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DEFAULT, SETTINGS = "default", "settings"
"""Where a price comes from."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars for an hour of an instance, on demand.

    as_of: the day on which it was looked up, as 2026-11-21, or `unknown`. source: DEFAULT or SETTINGS.
    """

    per_hour: float
    as_of: str
    source: str = SETTINGS


@dataclass(frozen=True, kw_only=True)
class StandingPrice:
    """US dollars for a month of something that is paid for whether it is used or not.

    as_of: as of `Price`. source: where the number is from, and what is extra.
    """

    per_month: float
    as_of: str
    source: str


HOURS_PER_MONTH = 730
"""As AWS counts a month."""


@cache
def _defaults() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(__file__).with_name("prices.json").read_text(encoding="utf-8"))
    return content


def price_table(region: str, own: Mapping[str, float] | None = None, own_as_of: str | None = None) -> dict[str, Price]:
    """Instance type → price, of training in that region.

    own: instance type → US dollars per hour, over the defaults. Omitted: the defaults alone. own_as_of: their day.
    """
    defaults = _defaults()
    found = {}
    if region == defaults["region"]:
        for name, amount in defaults["per_hour"].items():
            found[name] = Price(per_hour=amount, as_of=defaults["as_of"], source=DEFAULT)
    for name, amount in (own or {}).items():
        found[name] = Price(per_hour=amount, as_of=own_as_of or "unknown")
    return found


def hosting_prices(own: Mapping[str, float] | None = None, own_as_of: str | None = None) -> dict[str, Price]:
    """Instance type → price of hosting. There are no defaults: omitted, there are none."""
    return {name: Price(per_hour=amount, as_of=own_as_of or "unknown") for name, amount in (own or {}).items()}


def standing_prices(region: str) -> dict[str, StandingPrice]:
    """What stands → price. Of another region than that of the defaults there are none."""
    defaults = _defaults()
    if region != defaults["region"]:
        return {}
    return {
        name: StandingPrice(
            per_month=each["per_month"] if "per_month" in each else each["per_hour"] * HOURS_PER_MONTH,
            as_of=defaults["as_of"],
            source=each["source"],
        )
        for name, each in defaults["standing"].items()
    }
