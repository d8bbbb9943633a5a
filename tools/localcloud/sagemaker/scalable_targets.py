"""What Application Auto Scaling has to say to an endpoint's update, and what a deletion takes from it."""

from collections.abc import Iterable, Mapping
from typing import Any

from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.sagemaker.exceptions import ValidationError

from localcloud.sagemaker.instance_pools import instance_types

_NAMESPACE = "sagemaker"


def check_update(
    account: str, region: str, endpoint: str, before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]
) -> None:
    """ValidationError: a registered variant would be gone, or have instances of another type.

    endpoint: its name. before, after: ProductionVariants of the two configurations.
    """
    types = {variant["VariantName"]: instance_types(dict(variant)) for variant in after}
    changed = [
        f"endpoint/{endpoint}/variant/{variant['VariantName']}"
        for variant in before
        if types.get(variant["VariantName"]) != instance_types(dict(variant))
    ]
    registered = {target.resource_id for target in _targets(account, region)}
    if refused := [name for name in changed if name in registered]:
        raise ValidationError(
            f"The variant(s) {', '.join(refused)} must be deregistered as scalable targets with AWS Auto Scaling "
            "before they can be removed or have their instance type updated."
        )


def deregister(account: str, region: str, endpoint: str) -> None:
    """All variants of an endpoint that is deleted, as AWS does without a word."""
    for target in _targets(account, region):
        if target.resource_id.startswith(f"endpoint/{endpoint}/variant/"):
            applicationautoscaling_backends[account][region].deregister_scalable_target(
                _NAMESPACE, target.resource_id, target.scalable_dimension
            )


def _targets(account: str, region: str) -> list[Any]:
    found: list[Any] = applicationautoscaling_backends[account][region].describe_scalable_targets(
        _NAMESPACE, None, None
    )
    return found
