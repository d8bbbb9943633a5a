"""Where a variant's instances come from: its instance type, or the first of its pools that has capacity."""

from typing import Any

from localcloud import faults


class NoCapacityError(Exception):
    """No instance is to be had; the message is a FailureReason."""


def instance_types(variant: dict[str, Any]) -> list[str]:
    """Types of instances that the variant may have, the preferred one first. Empty: it has no instances."""
    if pools := variant.get("InstancePools"):
        return [pool["InstanceType"] for pool in sorted(pools, key=lambda pool: pool["Priority"])]
    return [variant["InstanceType"]] if variant.get("InstanceType") else []


def take(variant: dict[str, Any]) -> tuple[str, str]:
    """(type of the instance that the variant gets, name of the model on it). NoCapacityError: there is none."""
    for name in instance_types(variant):
        if not _is_short(name):
            return name, _model_name(variant, name)
    advice = (
        ""
        if variant.get("InstancePools")
        else " Consider configuring InstancePools in your EndpointConfig with multiple instance types for "
        "priority-based fallback to improve capacity availability."
    )
    raise NoCapacityError(
        "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry "
        f"using a different ML instance type or after some time.{advice}"
    )


def _is_short(instance_type: str) -> bool:
    return bool(faults.take(faults.CapacityFault, lambda fault: faults.named(fault.no_capacity, instance_type)))


def _model_name(variant: dict[str, Any], instance_type: str) -> str:
    for pool in variant.get("InstancePools") or ():
        if pool["InstanceType"] == instance_type and pool.get("ModelNameOverride"):
            return str(pool["ModelNameOverride"])
    return str(variant["ModelName"])
