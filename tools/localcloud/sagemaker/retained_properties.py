"""RetainAllVariantProperties: what an update leaves as it is, whatever the new configuration says."""

from collections.abc import Mapping
from typing import Any

from localcloud.sagemaker.fleet import Fleet


def retained(config: Mapping[str, Any], old: Fleet, excluded: set[str]) -> dict[str, Any]:
    """The configuration with what the endpoint has now in the place of what it says.

    excluded: DesiredInstanceCount, DesiredWeight, DataCaptureConfig: what is as the configuration says all the same.
    """
    variants = [dict(settings) for settings in config["ProductionVariants"]]
    for settings in variants:
        before = old.variants.get(settings["VariantName"])
        if before and "DesiredInstanceCount" not in excluded:
            settings["InitialInstanceCount"] = before.desired
        if before and "DesiredWeight" not in excluded:
            settings["InitialVariantWeight"] = before.weight
    capture = config if "DataCaptureConfig" in excluded else old.config
    return {**config, "ProductionVariants": variants, "DataCaptureConfig": capture.get("DataCaptureConfig")}
