"""The resource types that this CloudFormation knows: one module per group of services."""

from collections.abc import Iterable

from localcloud.cloudformation.resource import ResourceType
from localcloud.cloudformation.resources import (
    builds,
    identity,
    messaging,
    metadata,
    network,
    observation,
    sagemaker,
    scaling,
    security_groups,
    serverless,
    storage,
)
from localcloud.cloudformation.resources.moto_models import moto_types

MODULES = (
    builds,
    identity,
    messaging,
    metadata,
    network,
    observation,
    sagemaker,
    scaling,
    security_groups,
    serverless,
    storage,
)


def resource_types() -> dict[str, ResourceType]:
    """By name: ours, and beside them those that only moto knows."""
    ours: Iterable[type[ResourceType]] = (each for module in MODULES for each in module.TYPES)
    known = {each.type_name: each() for each in ours}
    return moto_types() | known
