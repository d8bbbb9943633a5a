"""CloudFormation that deploys: every type that it knows really, and no type that it does not know silently."""

from moto.cloudformation.models import cloudformation_backends

from localcloud.cloudformation import moto_corrections
from localcloud.cloudformation.backend import LocalCloudFormation
from localcloud.cloudformation.resources import resource_types
from localcloud.settings import LocalCloud


def install(cloud: LocalCloud) -> None:
    """Make moto create this package's backends for CloudFormation instead of its own."""
    LocalCloudFormation.endpoint_url = cloud.endpoint_url
    LocalCloudFormation.types = resource_types()
    cloudformation_backends.backend = LocalCloudFormation
    moto_corrections.install()
