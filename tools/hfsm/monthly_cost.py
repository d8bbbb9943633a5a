"""`hfsm prices monthly`: what a deployment costs in a month when nobody uses it, by what its templates create."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hf_sagemaker.prices import HOURS_PER_MONTH, standing_prices
from hfsm.errors import WrongUseError
from hfsm.price_list import Environment

_ENDPOINT, _NAT, _KEY = "interface endpoint in one zone", "NAT gateway with its public address", "KMS key"
_INSTANCE = "instance of an endpoint, "
_OTHERS = {
    "AWS::CloudWatch::Alarm": "alarm",
    "AWS::CloudWatch::CompositeAlarm": "composite alarm",
    "AWS::CloudWatch::Dashboard": "dashboard",
    "AWS::SecretsManager::Secret": "secret",
}
"""Paid for by the month, too, and in no table of prices here."""


@dataclass(frozen=True)
class Line:
    """So many of something. each, total: US dollars a month; None: no price is known. source: where it is from, and
    from when."""

    what: str
    count: int
    each: float | None
    source: str

    @property
    def total(self) -> float | None:
        return None if self.each is None else self.each * self.count


def read(folder: Path, environment: str) -> list[dict[str, Any]]:
    """The templates of an environment. folder: `cdk.out`. WrongUseError: there are none."""
    files = sorted((folder / f"assembly-{environment}").glob("*.template.json"))
    if not files:
        raise WrongUseError(f"{folder} has no templates of {environment}. `make synth` writes them.")
    try:
        return [json.loads(file.read_text(encoding="utf-8")) for file in files]
    except json.JSONDecodeError as error:
        raise WrongUseError(f"{folder}: a template of {environment} is broken: {error}. `make synth` anew.") from None


def estimate(templates: list[dict[str, Any]], settings: Environment) -> list[Line]:
    """A line for each kind of thing that is there all month. Endpoints with the instances that they begin with, which
    is also the fewest that they have."""
    counted: Counter[str] = Counter()
    for template in templates:
        for resource in template.get("Resources", {}).values():
            counted.update(dict(_standing(resource)))
    standing, hosting = standing_prices(settings.region), settings.hosting_table
    lines = []
    for what, count in sorted(counted.items()):
        if price := standing.get(what):
            lines.append(Line(what, count, price.per_month, f"{price.source} ({price.as_of})"))
        elif known := hosting.get(what.removeprefix(_INSTANCE)):
            source = f"settings prices.hosting_per_hour, {known.per_hour:g} an hour ({known.as_of})"
            lines.append(Line(what, count, known.per_hour * HOURS_PER_MONTH, source))
        else:
            hint = "`hfsm prices update` asks AWS" if what.startswith(_INSTANCE) else "in no table here"
            lines.append(Line(what, count, None, f"not known: {hint}"))
    return lines


def show(lines: list[Line], settings: Environment, console: Console) -> None:
    """Print the table, and what is not in it."""
    table = Table(title=f"US dollars a month ({HOURS_PER_MONTH} h) in {settings.region}, unused", title_justify="left")
    for heading in ("what", "how many", "each", "together", "price from"):
        table.add_column(heading)
    for line in lines:
        table.add_row(line.what, str(line.count), _money(line.each), _money(line.total), line.source)
    console.print(table)
    unknown = [line.what for line in lines if line.total is None]
    total = sum(line.total or 0 for line in lines)
    console.print(f"At least {total:.2f} a month" + (f", without: {', '.join(unknown)}." if unknown else "."))
    console.print(
        "Not in here, since it is paid for by use: training (`hfsm report`), scaling out, builds, storage, logs, "
        "requests, data that passes endpoints and NAT gateways."
    )


def _standing(resource: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    kind, properties = resource["Type"], resource.get("Properties", {})
    if kind == "AWS::EC2::VPCEndpoint" and properties.get("VpcEndpointType") == "Interface":
        yield _ENDPOINT, len(properties["SubnetIds"])
    elif kind == "AWS::EC2::NatGateway":
        yield _NAT, 1
    elif kind in ("AWS::KMS::Key", "AWS::KMS::ReplicaKey"):
        yield _KEY, 1
    elif kind == "AWS::SageMaker::EndpointConfig":
        for variant in properties["ProductionVariants"]:
            yield (
                f"{_INSTANCE}{variant.get('InstanceType', 'of no fixed type')}",
                variant.get("InitialInstanceCount", 0),
            )
    elif kind in _OTHERS:
        yield _OTHERS[kind], 1


def _money(amount: float | None) -> str:
    return "?" if amount is None else f"{amount:.2f}"
