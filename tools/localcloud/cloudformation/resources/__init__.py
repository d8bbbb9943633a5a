"""The resource types that this CloudFormation knows: one module per group of services."""

from collections.abc import Iterable, Iterator, Mapping

from localcloud.cloudformation.resource import ResourceType
from localcloud.cloudformation.resources import (
    api_gateway,
    api_requests,
    builds,
    costs,
    custom,
    identity,
    internet,
    messaging,
    metadata,
    monitoring,
    network,
    observation,
    organization,
    queues,
    sagemaker,
    scaling,
    schedules,
    secrets,
    security_groups,
    serverless,
    storage,
)
from localcloud.cloudformation.resources.moto_models import moto_types

MODULES = (
    api_gateway,
    api_requests,
    builds,
    costs,
    custom,
    identity,
    internet,
    messaging,
    metadata,
    monitoring,
    network,
    observation,
    organization,
    queues,
    sagemaker,
    scaling,
    schedules,
    secrets,
    security_groups,
    serverless,
    storage,
)


class ResourceTypes(Mapping[str, ResourceType]):
    """Types by name. Every `Custom::…` is one, whose function makes it."""

    def __init__(self, named: Mapping[str, ResourceType]) -> None:
        self._named = named

    def __getitem__(self, name: str) -> ResourceType:
        return custom.CustomResource(name) if name.startswith(custom.CUSTOM) else self._named[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)


def resource_types() -> ResourceTypes:
    """By name: ours, and beside them those that only moto knows."""
    ours: Iterable[type[ResourceType]] = (each for module in MODULES for each in module.TYPES)
    known = {each.type_name: each() for each in ours}
    return ResourceTypes(moto_types() | known)
