"""A permission, and the policy of a duty that is made of permissions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from hf_sagemaker.compliance import acknowledge

# What a service acts for when it assumes a role; {place} is region:account. Source: each service's guide,
# "cross-service confused deputy prevention". Services whose guide does not speak of aws:SourceArn are not here: a
# condition on a key that a service does not send would lock it out.
_SOURCES = {
    "codebuild.amazonaws.com": "codebuild:{place}:project/*",
    "sagemaker.amazonaws.com": "sagemaker:{place}:*",
    "states.amazonaws.com": "states:{place}:stateMachine:*",
}


@dataclass(frozen=True)
class Permission:
    """Statements that belong together.

    why_wildcards: what justifies the `*` in their resources, for a security review. Omitted: there is none, and
    a wildcard that slips in is a finding.
    """

    statements: Sequence[iam.PolicyStatement]
    why_wildcards: str | None = None


def service_principal(scope: Construct, service: str) -> iam.IPrincipal:
    """The service, acting for this account and a resource in it, where it tells (against the confused deputy)."""
    stack = Stack.of(scope)
    conditions: dict[str, Any] = {"StringEquals": {"aws:SourceAccount": stack.account}}
    if service in _SOURCES:
        source = _SOURCES[service].format(place=f"{stack.region}:{stack.account}")
        conditions["ArnLike"] = {"aws:SourceArn": f"arn:{stack.partition}:{source}"}
    return iam.ServicePrincipal(service, conditions=conditions)


def allow(
    actions: Sequence[str],
    *resources: str,
    conditions: Mapping[str, Any] | None = None,
    why_wildcards: str | None = None,
) -> Permission:
    """These actions on exactly these resources. conditions: omitted: none."""
    statement = iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
    return Permission([statement], why_wildcards)


def pass_role(role: iam.IRole, service: str) -> Permission:
    """Hand exactly this role to exactly this service."""
    return allow(["iam:PassRole"], role.role_arn, conditions={"StringEquals": {"iam:PassedToService": service}})


class DutyPolicy(iam.ManagedPolicy):
    """The permissions of one duty, attached to its role; its wildcards acknowledged with their permissions' reasons.

    wildcards: rule of cdk-nag that a wildcard breaks → why it may.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        role: iam.IRole,
        permissions: Sequence[Permission],
        description: str | None = None,
        acknowledged: bool = True,
    ) -> None:
        """Creates the policy. It belongs to `scope`'s stack, so that a role of an earlier stack can be extended.

        description: cannot be changed later without a new policy. Omitted: none.
        acknowledged: False leaves the wildcards to whoever owns the policy, who has more to acknowledge with them.
        """
        super().__init__(
            scope,
            construct_id,
            description=description,
            roles=[role],
            statements=[statement for permission in permissions for statement in permission.statements],
        )
        self.wildcards = {
            f"AwsSolutions::AwsSolutions-IAM5[Resource::{shown}]": permission.why_wildcards
            for permission in permissions
            if permission.why_wildcards
            for statement in permission.statements
            for resource in statement.resources
            if "*" in (shown := _as_cdk_nag_shows(Stack.of(self).resolve(resource)))
        }
        if self.wildcards and acknowledged:
            acknowledge(self, " ".join(dict.fromkeys(self.wildcards.values())), *self.wildcards)


def _as_cdk_nag_shows(resource: object) -> str:
    """An ARN with its references in angle brackets, as cdk-nag's rule ids spell it."""
    if isinstance(resource, str):
        return resource
    if isinstance(resource, dict):
        ((function, argument),) = resource.items()
        if function == "Fn::Join":
            return "".join(_as_cdk_nag_shows(part) for part in argument[1])
        if function == "Fn::GetAtt":
            return f"<{'.'.join(argument)}>"
        if function == "Ref":
            return f"<{argument}>"
    return json.dumps(resource, separators=(",", ":"))
