"""The table of IAM's actions is policy_sentry's, and the tools that reviewers use agree with our controls."""

from typing import Any

import pytest
from cloudsplaining.scan.policy_document import PolicyDocument
from policy_sentry.querying.actions import get_actions_that_support_wildcard_arns_only

from hf_sagemaker.controls import iam_actions, update_iam_actions
from hf_sagemaker.controls.policies import Policy, every_policy, identity_policies
from hf_sagemaker.controls.templates import Templates

ENVIRONMENTS = ["dev", "prod"]


def test_the_table_is_current() -> None:
    assert update_iam_actions.FILE.read_text(encoding="utf-8") == update_iam_actions.text()


def test_the_table_knows_every_service_of_ours(full_environments: dict[str, Templates]) -> None:
    # Given every policy of the environments
    named = {
        action.split(":")[0]
        for templates in full_environments.values()
        for policy in every_policy(templates)
        for statement in policy.statements
        for action in [*statement.get("Action", []), *statement.get("NotAction", [])]
        if action != "*"
    }
    # Then the table knows its service
    assert named - set(update_iam_actions.SERVICES) == set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_all_resources_only_where_policy_sentry_knows_no_resource_type(
    full_environments: dict[str, Templates], environment: str
) -> None:
    # Given every statement that allows something on all resources
    allowed = {
        action
        for policy in identity_policies(full_environments[environment])
        for statement in policy.allows
        if "*" in statement["Resource"]
        for action in statement["Action"]
    }
    # Then none of its actions can be limited to a resource
    assert allowed
    unlimited = {a.lower() for s in update_iam_actions.SERVICES for a in get_actions_that_support_wildcard_arns_only(s)}
    assert {action for action in allowed if action.lower() not in unlimited} == set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_cloudsplaining_finds_no_way_up(full_environments: dict[str, Templates], environment: str) -> None:
    # Given every policy that grants something, as cloudsplaining reads it
    for policy in identity_policies(full_environments[environment]):
        document = PolicyDocument(_concrete(policy))
        # Then it allows no privilege escalation, no reading of all data, and no credentials but the registry's token
        assert document.allows_privilege_escalation == []
        assert document.allows_data_exfiltration_actions == []
        assert set(document.credentials_exposure) <= {"ecr:GetAuthorizationToken"}
        assert document.service_wildcard == []


def _concrete(policy: Policy) -> dict[str, Any]:
    """The document with references as ARNs: cloudsplaining reads nothing else."""
    statements = [
        {**s, "Resource": [r.replace("${", "arn:aws:x:::").replace("}", "") for r in s["Resource"]]}
        for s in policy.statements
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def test_an_unknown_action_is_not_taken_for_a_harmless_one() -> None:
    assert iam_actions.matching("sagemaker:InvokeEndpoints") == ()
    assert iam_actions.knows_resource_types("sagemaker:InvokeEndpoints")


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("aws:SourceVpce", True),
        ("kms:EncryptionContext:aws:logs:arn", True),
        ("aws:PrincipalTag/team", True),
        ("aws:SourceVpcEndpoint", False),
        ("sagemaker:VpcSubnet", False),
    ],
)
def test_condition_keys(key: str, known: bool) -> None:
    assert iam_actions.is_condition_key(key) is known
