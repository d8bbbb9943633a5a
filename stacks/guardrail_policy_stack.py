"""Guardrail policies: one service control policy per account of the environments. Deployed once per organisation."""

from collections.abc import Mapping

from aws_cdk import DefaultStackSynthesizer, Stack
from aws_cdk import aws_organizations as organizations
from constructs import Construct

from hf_sagemaker.guardrails import account_denials, job_denials, policy_document
from stacks.contract import promoted_repositories
from stacks.guardrails_stack import image_accounts, instance_types
from stacks.organization_settings import OrganizationSettings
from stacks.settings import EnvironmentSettings

LONGEST_POLICY = 5120
"""Characters that a service control policy may have."""


class GuardrailPolicyStack(Stack):
    """Offers `policies`, by account.

    Where several environments share an account, its policy allows what any of them allows: a service control policy
    cannot tell them apart, and several would leave only what all allow. Their boundaries keep them apart.
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
        for account in sorted({settings.account for settings in environments.values()}):
            here = {name: settings for name, settings in environments.items() if settings.account == account}
            self.policies[account] = self._policy(account, here, organization)

    def _policy(
        self, account: str, environments: Mapping[str, EnvironmentSettings], organization: OrganizationSettings
    ) -> organizations.CfnPolicy:
        names, all_settings = ", ".join(environments), environments.values()
        statements = [
            *job_denials(
                instance_types=sorted({name for each in all_settings for name in instance_types(each)}),
                isolation=all(each.isolation for each in all_settings),
            ),
            *account_denials(
                deployers=sorted({d for name, each in environments.items() for d in _deployers(self, name, each)})
                + organization.deployers,
                image_accounts=[account, *(owner for each in all_settings for owner in _image_owners(each))],
                keys_may_go=any(each.disposable for each in all_settings),
            ),
        ]
        return organizations.CfnPolicy(
            self,
            f"Account{account}",
            name=f"hf-sagemaker-{account}",
            type="SERVICE_CONTROL_POLICY",
            description=f"What nobody may do in the account of {names}",
            content=policy_document(
                f"service control policy of {names}",
                statements,
                longest=LONGEST_POLICY,
                mend=f"Allow fewer instance types in the settings of {names}, or give them accounts of their own.",
            ),
            target_ids=[account],
        )


def _image_owners(settings: EnvironmentSettings) -> list[str]:
    """Besides this account."""
    return [*image_accounts(settings), *(account for account, _ in promoted_repositories(settings))]


def _deployers(stack: Stack, name: str, settings: EnvironmentSettings) -> list[str]:
    """The CDK's execution role of the environment, and the environment's own."""
    qualifier = DefaultStackSynthesizer.DEFAULT_QUALIFIER
    roles = f"arn:{stack.partition}:iam::{settings.account}:role"
    return [
        f"{roles}/cdk-{qualifier}-cfn-exec-role-{settings.account}-{settings.region}",
        f"{roles}{settings.roles.path}{name}-Guardrails-Deploying*",
    ]
