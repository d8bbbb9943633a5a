"""Whether IAM accepts a policy document, and knows the names in it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from hf_sagemaker.controls.iam_actions import is_condition_key, matching
from hf_sagemaker.controls.policies import Policy, Statement, condition_keys, principals
from hf_sagemaker.controls.templates import as_list

_OPERATORS = {
    *("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
    *("StringLike", "StringNotLike", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"),
    *("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals"),
    *("NumericGreaterThan", "NumericGreaterThanEquals", "DateEquals", "DateNotEquals", "DateLessThan"),
    *("DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals", "Bool", "BinaryEquals", "IpAddress"),
    *("NotIpAddress", "Null"),
}
_ELEMENTS = {
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}
_ACTION = re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*?]+")
_RESOURCE = re.compile(r"\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+|\$\{[^{}]+\}.*")
_REFERENCE = re.compile(r"\$\{[^{}]+\}")
# What a reference becomes when it is deployed is longer than what stands for it here.
_LONGEST_NAME = "x" * 100
_LONGEST_POLICY = {"AWS::IAM::ManagedPolicy": 6144, "AWS::Organizations::Policy": 5120, "AWS::IAM::Role": 4096}
"""Characters without whitespace."""


def faults(policy: Policy) -> list[str]:
    """What is wrong with a policy document, by the grammar of policies; empty when IAM accepts it."""
    found = [] if policy.document.get("Version") == "2012-10-17" else ["Version must be 2012-10-17"]
    if not policy.statements:
        found.append("it has no statement")
    sids = [sid for statement in policy.statements if (sid := statement.get("Sid"))]
    found += [f"Sid {sid} stands twice" for sid in sorted(set(sids)) if sids.count(sid) > 1]
    limit = _LONGEST_POLICY.get(policy.resource.type)
    length = len(_REFERENCE.sub(_LONGEST_NAME, json.dumps(policy.document, separators=(",", ":"))))
    if limit and length > limit:
        found.append(f"it has up to {length} characters, more than {limit}")
    return [*found, *(fault for statement in policy.statements for fault in _faults(policy, statement))]


def _faults(policy: Policy, statement: Statement) -> Iterator[str]:
    yield from (f"{element} is no element of a statement" for element in statement if element not in _ELEMENTS)
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield "Effect must be Allow or Deny"
    if sum(element in statement for element in ("Action", "NotAction")) != 1:
        yield "a statement needs either Action or NotAction"
    for action in [*statement.get("Action", []), *statement.get("NotAction", [])]:
        if not _ACTION.fullmatch(str(action)):
            yield f"{action} is no action"
    if not re.fullmatch(r"[A-Za-z0-9]*", statement.get("Sid", "")):
        yield f"Sid {statement['Sid']} may hold letters and digits only"
    yield from _resource_faults(policy, statement)
    for operator, keys in statement.get("Condition", {}).items():
        if operator.split(":")[-1].removesuffix("IfExists") not in _OPERATORS:
            yield f"{operator} is no condition operator"
        yield from (f"{key} is compared with nothing" for key, values in keys.items() if as_list(values) == [])


def _resource_faults(policy: Policy, statement: Statement) -> Iterator[str]:
    named = [*statement.get("Resource", []), *statement.get("NotResource", [])]
    yield from (f"{resource} is no ARN" for resource in named if not _is_resource(resource))
    if policy.names_principals and not any(element in statement for element in ("Principal", "NotPrincipal")):
        yield "a statement needs a Principal"
    if not policy.names_principals and any(element in statement for element in ("Principal", "NotPrincipal")):
        yield "a statement must not name a Principal"
    # Trust policies and those of repositories are about what they lie on, and name no resource.
    own = policy.resource.type in ("AWS::IAM::Role", "AWS::ECR::Repository") and policy.names_principals
    if sum(element in statement for element in ("Resource", "NotResource")) != (0 if own else 1):
        yield (
            "a policy of a role or a repository names no resource"
            if own
            else "a statement needs either Resource or NotResource"
        )


def _is_resource(resource: Any) -> bool:
    return isinstance(resource, str) and _RESOURCE.fullmatch(resource) is not None


def unknown_names(policy: Policy) -> list[str]:
    """The actions and condition keys of a policy document that IAM does not know."""
    unknown: list[str] = []
    for statement in policy.statements:
        actions = [*statement.get("Action", []), *statement.get("NotAction", [])]
        unknown += [action for action in actions if not matching(action)]
        issuers = [str(provider).split("/")[-1] for provider in principals(statement, "Federated")]
        unknown += [
            key
            for key in sorted(condition_keys(statement))
            # An identity provider's claims are keys that begin with its host.
            if not is_condition_key(key) and not any(key.startswith(f"{issuer}:") for issuer in issuers)
        ]
    return list(dict.fromkeys(unknown))
