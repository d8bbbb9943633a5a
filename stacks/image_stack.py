"""Images: an ECR repository and a build project per extended Deep Learning Container."""

from pathlib import Path

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from hf_sagemaker.extended_image import ExtendedImage
from hf_sagemaker.image_watch import AcceptedFinding, ImageWatch, RebuildRules
from stacks.contract import parameter_path, publish, repository_name
from stacks.data_stack import DataStack
from stacks.rebuild_settings import RebuildSettings
from stacks.settings import EnvironmentSettings

FUNCTIONS = Path(__file__).parent.parent / "lambda"


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
                artifacts=data.buckets.builds,
                parameter_path=parameter_path(environment, f"images/{name}"),
                removal_policy=removal_policy,
            )
            self.images[name] = extended
            publish(
                self,
                environment,
                {
                    f"images/{name}/project": extended.build.project.project_name,
                    f"images/{name}/base": f"{extended.base.repository}:{extended.base.tag}",
                },
            )
        watch = ImageWatch(
            self,
            "ImageWatch",
            images=[
                (self.images[image.name], image.extension(settings.region).base, _rules(image.rebuild))
                for image in settings.images
            ],
            keys=data.keys,
            function_root=FUNCTIONS,
            reserved_concurrency=settings.functions.reserved_concurrency,
            removal_policy=removal_policy,
        )
        for email in settings.training.notification_emails:
            watch.failures.topic.add_subscription(subscriptions.EmailSubscription(email))
        publish(self, environment, {"builds/topic-arn": watch.failures.topic.topic_arn})
        data.people.allow_builds(
            self,
            [image.build.project.project_arn for image in self.images.values()],
            [image.repository.repository_arn for image in self.images.values()],
        )


def _rules(settings: RebuildSettings) -> RebuildRules:
    return RebuildRules(
        on_change=settings.on_change,
        on_new_base=settings.on_new_base,
        on_findings=settings.on_findings,
        accepted=[AcceptedFinding(**each.model_dump()) for each in settings.accepted_findings],
    )
