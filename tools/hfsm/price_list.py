"""`hfsm prices`: what an hour of an instance costs by an environment's settings, and from when and where that is."""

from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from hf_sagemaker.prices import Price, price_table
from hfsm.errors import WrongUseError


def read(folder: Path, environment: str) -> tuple[str, dict[str, Price]]:
    """The region of the environment, and instance type → price. WrongUseError: no such file, or no settings."""
    file = folder / f"{environment}.yaml"
    try:
        content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
        own = content.get("prices") or {}
        as_of = own.get("as_of")
        region = str(content["region"])
        return region, price_table(region, own.get("per_hour"), str(as_of) if as_of else None)
    except OSError as error:
        raise WrongUseError(f"{file} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise WrongUseError(f"{file}: is no environment file; `make synth` says what is wrong.") from None


def show(region: str, prices: dict[str, Price], console: Console) -> None:
    """Print the table."""
    if not prices:
        console.print(
            f"No price is known in {region}: reports have seconds and percent, and no sum. "
            "Add prices.per_hour to the settings."
        )
        return
    table = Table(title=f"US dollars per hour of training on demand in {region}", title_justify="left")
    for heading in ("instance type", "per hour", "as of", "from"):
        table.add_column(heading)
    for name, price in sorted(prices.items()):
        table.add_row(name, f"{price.per_hour:g}", price.as_of, price.source)
    console.print(table)
