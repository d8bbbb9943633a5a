"""Mirror: the build that brings models of the Hub. Only environments that name models have one."""

from aws_cdk import RemovalPolicy, Stack
from constructs import Construct

from hf_sagemaker.hub_mirror import HubMirror, HubModel
from hf_sagemaker.placement import Network
from stacks.contract import publish
from stacks.data_stack import DataStack
from stacks.settings import EnvironmentSettings


class MirrorStack(Stack):
    """Offers `mirror`. A stack of its own: a change of the models touches neither images nor the bucket."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: EnvironmentSettings,
        network: Network,
        data: DataStack,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self.mirror = HubMirror(
            self,
            "HubMirror",
            models=[HubModel(**model.model_dump()) for model in settings.hub.models],
            bucket=data.buckets.models,
            keys=data.keys,
            role=data.roles.mirroring,
            placement=network.mirror,
            token_secret_arn=settings.hub.token_secret_arn,
            endpoint=settings.hub.endpoint,
            removal_policy=removal_policy,
        )
        publish(self, environment, {"hub/project": self.mirror.project.project_name})
        data.people.allow_mirroring(self, self.mirror.project.project_arn, data.buckets.models)
