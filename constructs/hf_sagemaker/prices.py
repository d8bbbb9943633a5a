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
