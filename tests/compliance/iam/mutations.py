"""Policies with one safeguard taken out: a statement that denies, or one key of a condition."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hf_sagemaker.controls.templates import as_list
from tests.compliance.iam.simulator import Request

# Stands where a policy's only statement was: IAM knows no policy without statements.
_NOTHING = {"Effect": "Deny", "Action": "sts:GetSessionToken", "Resource": "arn:aws:s3:::no-such-bucket"}


@dataclass(frozen=True)
class Mutant:
    """A policy without one safeguard. name: says which, for people. actions: those of the statement, lower case."""

    name: str
    policy: str
    document: Mapping[str, Any]
    actions: tuple[str, ...] | None

    def concerns(self, request: Request) -> bool:
        """Whether the request could be decided otherwise: it is decided by the policy, and its action is named."""
        if self.policy not in request.policies:
            return False
        if self.actions is None:
            return True
        return any(_matches(pattern, request.action.lower()) for pattern in self.actions)

    def of(self, request: Request, expected: bool) -> Request:
        """The same request under the weakened policy. expected: how it is decided under the whole one."""

        def weakened(policies: Iterable[str]) -> list[str]:
            return [self.name if policy == self.policy else policy for policy in policies]

        return replace(
            request,
            id=f"{self.name} / {request.id}",
            group=self.name,
            expected=expected,
            identity=weakened(request.identity),
            boundary=weakened(request.boundary),
            scp=weakened(request.scp),
            endpoint=weakened(request.endpoint),
            resource_policy=self.name if request.resource_policy == self.policy else request.resource_policy,
        )


def mutants(policies: Mapping[str, Mapping[str, Any]]) -> Iterator[Mutant]:
    """Every way to take one safeguard out of these policies."""
    for policy, document in policies.items():
        statements = as_list(document["Statement"])
        for number, statement in enumerate(statements):
            label = f"{policy}#{statement.get('Sid', number)}"
            actions = tuple(str(action).lower() for action in as_list(statement.get("Action"))) or None
            if statement["Effect"] == "Deny":
                rest = statements[:number] + statements[number + 1 :]
                nothing = {**_NOTHING, "Principal": "*"} if "Principal" in statement else _NOTHING
                yield Mutant(f"{label} without it", policy, {**document, "Statement": rest or [nothing]}, actions)
            for operator, keys in statement.get("Condition", {}).items():
                for key in keys:
                    weaker = copy.deepcopy(statements)
                    _remove(weaker[number], operator, key)
                    name = f"{label} without {operator} {key}"
                    yield Mutant(name, policy, {**document, "Statement": weaker}, actions)


def _remove(statement: dict[str, Any], operator: str, key: str) -> None:
    condition = statement["Condition"]
    del condition[operator][key]
    if not condition[operator]:
        del condition[operator]
    if not condition:
        del statement["Condition"]


def _matches(pattern: str, action: str) -> bool:
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), action))
