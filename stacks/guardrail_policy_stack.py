"""Guardrail policies: one service control policy per environment, for its account. Deployed once per organisation."""

from collections.abc import Mapping

from aws_cdk import DefaultStackSynthesizer, Stack
from aws_cdk import aws_organizations as organizations
from constructs import Construct

from hf_sagemaker.guardrails import account_denials, job_denials, policy_document
from stacks.guardrails_stack import image_accounts, instance_types
from stacks.organization_settings import OrganizationSettings
from stacks.settings import EnvironmentSettings

LONGEST_POLICY = 5120
"""Characters that a service control policy may have."""


class GuardrailPolicyStack(Stack):
    """Offers `policies`, by environment.

    Several environments in one account make several policies for it, and each of them holds: such an account can do
    only what all of them allow.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        organization: OrganizationSettings,
        environments: Mapping[str, EnvironmentSettings],
    ) -> None:
        """Raises PolicyTooLongError when a policy is longer than AWS Organizations takes."""
        super().__init__(scope, construct_id, termination_protection=True)
        self.policies: dict[str, organizations.CfnPolicy] = {}
        for name, settings in environments.items():
            statements = [
                *job_denials(
                    instance_types=instance_types(settings),
                    isolation=settings.isolation,
                    image_accounts=[settings.account, *image_accounts(settings)],
                ),
                *account_denials(
                    deployers=[*_deployers(self.partition, name, settings), *organization.deployers],
                    keys_may_go=settings.disposable,
                ),
            ]
            self.policies[name] = organizations.CfnPolicy(
                self,
                "".join(word.capitalize() for word in name.split("-")) + "Policy",
                name=f"hf-sagemaker-{name}",
                type="SERVICE_CONTROL_POLICY",
                description=f"What nobody may do in the account of {name}",
                content=policy_document(
                    f"service control policy of {name}",
                    statements,
                    longest=LONGEST_POLICY,
                    mend=f"Allow fewer instance types in environments/{name}.yaml.",
                ),
                target_ids=[settings.account],
            )


def _deployers(partition: str, name: str, settings: EnvironmentSettings) -> list[str]:
    """The CDK's execution role of the environment, and the environment's own."""
    qualifier = DefaultStackSynthesizer.DEFAULT_QUALIFIER
    roles = f"arn:{partition}:iam::{settings.account}:role"
    return [
        f"{roles}/cdk-{qualifier}-cfn-exec-role-{settings.account}-{settings.region}",
        f"{roles}{settings.roles.path}{name}-Guardrails-Deploying*",
    ]
