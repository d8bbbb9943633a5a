"""Controls 23 to 29, 36 and 37: what identity policies grant, and that IAM reads them as we do."""

from collections.abc import Iterator, Sequence

from hf_sagemaker.controls.control import Breach, Control, Proof, judge
from hf_sagemaker.controls.iam_actions import knows_resource_types, matching, table
from hf_sagemaker.controls.policies import (
    ATTACHABLE,
    IDENTITIES,
    INLINE,
    Statement,
    allowed,
    condition,
    condition_keys,
    covers,
    every_policy,
    identity_policies,
    is_everything,
    resource_policies,
    services,
)
from hf_sagemaker.controls.policy_grammar import faults, unknown_names
from hf_sagemaker.controls.templates import Resource, Templates

_PASS = "iam:PassRole"
_TAKES_ROLES = "sagemaker.amazonaws.com"


def allows_not_everything(templates: Templates) -> Iterator[Proof | Breach]:
    """No policy makes an administrator."""
    for policy in identity_policies(templates):
        all_actions = any("*" in s.get("Action", []) or "NotAction" in s for s in policy.allows)
        yield judge(policy.resource, not all_actions, "allows every action.")


def names_its_actions(templates: Templates) -> Iterator[Proof | Breach]:
    """Every action that is allowed is written out, to identities and by resources."""
    for policy in (*identity_policies(templates), *resource_policies(templates)):
        patterns = [a for s in policy.allows for a in s.get("Action", ["all but some"]) if "*" in a or "?" in a]
        excluded = any("NotAction" in statement for statement in policy.allows)
        wrong = [*patterns, *(["NotAction"] if excluded else [])]
        yield judge(policy.resource, not wrong, f"allows actions by a pattern: {', '.join(wrong)}.")


def names_its_resources(templates: Templates) -> Iterator[Proof | Breach]:
    """All resources are allowed only for actions that know no resource type."""
    for policy in identity_policies(templates):
        wrong = sorted(
            {
                action
                for statement in policy.allows
                if _is_unrestricted(statement)
                for action in statement.get("Action", ["*"])
                if knows_resource_types(action)
            }
        )
        yield judge(policy.resource, not wrong, f"allows on all resources what could be limited: {', '.join(wrong)}.")


def uses_no_managed_policies_of_aws(templates: Templates) -> Iterator[Proof | Breach]:
    """AWS's own policies allow more than one duty needs, and change without notice."""
    for identity in templates.resources(*IDENTITIES):
        theirs = [arn for arn in identity.properties.get("ManagedPolicyArns", []) if ":iam::aws:policy/" in str(arn)]
        yield judge(identity, not theirs, f"has policies of AWS: {', '.join(map(str, theirs))}.")


def has_no_inline_policies(templates: Templates) -> Iterator[Proof | Breach]:
    """Policies are resources of their own, so that a review finds them in one place."""
    for identity in templates.resources(*IDENTITIES):
        yield judge(identity, not identity.properties.get("Policies"), "has inline policies.")
    for policy in templates.resources(*INLINE):
        yield Breach(policy, "is an inline policy; it must be an AWS::IAM::ManagedPolicy.")
    for policy in templates.resources(ATTACHABLE):
        yield Proof(policy)


def passes_named_roles_to_sagemaker(templates: Templates) -> Iterator[Proof | Breach]:
    """Who may hand a role to a service may do so with named roles, and to SageMaker only."""
    for policy in identity_policies(templates):
        passing = [statement for statement in policy.allows if covers(statement, _PASS)]
        if passing:
            yield judge(
                policy.resource,
                all(_passes_to_sagemaker(templates, statement) for statement in passing),
                f"allows {_PASS} too widely; it must name roles that SageMaker may assume, and iam:PassedToService "
                f"must be {_TAKES_ROLES}.",
            )


