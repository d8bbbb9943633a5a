"""Images: an ECR repository and a build project per extended Deep Learning Container."""

from aws_cdk import RemovalPolicy, Stack
from constructs import Construct

from hf_sagemaker.extended_image import ExtendedImage
from stacks.contract import publish, repository_name
from stacks.data_stack import DataStack
from stacks.settings import EnvironmentSettings


class ImageStack(Stack):
    """Offers `images`, by their names in the settings."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: EnvironmentSettings,
        data: DataStack,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self.images: dict[str, ExtendedImage] = {}
        for image in settings.images:
            name = image.name
            extended = ExtendedImage(
                self,
                "".join(word.capitalize() for word in name.split("-")) + "Image",
                extension=image.extension(settings.region),
                repository_name=repository_name(environment, name),
                keys=data.keys,
                role=data.roles.building,
                removal_policy=removal_policy,
            )
            self.images[name] = extended
            publish(
                self,
                environment,
                {
                    f"images/{name}/project": extended.project.project_name,
                    f"images/{name}/uri": extended.uri,
                    f"images/{name}/base": f"{extended.base.repository}:{extended.base.tag}",
                },
            )
        data.people.allow_builds(
            self,
            [image.project.project_arn for image in self.images.values()],
            [image.repository.repository_arn for image in self.images.values()],
        )
