"""`hfsm prices`: what an hour of an instance costs by an environment's settings, and from when and where that is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from hf_sagemaker.prices import Price, hosting_prices, price_table
from hfsm.errors import WrongUseError

_DEFAULT = "ml.g4dn.xlarge"
"""Instance type of a job type or an endpoint that names none, as its settings have it."""


@dataclass(frozen=True)
class Environment:
    """What the file of an environment says, as far as prices need it.

    text: of the file. prices: its `prices`. training, hosting: the instance types that jobs and endpoints may run on.
    """

    file: Path
    text: str
    region: str
    prices: dict[str, Any]
    training: tuple[str, ...]
    hosting: tuple[str, ...]

    @property
    def as_of(self) -> str | None:
        return str(self.prices["as_of"]) if self.prices.get("as_of") else None

    @property
    def table(self) -> dict[str, Price]:
        """Instance type → price of training."""
        return price_table(self.region, self.prices.get("per_hour"), self.as_of)

    @property
    def hosting_table(self) -> dict[str, Price]:
        """Instance type → price of hosting."""
        return hosting_prices(self.prices.get("hosting_per_hour"), self.as_of)


def read(folder: Path, environment: str) -> Environment:
    """The environment of that name. WrongUseError: no such file, or no settings."""
    file = folder / f"{environment}.yaml"
    try:
        text = file.read_text(encoding="utf-8")
        content: dict[str, Any] = yaml.safe_load(text)
        jobs = (content.get("training") or {}).get("job_types") or []
        endpoints = (content.get("inference") or {}).get("endpoints") or []
        found = Environment(
            file=file,
            text=text,
            region=str(content["region"]),
            prices=dict(content.get("prices") or {}),
            training=tuple(
                dict.fromkeys(
                    name
                    for job in jobs
                    for name in (job.get("instance_type", _DEFAULT), *(job.get("allowed_instance_types") or []))
                )
            ),
            hosting=tuple(dict.fromkeys(each.get("instance_type", _DEFAULT) for each in endpoints)),
        )
        found.table, found.hosting_table  # noqa: B018 (reads what may be of a wrong shape)
    except OSError as error:
        raise WrongUseError(f"{file} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError):
        raise WrongUseError(f"{file}: is no environment file; `make synth` says what is wrong.") from None
    return found


def show(region: str, prices: dict[str, Price], console: Console) -> None:
    """Print the table."""
    if not prices:
        console.print(
            f"No price is known in {region}: reports have seconds and percent, and no sum. "
            "Add prices.per_hour to the settings: `hfsm prices update` asks AWS for them."
        )
        return
    table = Table(title=f"US dollars per hour of training on demand in {region}", title_justify="left")
    for heading in ("instance type", "per hour", "as of", "from"):
        table.add_column(heading)
    for name, price in sorted(prices.items()):
        table.add_row(name, f"{price.per_hour:g}", price.as_of, price.source)
    console.print(table)