def cannot_widen_itself(templates: Templates) -> Iterator[Proof | Breach]:
    """No role can make itself an administrator, take credentials, or read all data or secrets.

    The lists are cloudsplaining's. Beyond them, no role but CloudFormation's changes anything in IAM; but the role of a
    named service, which AWS defines and nobody can widen, may be made.
    """
    for role in templates.resources("AWS::IAM::Role"):
        granted = allowed(templates, role)
        everywhere = [statement for statement in granted if _is_unrestricted(statement)]
        wrong = [
            *(f"escalation {name}" for name, actions in table()["escalation"].items() if _all(everywhere, actions)),
            *(a for a in table()["exfiltration"] if _all(everywhere, [a])),
            *(a for a in table()["credentials"] if _all(everywhere, [a]) and knows_resource_types(a)),
        ]
        if services(role) != {"cloudformation.amazonaws.com"}:
            ours = [statement for statement in granted if not _brings_a_services_role(statement)]
            wrong += [a for a in matching("iam:*", "changing") if a != _PASS and _all(ours, [a])]
        yield judge(role, not wrong, f"allows on all resources, or in IAM: {', '.join(wrong)}.")


def _brings_a_services_role(statement: Statement) -> bool:
    named = statement.get("Condition", {}).get("StringEquals", {}).get("iam:AWSServiceName")
    return statement["Action"] == ["iam:CreateServiceLinkedRole"] and isinstance(named, str)


def is_valid(templates: Templates) -> Iterator[Proof | Breach]:
    """IAM accepts every policy document."""
    for policy in every_policy(templates):
        wrong = faults(policy)
        yield judge(policy.resource, not wrong, f"is no valid policy: {'; '.join(wrong)}.")


def knows_its_names(templates: Templates) -> Iterator[Proof | Breach]:
    """Every action and condition key exists: a misspelt one in a Deny refuses nothing."""
    for policy in every_policy(templates):
        wrong = unknown_names(policy)
        yield judge(policy.resource, not wrong, f"names what IAM does not know: {', '.join(wrong)}.")


def _is_unrestricted(statement: Statement) -> bool:
    return "NotResource" in statement or any(is_everything(resource) for resource in statement.get("Resource", []))


def _all(granted: Sequence[Statement], actions: Sequence[str]) -> bool:
    return all(any(covers(statement, action) for statement in granted) for action in actions)


def _passes_to_sagemaker(templates: Templates, statement: Statement) -> bool:
    return (
        condition(statement, "iam:PassedToService", "StringEquals") == [_TAKES_ROLES]
        and condition_keys(statement) >= {"iam:passedtoservice"}
        and all(_is_sagemaker_role(templates.find(role), role) for role in statement.get("Resource", ["*"]))
    )


def _is_sagemaker_role(role: Resource | None, named: object) -> bool:
    return (
        role is not None
        and role.type == "AWS::IAM::Role"
        and named == role.reference("Arn")
        and _TAKES_ROLES in services(role)
    )


CONTROLS = (
    Control(23, "no `*:*`", "SH IAM.1", allows_not_everything),
    Control(24, "no `svc:*`", "SH IAM.21", names_its_actions),
    Control(25, "every `Resource:*` justified by SAR", "AS-IAM5", names_its_resources),
    Control(26, "no AWS-managed policies (AmazonSageMakerFullAccess!)", "AS-IAM4", uses_no_managed_policies_of_aws),
    Control(27, "no inline policies", "NIST AC-6", has_no_inline_policies),
    Control(
        28,
        "PassRole to literal role ARN + `iam:PassedToService==sagemaker.amazonaws.com`",
        "PassRole",
        passes_named_roles_to_sagemaker,
    ),
    Control(29, "no privesc / exfil / creds exposure", "CKV 107–111", cannot_widen_itself),
    Control(36, "policies syntactically valid", "parliament/CV", is_valid),
    Control(37, "no unknown actions/condition keys", "SAR", knows_its_names),
)
