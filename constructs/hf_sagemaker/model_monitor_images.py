"""Where AWS publishes the image of SageMaker Model Monitor, by the SageMaker SDK's own table (`make catalogs`).

Imports no CDK and makes no AWS call.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hf_sagemaker.dlc_catalog import UnknownImageError
from hf_sagemaker.nearest_regions import nearest_regions


@dataclass(frozen=True)
class MonitorImage:
    """account: owns the registry. repository: in it. uri: of the image; AWS gives it no tag and keeps it current."""

    account: str
    repository: str
    uri: str


@cache
def _table() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        Path(__file__).with_name("model_monitor_images.json").read_text(encoding="utf-8")
    )
    return content


def monitor_image(region: str) -> MonitorImage:
    """The image for a region. UnknownImageError, with the nearest regions: AWS publishes none there."""
    table = _table()
    account = table["registries"].get(region)
    if account is None:
        nearest = ", ".join(nearest_regions(region, table["registries"])) or "none"
        raise UnknownImageError(f"AWS publishes no image of Model Monitor in {region}. Nearest: {nearest}.")
    domain = table["dns_suffixes"].get(region, "amazonaws.com")
    repository = table["repository"]
    return MonitorImage(account, repository, f"{account}.dkr.ecr.{region}.{domain}/{repository}")
