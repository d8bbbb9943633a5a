"""A permission, and the policy of a duty that is made of permissions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aws_cdk import aws_iam as iam
from constructs import Construct

from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.place import place_of, stack_of

# What a service acts for when it assumes a role; {place} is region:account. Source: each service's guide,
# "cross-service confused deputy prevention". Services whose guide does not speak of aws:SourceArn are not here: a
# condition on a key that a service does not send would lock it out.
_SOURCES = {
    "codebuild.amazonaws.com": "codebuild:{place}:project/*",
    "sagemaker.amazonaws.com": "sagemaker:{place}:*",
    "states.amazonaws.com": "states:{place}:stateMachine:*",
}


Statement = dict[str, Any]
"""As IAM's JSON has it. Plain, since each object of the CDK costs a call into another process: a policy is one."""


def statement(
    *,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: Mapping[str, Any] | None = None,
    effect: Literal["Allow", "Deny"] = "Allow",
    sid: str | None = None,
) -> Statement:
    """One statement. conditions: omitted: none. sid: omitted: none."""
    return {
        **({"Sid": sid} if sid else {}),
        "Effect": effect,
        "Action": list(actions),
        "Resource": list(resources),
        **({"Condition": conditions} if conditions else {}),
    }


@dataclass(frozen=True)
class Permission:
    """Statements that belong together.

    why_wildcards: what justifies the `*` in their resources, for a security review. Omitted: there is none, and
    a wildcard that slips in is a finding.
    """

    statements: Sequence[Statement]
    why_wildcards: str | None = None


def service_principal(scope: Construct, service: str) -> iam.IPrincipal:
    """The service, acting for this account and a resource in it, where it tells (against the confused deputy)."""
    place = place_of(scope)
    conditions: dict[str, Any] = {"StringEquals": {"aws:SourceAccount": place.account}}
    if service in _SOURCES:
        source = _SOURCES[service].format(place=f"{place.region}:{place.account}")
        conditions["ArnLike"] = {"aws:SourceArn": f"arn:{place.partition}:{source}"}
    return iam.ServicePrincipal(service, conditions=conditions)


def allow(
    actions: Sequence[str],
    *resources: str,
    conditions: Mapping[str, Any] | None = None,
    why_wildcards: str | None = None,
) -> Permission:
    """These actions on exactly these resources. conditions: omitted: none."""
    return Permission([statement(actions=actions, resources=resources, conditions=conditions)], why_wildcards)


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
            document=iam.PolicyDocument.from_json(
                {
                    "Version": "2012-10-17",
                    "Statement": [each for permission in permissions for each in permission.statements],
                }
            ),
        )
        # The text of a reference holds no asterisk: what has none before it is resolved has none afterwards.
        wild = {
            resource: permission.why_wildcards
            for permission in permissions
            if permission.why_wildcards
            for each in permission.statements
            for resource in each["Resource"]
            if "*" in resource
        }
        self.wildcards = {
            f"AwsSolutions::AwsSolutions-IAM5[Resource::{_as_cdk_nag_shows(resource)}]": why
            for resource, why in zip(_resolved(scope, list(wild)), wild.values(), strict=True)
        }
        if self.wildcards and acknowledged:
            acknowledge(self, " ".join(dict.fromkeys(self.wildcards.values())), *self.wildcards)


def _resolved(scope: Construct, resources: list[str]) -> list[Any]:
    """As CloudFormation gets them. Text that holds no reference is that already, and asking costs."""
    if not any("${Token[" in resource for resource in resources):
        return resources
    resolved: list[Any] = stack_of(scope).resolve(resources)
    return resolved


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
