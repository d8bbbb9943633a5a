"""What the CDK writes into a template about itself: a resource that is nothing, on AWS too."""

from localcloud.cloudformation.resource import Deployed, Properties, Request, ResourceType


class CdkMetadata(ResourceType):
    type_name = "AWS::CDK::Metadata"

    def create(self, request: Request) -> Deployed:
        return Deployed(request.name(""))

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        """There is nothing."""


TYPES = (CdkMetadata,)
