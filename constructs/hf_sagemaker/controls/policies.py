"""Who may do what, as the templates say: the policies of roles, of resources, and the trust in roles."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any

from hf_sagemaker.controls.templates import Resource, Templates, as_list, statements

Statement = Mapping[str, Any]

ATTACHABLE = "AWS::IAM::ManagedPolicy"
INLINE = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy", "AWS::IAM::GroupPolicy")
IDENTITIES = ("AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group")
# type → property that holds its policy
_OF_RESOURCES = {
    "AWS::ECR::Repository": "RepositoryPolicyText",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
    "AWS::SecretsManager::ResourcePolicy": "ResourcePolicy",
}

_ENVIRONMENTS_AT_HAND = 2
"""Of how many environments what was read is kept: the one that is being judged, and its like in a test."""


@dataclass(frozen=True)
class Policy:
    """One policy document.

    resource: what holds it: a policy, a role with an inline or a trust policy, a key, a bucket policy, …
    document: with references as text.
    names_principals: it stands at a resource or is a trust policy, and says for whom it is.
    """

    resource: Resource
    document: Mapping[str, Any]
    names_principals: bool = False

    @cached_property
    def statements(self) -> list[Statement]:
        """Its statements, with Action and Resource as lists."""
        return list(statements(self.document))

    @cached_property
    def allows(self) -> list[Statement]:
        """Its Allow statements."""
        return [statement for statement in self.statements if statement.get("Effect") == "Allow"]


@lru_cache(maxsize=_ENVIRONMENTS_AT_HAND)
def boundaries(templates: Templates) -> Sequence[Resource]:
    """The policies that only limit: they are the permissions boundary of a role, and attached to nobody."""
    identities = list(templates.resources(*IDENTITIES))
    limiting = json.dumps([identity.properties.get("PermissionsBoundary") for identity in identities])
    granting = json.dumps([identity.properties.get("ManagedPolicyArns") for identity in identities])
    return [
        policy
        for policy in templates.resources(ATTACHABLE)
        if policy.is_named_by(limiting)
        and not policy.is_named_by(granting)
        and not any(policy.properties.get(kind) for kind in ("Roles", "Users", "Groups"))
    ]


@lru_cache(maxsize=_ENVIRONMENTS_AT_HAND)
def identity_policies(templates: Templates) -> Sequence[Policy]:
    """The policies that grant something to roles, users and groups; permissions boundaries grant nothing."""
    return [
        *(
            Policy(resource, resource.properties.get("PolicyDocument", {}))
            for resource in templates.resources(ATTACHABLE, *INLINE)
            if resource not in boundaries(templates)
        ),
        *(
            Policy(identity, inline["PolicyDocument"])
            for identity in templates.resources(*IDENTITIES)
            for inline in identity.properties.get("Policies", [])
        ),
    ]


def resource_policies(templates: Templates) -> Iterator[Policy]:
    """The policies of keys, buckets, topics, queues, repositories and secrets."""
    for resource in templates.resources(*_OF_RESOURCES):
        if document := resource.properties.get(_OF_RESOURCES[resource.type]):
            yield Policy(resource, document, names_principals=True)


def trust_policies(templates: Templates) -> Iterator[Policy]:
    """Who may assume each role."""
    for role in templates.resources("AWS::IAM::Role"):
        yield Policy(role, role.properties["AssumeRolePolicyDocument"], names_principals=True)


def limits(templates: Templates) -> Iterator[Policy]:
    """The policies that only limit: permissions boundaries, those of VPC endpoints, of organisations."""
    for resource in boundaries(templates):
        yield Policy(resource, resource.properties.get("PolicyDocument", {}))
    for resource in templates.resources("AWS::EC2::VPCEndpoint"):
        if document := resource.properties.get("PolicyDocument"):
            yield Policy(resource, document, names_principals=True)
    for resource in templates.resources("AWS::Organizations::Policy"):
        content = resource.properties.get("Content", {})
        yield Policy(resource, json.loads(content) if isinstance(content, str) else content)


def every_policy(templates: Templates) -> Iterator[Policy]:
    """Every policy document of the templates."""
    yield from identity_policies(templates)
    yield from resource_policies(templates)
    yield from trust_policies(templates)
    yield from limits(templates)


def policies_of(templates: Templates, role: Resource) -> Iterator[Policy]:
    """The policies that grant something to this role, wherever they are attached."""
    attached = json.dumps(role.properties.get("ManagedPolicyArns", []))
    for policy in identity_policies(templates):
        holder = policy.resource
        named = [holder.properties.get("Roles"), holder.properties.get("RoleName")]
        if holder is role or role.is_named_by(named) or holder.is_named_by(attached):
            yield policy


@lru_cache(maxsize=_ENVIRONMENTS_AT_HAND * 50)
def allowed(templates: Templates, role: Resource) -> Sequence[Statement]:
    """Every Allow statement that grants something to this role."""
    return [statement for policy in policies_of(templates, role) for statement in policy.allows]


def covers(statement: Statement, action: str) -> bool:
    """Whether the statement is about this action, by name, by a pattern, or by leaving it out of NotAction."""
    if "NotAction" in statement:
        return not any(_matches(pattern, action) for pattern in statement["NotAction"])
    return any(_matches(pattern, action) for pattern in statement.get("Action", []))


def _matches(pattern: str, action: str) -> bool:
    if "*" in pattern or "?" in pattern:
        return fnmatchcase(action.lower(), pattern.lower())
    return action.lower() == pattern.lower()


def is_everything(resource: object) -> bool:
    """Whether a resolved Resource element means all resources: `*`, or an ARN whose resource part is `*`."""
    return isinstance(resource, str) and (resource == "*" or resource.split(":", 5)[5:] == ["*"])


def principals(statement: Statement, kind: str) -> list[Any]:
    """The principals of that kind (`AWS`, `Service`, `Federated`); `*`, and all but some, is of kind AWS."""
    principal: Any = "*" if "NotPrincipal" in statement else statement.get("Principal", {})
    if principal == "*":
        return ["*"] if kind == "AWS" else []
    return as_list(principal.get(kind))


def services(role: Resource) -> set[str]:
    """The services that may assume the role."""
    trust = Policy(role, role.properties["AssumeRolePolicyDocument"])
    return {str(service) for statement in trust.allows for service in principals(statement, "Service")}


def condition(statement: Statement, key: str, *operators: str) -> list[Any]:
    """The values that one of these operators holds against a condition key; its name is compared as IAM does."""
    return [
        value
        for operator, keys in statement.get("Condition", {}).items()
        if operator in operators
        for name, values in keys.items()
        if name.lower() == key.lower()
        for value in as_list(values)
    ]


def condition_keys(statement: Statement) -> set[str]:
    """Every condition key of the statement, in lower case. Each further one makes a Deny weaker."""
    return {name.lower() for keys in statement.get("Condition", {}).values() for name in keys}


def is_ours(templates: Templates, principal: object) -> bool:
    """Whether an AWS principal is in this account: a role of ours, the account itself, or an ARN in it."""
    if not isinstance(principal, str) or principal == "*":
        return False
    found = templates.find(principal)
    return found is not None or principal == templates.account or principal.split(":")[4:5] == [templates.account]


def duty_role(templates: Templates, duty: str) -> Resource | None:
    """The role that does this duty, as the contract in SSM names it: `/hf-sagemaker/<environment>/roles/<duty>-arn`."""
    name = f"/hf-sagemaker/{templates.name}/roles/{duty}-arn"
    for parameter in templates.resources("AWS::SSM::Parameter"):
        if parameter.properties.get("Name") == name:
            role = templates.find(parameter.properties.get("Value"))
            return role if role is not None and role.type == "AWS::IAM::Role" else None
    return None
