"""What a policy's text alone shows: wildcards, sizes, trust, known dangers; and the templates under cfn-lint."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint
from cloudsplaining.scan.policy_document import PolicyDocument
from policy_sentry.querying.actions import get_action_data, get_actions_that_support_wildcard_arns_only

from hf_sagemaker.controls.templates import Templates, statements
from tests.compliance.iam.policy_model import PolicyModel
from tests.compliance.iam.requests import World

ENVIRONMENTS = ["dev", "prod"]
MANAGED_POLICY, SERVICE_CONTROL_POLICY, TRUST_POLICY = 6144, 5120, 2048
"""Characters that IAM and Organizations take, without white space."""
POLICIES_OF_A_ROLE = 10
ACCEPTED_LINT = {
    "W3005": "The CDK writes a dependency that a reference implies already; both say the same.",
    "W3010": "The zones are the environment's settings; asking AWS would make two synths of one commit differ.",
}
ACCEPTED_EXPOSURE = {
    # A token to log in with; what it opens is what the role may pull and push.
    "ecr:GetAuthorizationToken",
}


@pytest.fixture(params=ENVIRONMENTS)
def model(request: pytest.FixtureRequest, world: World) -> PolicyModel:
    return world.models[request.param]


def _granting(model: PolicyModel) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each statement of a role's own policies that allows something, with its policy's id."""
    for policy in {policy for role in model.roles.values() for policy in role.identity}:
        for statement in statements(model.policies[policy]):
            if statement["Effect"] == "Allow":
                yield policy, statement


def test_no_action_that_is_allowed_is_a_pattern(model: PolicyModel) -> None:
    # Whatever the policy lies on: roles, keys, buckets, topics, VPC endpoints; and the limits of roles
    wild = [
        (policy, action)
        for policy, document in model.everything().items()
        for statement in statements(document)
        if statement["Effect"] == "Allow"
        for action in statement.get("Action", ["NotAction"])
        if "*" in action or "?" in action or action == "NotAction"
    ]
    assert wild == []


def test_every_policy_is_ours_and_stands_on_its_own(model: PolicyModel) -> None:
    # Policies of AWS change without us; inline policies are seen by nobody.
    assert not list(model.templates.resources("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::GroupPolicy"))
    for role in model.templates.resources("AWS::IAM::Role"):
        assert "Policies" not in role.properties, role.path
        assert ":aws:policy/" not in json.dumps(role.properties.get("ManagedPolicyArns", [])), role.path
        assert ":aws:policy/" not in json.dumps(role.properties.get("PermissionsBoundary", "")), role.path


def test_resource_is_everything_only_where_nothing_can_be_named(model: PolicyModel) -> None:
    unlimited = {
        action
        for policy, statement in _granting(model)
        if any(_is_everything(r) for r in statement.get("Resource", ["*"]))
        for action in statement["Action"]
    }
    nameless = {
        action for service in {a.split(":")[0] for a in unlimited} for action in _without_resource_type(service)
    }
    assert unlimited - nameless == set()


def _is_everything(resource: str) -> bool:
    return bool(re.fullmatch(r"\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:\*", resource))


def _without_resource_type(service: str) -> set[str]:
    return set(get_actions_that_support_wildcard_arns_only(service))


def test_every_action_is_granted_on_a_resource_that_it_knows(model: PolicyModel) -> None:
    # Granted on any other type of resource, an action is not granted at all
    idle = {
        (policy, action)
        for policy, statement in _granting(model)
        for action in statement["Action"]
        if "*" not in statement["Resource"]
        and not any(_fits(resource, form) for resource in statement["Resource"] for form in _resource_types(action))
    }
    assert idle == set()


def _resource_types(action: str) -> set[str]:
    service, name = action.split(":")
    return {entry["resource_arn_format"] for entry in get_action_data(service, name)[service]} - {"*"}


def _fits(resource: str, form: str) -> bool:
    """Whether a granted ARN, with or without `*`, may be one of that form, as `arn:…:stack/${StackName}/${Id}`."""
    granted, named = resource.split(":", 5), form.split(":", 5)
    if granted[2] != named[2] or (named[5] == "${BucketName}" and "/" in granted[5]):
        return False
    return _meet(granted[5], re.sub(r"\$\{\w+\}", "*", named[5]))


