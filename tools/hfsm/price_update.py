"""`hfsm prices update`: AWS's list prices of what an environment may run on, written into its settings with the day."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import boto3
import yaml
from botocore.config import Config

from hfsm.errors import OperatorError, WrongUseError
from hfsm.price_list import Environment

PRICE_LIST_REGION = "us-east-1"
"""Where the Price List API is, of whatever region the prices are."""
_KINDS = {"per_hour": "Train", "hosting_per_hour": "Host"}
"""Field of the settings → how SageMaker's usage type names what is paid for: USE1-Train:ml.g5.xlarge, Train:…"""


def client(profile: str | None = None) -> Any:
    """Of the Price List API. profile: whose credentials; they need pricing:GetProducts. Left out: the usual ones."""
    session: Any = boto3.session.Session(profile_name=profile)
    return session.client("pricing", region_name=PRICE_LIST_REGION, config=Config(retries={"mode": "standard"}))


class PriceUpdate:
    """What an update would do.

    prices: of the settings, as they will be. changes: a line for each number that changes, comes or goes. unpriced: the
    instance types for which AWS lists no price.
    """

    def __init__(self, environment: Environment, pricing: Any, today: date) -> None:
        """Asks AWS. pricing: from `client`. today: the day that is written.

        Raises WrongUseError in a region of another price list, and OperatorError where AWS lists nothing for it.
        """
        if environment.region.startswith(("cn-", "us-iso")):
            raise WrongUseError(
                f"{environment.file}: the Price List API has no prices in US dollars for {environment.region}. Write "
                "prices.per_hour by hand."
            )
        listed = list_prices(pricing, environment.region)
        if not any(listed.values()):
            raise OperatorError(
                f"AWS's price list has no SageMaker instances for {environment.region}. Is the region of "
                f"{environment.file} right?"
            )
        self._environment = environment
        wanted = {"per_hour": environment.training, "hosting_per_hour": environment.hosting}
        self.prices: dict[str, Any] = {"as_of": today}
        self.changes: list[str] = []
        self.unpriced: list[str] = []
        for field, types in wanted.items():
            before = environment.prices.get(field) or {}
            names = sorted({*types, *before})
            after = {name: listed[field][name] for name in names if name in listed[field]}
            self.unpriced += [f"{name} ({field})" for name in names if name not in after]
            self.changes += list(_changes(field, before, after))
            if after:
                self.prices[field] = after

    @property
    def block(self) -> str:
        """As it stands in the settings."""
        text: str = yaml.safe_dump({"prices": self.prices}, sort_keys=False, default_flow_style=False)
        return text

    def apply(self) -> bool:
        """Write the block into the file, in the place of the one that is there or at the end. The rest of the file
        stays as it is, with its comments. False: nothing was written, since the block has comments of its own."""
        text = _replaced(self._environment.text, self.block)
        if text is None:
            return False
        before, after = yaml.safe_load(self._environment.text), yaml.safe_load(text)
        if {**before, "prices": None} != {**after, "prices": None} or after["prices"] != self.prices:
            return False
        self._environment.file.write_text(text, encoding="utf-8")
        return True


def list_prices(pricing: Any, region: str) -> dict[str, dict[str, float]]:
    """Field of the settings → instance type → US dollars per hour on demand."""
    found: dict[str, dict[str, float]] = {field: {} for field in _KINDS}
    pages = pricing.get_paginator("get_products").paginate(
        ServiceCode="AmazonSageMaker",
        FormatVersion="aws_v1",
        Filters=[{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}],
    )
    for product in (json.loads(text) for page in pages for text in page["PriceList"]):
        usage = str(product.get("product", {}).get("attributes", {}).get("usagetype", ""))
        for field, kind in _KINDS.items():
            match = re.fullmatch(rf"(?:[A-Z0-9-]+-)?{kind}:(ml\.[a-z0-9.-]+)", usage)
            amounts = set(_per_hour(product)) if match else set()
            # Two prices for the same would be something that is not known here: none is better than a wrong one.
            if match and len(amounts) == 1:
                found[field][match[1]] = amounts.pop()
    return found


def _per_hour(product: Mapping[str, Any]) -> Iterator[float]:
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term.get("priceDimensions", {}).values():
            amount = float(dimension.get("pricePerUnit", {}).get("USD") or 0)
            if str(dimension.get("unit", "")).lower() in ("hrs", "hours") and amount > 0:
                yield amount


def _changes(field: str, before: Mapping[str, float], after: Mapping[str, float]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        if now is None:
            yield f"{field} {name}: {was:g} goes, AWS lists none"
        elif was is None:
            yield f"{field} {name}: {now:g} (new)"
        elif was != now:
            yield f"{field} {name}: {was:g} → {now:g}"


def _replaced(text: str, block: str) -> str | None:
    """The text with the top-level key `prices` as in the block. None: comments would be lost."""
    lines = text.splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if line.startswith("prices:")), None)
    if start is None:
        return f"{text.rstrip()}\n\n{block}"
    end = start + 1 + _indented(lines[start + 1 :])
    if any("#" in line for line in lines[start:end]):
        return None
    return "".join([*lines[:start], block, *lines[end:]])


def _indented(lines: Iterable[str]) -> int:
    """How many lines belong to the key above them; empty lines at their end do not."""
    count = 0
    for i, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith(" "):
            break
        if line.strip():
            count = i
    return count
