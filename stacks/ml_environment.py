"""One environment: the stacks by life cycle, so that an endpoint's change never touches a bucket."""

from collections.abc import Mapping, Sequence

from aws_cdk import Environment, RemovalPolicy, Stage, Tags
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.batch_stack import BATCH, BatchStack
from stacks.contract import ENDPOINT
from stacks.data_stack import DataStack
from stacks.endpoint_settings import words
from stacks.endpoint_stack import EndpointStack
from stacks.guardrails_stack import GuardrailsStack
from stacks.image_stack import ImageStack
from stacks.inference_stack import InferenceStack
from stacks.mirror_stack import MirrorStack
from stacks.network_stack import NetworkStack
from stacks.observability_stack import ObservabilityStack
from stacks.promotion_settings import Destination
from stacks.settings import EnvironmentSettings
from stacks.training_stack import TrainingStack

_LOOK_AFTER_MODELS = ("Inference", "Batch")
"""With which the ids of the stacks begin whose roles work with what is served, and with nobody's data."""


class MlEnvironment(Stage):
    """Creates the stacks and hands objects from one to the next."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        settings: EnvironmentSettings,
        promoted_to: Mapping[str, Sequence[Destination]] | None = None,
    ) -> None:
        """Creates the stacks.

        name: of the environment; it begins the name of every stack.
        promoted_to: who else runs which of its images, see promotion_settings.destinations. Omitted: nobody.
        """
        super().__init__(scope, name, env=Environment(account=settings.account, region=settings.region))
        removal_policy = RemovalPolicy.DESTROY if settings.disposable else RemovalPolicy.RETAIN
        guardrails = GuardrailsStack(self, "Guardrails", environment=name, settings=settings)
        network = NetworkStack(self, "Network", environment=name, settings=settings, removal_policy=removal_policy)
        data = DataStack(
            self,
            "Data",
            environment=name,
            settings=settings,
            network=network.network,
            log_key=network.log_key,
            removal_policy=removal_policy,
        )
        images = ImageStack(
            self,
            "Images",
            environment=name,
            settings=settings,
            network=network.network,
            data=data,
            promoted_to=promoted_to or {},
            removal_policy=removal_policy,
        )
        if settings.hub.models:
            MirrorStack(
                self,
                "Mirror",
                environment=name,
                settings=settings,
                network=network.network,
                data=data,
                removal_policy=removal_policy,
            )
        training = TrainingStack(
            self,
            "Training",
            environment=name,
            settings=settings,
            network=network.network,
            data=data,
            images=images.images,
            alarm_topic=images.failures_topic,
            removal_policy=removal_policy,
        )
        inference = InferenceStack(
            self,
            "Inference",
            environment=name,
            settings=settings,
            data=data,
            removal_policy=removal_policy,
        )
        endpoints = [endpoint for endpoint in settings.inference.endpoints if endpoint.is_deployed]
        observability = ObservabilityStack(
            self,
            "Observability",
            environment=name,
            settings=settings,
            serves_apis=any(endpoint.api for endpoint in endpoints),
        )
        for endpoint in endpoints:
            stack = EndpointStack(
                self,
                f"{ENDPOINT}{words(endpoint.name)}",
                environment=name,
                settings=settings,
                endpoint=endpoint,
                network=network.network,
                data=data,
                images=images.images,
                inference=inference,
                api_logging=observability.api_logging,
                removal_policy=removal_policy,
            )
            if endpoint.followed_job_types:
                # Its template reads parameters that are made there.
                stack.add_stack_dependency(training)
        for transform in settings.inference.batch_transforms:
            BatchStack(
                self,
                f"{BATCH}{words(transform.name)}",
                environment=name,
                settings=settings,
                transform=transform,
                network=network.network,
                data=data,
                images=images.images,
                inference=inference,
                removal_policy=removal_policy,
            )
        self._limit_roles(guardrails, data, settings.roles.path)
        # On each resource and not on the stack only: budgets and cost reports read resource tags.
        Tags.of(self).add("hf-sagemaker:environment", name)

    def _limit_roles(self, guardrails: GuardrailsStack, data: DataStack, path: str) -> None:
        """Gives every role its boundary, and every role and policy the path, whoever made them."""
        asking = f"{data.roles.asking.node.path}/Resource" if data.roles.asking else None
        for stack in self.node.children:
            serves = stack.node.id.startswith(_LOOK_AFTER_MODELS)
            for construct in stack.node.find_all():
                if path != "/" and isinstance(construct, iam.CfnRole | iam.CfnManagedPolicy):
                    construct.path = path
                if isinstance(construct, iam.CfnRole) and stack is not guardrails:
                    # The role that asks is with the data, since the key there names it.
                    narrow = serves or (asking is not None and construct.node.path == asking)
                    if policy := guardrails.endpoints_boundary if narrow else guardrails.boundary:
                        construct.permissions_boundary = policy.managed_policy_arn
