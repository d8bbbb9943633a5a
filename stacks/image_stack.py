"""Images: a repository and a build for each that is built here, and what promotes those that are built elsewhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from hf_sagemaker.base_image import short_name
from hf_sagemaker.extended_image import ExtendedImage
from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.image_promotion import ImagePromotion
from hf_sagemaker.image_watch import AcceptedFinding, ImageWatch, RebuildRules
from hf_sagemaker.placement import Network
from hf_sagemaker.promoted_image import PromotedImage
from hf_sagemaker.shared_repository import Puller
from stacks.contract import parameter_path, publish, repository_name
from stacks.data_stack import DataStack
from stacks.image_settings import ImageSettings
from stacks.promotion_settings import Destination, PromotionSource
from stacks.rebuild_settings import RebuildSettings
from stacks.settings import EnvironmentSettings

FUNCTIONS = Path(__file__).parent.parent / "lambda"


class ImageStack(Stack):
    """Offers `images`, by their names in the settings, and `failures_topic`, told about builds that did not succeed.

    failures_topic: None where nothing is built.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: EnvironmentSettings,
        network: Network,
        data: DataStack,
        promoted_to: Mapping[str, Sequence[Destination]],
        removal_policy: RemovalPolicy,
    ) -> None:
        """network: where builds run, if it is for them. promoted_to: who else runs an image, by its name."""
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self._environment = environment
        self._settings = settings
        self._network = network
        self._data = data
        self._removal_policy = removal_policy
        built: dict[str, ExtendedImage] = {}
        promoted: dict[str, PromotedImage] = {}
        self.images: dict[str, ImageByDigest] = {}
        for image in settings.images:
            if image.promoted_from:
                promoted[image.name] = self._promoted(image, image.promoted_from)
                self.images[image.name] = promoted[image.name].by_digest
            else:
                built[image.name] = self._built(image, promoted_to.get(image.name, ()))
                self.images[image.name] = built[image.name].by_digest
        self.failures_topic = self._watch(built) if built else None
        if promoted:
            self._promote(list(promoted.values()))

    def _built(self, image: ImageSettings, destinations: Sequence[Destination]) -> ExtendedImage:
        extended = ExtendedImage(
            self,
            _construct_id(image),
            extension=image.extension(self._settings.region),
            repository_name=repository_name(self._environment, image.name),
            keys=self._data.keys,
            role=self._data.roles.building,
            artifacts=self._data.buckets.builds,
            parameter_path=parameter_path(self._environment, f"images/{image.name}"),
            pullers=[
                Puller(environment=each.environment, account=each.account, role_path=each.role_path)
                for each in destinations
            ],
            packages=self._settings.builds.sources(self._settings.account, self._settings.region),
            placement=self._network.builds,
            removal_policy=self._removal_policy,
        )
        publish(
            self,
            self._environment,
            {
                f"images/{image.name}/project": extended.build.project.project_name,
                f"images/{image.name}/base": short_name(extended.base),
            },
        )
        return extended

    def _promoted(self, image: ImageSettings, source: PromotionSource) -> PromotedImage:
        rules = _rules(image.rebuild)
        return PromotedImage(
            self,
            _construct_id(image),
            described=image.described(self._settings.region),
            environment=source.environment,
            account=source.account,
            repository_name=repository_name(source.environment, image.name),
            parameter_path=parameter_path(self._environment, f"images/{image.name}"),
            on_findings=rules.on_findings,
            accepted=rules.accepted,
        )

    def _watch(self, built: Mapping[str, ExtendedImage]) -> sns.Topic:
        settings = self._settings
        watch = ImageWatch(
            self,
            "ImageWatch",
            images=[
                (built[image.name], image.extension(settings.region).base, _rules(image.rebuild))
                for image in settings.images
                if image.name in built
            ],
            keys=self._data.keys,
            function_root=FUNCTIONS,
            reserved_concurrency=settings.functions.reserved_concurrency,
            removal_policy=self._removal_policy,
        )
        for email in settings.training.notification_emails:
            watch.failures.topic.add_subscription(subscriptions.EmailSubscription(email))
        publish(self, self._environment, {"builds/topic-arn": watch.failures.topic.topic_arn})
        self._data.people.allow_builds(
            self,
            [image.build.project.project_arn for image in built.values()],
            [image.repository.repository_arn for image in built.values()],
        )
        return watch.failures.topic

    def _promote(self, images: Sequence[PromotedImage]) -> None:
        promotion = ImagePromotion(
            self,
            "ImagePromotion",
            images=images,
            key=self._data.keys.logs,
            function_root=FUNCTIONS,
            reserved_concurrency=self._settings.functions.reserved_concurrency,
            removal_policy=self._removal_policy,
        )
        publish(self, self._environment, {"promotion/function-name": promotion.function.function_name})
        self._data.people.allow_promotion(
            self,
            promotion.function.function_arn,
            [image.request.parameter_arn for image in images],
            [image.repository.repository_arn for image in images],
        )


def _construct_id(image: ImageSettings) -> str:
    return "".join(word.capitalize() for word in image.name.split("-")) + "Image"


def _rules(settings: RebuildSettings) -> RebuildRules:
    return RebuildRules(
        on_change=settings.on_change,
        on_new_base=settings.on_new_base,
        on_announcement=settings.on_announcement,
        on_findings=settings.on_findings,
        accepted=[AcceptedFinding(**each.model_dump()) for each in settings.accepted_findings],
    )
