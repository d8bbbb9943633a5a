"""The image that was built last, as a deployment names it: by its digest."""

from dataclasses import replace

from aws_cdk import CfnParameter, Fn
from constructs import Construct

from hf_sagemaker.container_image import ContainerImage


class BuiltImage(Construct):
    """Reads, with each deployment, which digest the last build has written down.

    said: what the parameter says: `<repository>@sha256:…`, or that nothing has been built.
    image: named by that digest, in its own repository: whoever could change the parameter could name no other one.

    A parameter of the template, and no `{{resolve:ssm:…}}`: CloudFormation reads it with every update, also when the
    template stays as it was, and comes back to the value of before when an update fails.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, image: ContainerImage, repository_uri: str, digest_parameter: str
    ) -> None:
        """Creates the template's parameter.

        construct_id: must change with the image: CloudFormation keeps the name that a template's parameter had before.
        image: what it is compatible with. repository_uri: where it lies.
        digest_parameter: name of the SSM parameter that a build writes.
        """
        super().__init__(scope, construct_id)
        parameter = CfnParameter(
            self,
            "Digest",
            type="AWS::SSM::Parameter::Value<String>",
            default=digest_parameter,
            description=f"Image {image.name} that was built last",
        )
        self.said = parameter.value_as_string
        digest = Fn.select(1, Fn.split("@", self.said))
        self.image = replace(image, uri=f"{repository_uri}@{digest}")
