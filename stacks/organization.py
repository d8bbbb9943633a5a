"""The organisation: what is deployed once, in the account that manages the others."""

from collections.abc import Mapping

from aws_cdk import Environment, Stage
from constructs import Construct

from stacks.guardrail_policy_stack import GuardrailPolicyStack
from stacks.organization_settings import ORGANIZATION, OrganizationSettings
from stacks.settings import EnvironmentSettings


class Organization(Stage):
    """Creates its one stack; the stage and the stack's name begin with `organization`."""

    def __init__(
        self,
        scope: Construct,
        settings: OrganizationSettings,
        environments: Mapping[str, EnvironmentSettings],
    ) -> None:
        super().__init__(scope, ORGANIZATION, env=Environment(account=settings.account, region=settings.region))
        GuardrailPolicyStack(self, "Guardrails", organization=settings, environments=environments)