@cache
def _meet(one: str, other: str) -> bool:
    """Whether some text fits both patterns."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return _meet(one[1:], other) or _meet(one, other[1:])
    if other[0] == "*":
        return _meet(other, one)
    return one[0] == other[0] and _meet(one[1:], other[1:])


def test_every_service_that_is_trusted_acts_for_this_account(model: PolicyModel) -> None:
    trusted = [
        (role.trust, statement)
        for role in model.roles.values()
        for statement in statements(model.policies[role.trust])
        if "Service" in statement["Principal"]
    ]
    assert trusted
    for policy, statement in trusted:
        assert statement.get("Condition", {}).get("StringEquals", {}).get("aws:SourceAccount") == (
            model.templates.account
        ), policy


def test_every_service_in_a_resource_policy_acts_for_this_account(model: PolicyModel) -> None:
    for kind in ("AWS::KMS::Key", "AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy"):
        for resource in model.templates.resources(kind):
            for statement in statements(model.policies[f"{resource.stack}/{resource.logical_id}"]):
                if statement["Effect"] == "Allow" and "Service" in json.dumps(statement["Principal"]):
                    assert model.templates.account in json.dumps(statement.get("Condition", {})), resource.path


def test_policies_fit_into_iam(model: PolicyModel) -> None:
    sizes = {
        **{p: (MANAGED_POLICY, _size(model.policies[p])) for role in model.roles.values() for p in role.identity},
        **{p: (MANAGED_POLICY, _size(model.policies[p])) for role in model.roles.values() for p in role.boundary},
        **{role.trust: (TRUST_POLICY, _size(model.policies[role.trust])) for role in model.roles.values()},
        **{p: (SERVICE_CONTROL_POLICY, _size(model.policies[p])) for p in model.scp},
    }
    assert {policy: size for policy, (limit, size) in sizes.items() if size > limit} == {}
    assert {role.arn for role in model.roles.values() if len(role.identity) > POLICIES_OF_A_ROLE} == set()


def _size(document: Mapping[str, Any]) -> int:
    return len(re.sub(r"\s", "", json.dumps(document, separators=(",", ":"))))


def test_no_role_can_widen_itself_or_leak(model: PolicyModel) -> None:
    found = {}
    for role in model.roles.values():
        for policy in role.identity:
            judged = PolicyDocument(json.loads(json.dumps(model.policies[policy])))
            dangers = {
                "privilege escalation": judged.allows_privilege_escalation,
                "credentials exposure": set(judged.credentials_exposure) - ACCEPTED_EXPOSURE,
                "data exfiltration": judged.allows_data_exfiltration_actions,
                "permissions management": judged.permissions_management_without_constraints,
            }
            if any(dangers.values()):
                found[policy] = {danger: value for danger, value in dangers.items() if value}
    assert found == {}


def test_cloudsplaining_finds_what_it_should() -> None:
    # Given a policy with which a role widens itself
    widening = {"Effect": "Allow", "Action": ["iam:PutRolePolicy", "iam:AttachRolePolicy"], "Resource": "*"}
    judged = PolicyDocument({"Version": "2012-10-17", "Statement": [widening]})
    # Then it is found
    assert judged.allows_privilege_escalation


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_cfn_lint_finds_nothing(name: str, environments: dict[str, Templates]) -> None:
    templates = environments[name]
    found = [
        f"{stack}: {match.rule.id} {match.message}"
        for stack, template in templates.stacks.items()
        for match in lint(json.dumps(template), config=ManualArgs(regions=[templates.region]))
        if match.rule.id not in ACCEPTED_LINT and not _is_about_stack_outputs(match.rule.id, match.message)
    ]
    assert found == []


def _is_about_stack_outputs(rule: str, message: str) -> bool:
    # cfn-lint does not know that Fn::Join may join Fn::GetStackOutput, with which our stacks refer to each other.
    return rule == "E1022" and message.startswith("{'Fn::GetStackOutput': ")


def test_cfn_lint_finds_what_it_should(environments: dict[str, Templates]) -> None:
    # Given a template with an instance type that no region has
    config = {
        "Type": "AWS::SageMaker::EndpointConfig",
        "Properties": {"ProductionVariants": [{"InstanceType": "ml.g4dn.3xlarge"}]},
    }
    # Then it is an error
    found = lint(json.dumps({"Resources": {"Config": config}}), config=ManualArgs(regions=["us-east-1"]))
    assert any(match.rule.id.startswith("E") for match in found)
