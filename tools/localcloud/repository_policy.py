"""Whether the policy of an ECR repository lets somebody of another account in: IAM is not enforced here, this is."""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any


def admits(policy: str | None, action: str, *, account: str, role: str | None = None) -> bool:
    """policy: the repository's; None: it has none, and admits nobody.

    account, role: of the caller. Omitted role: only the account is known, and conditions are not looked at.

    Raises ValueError for a statement with a condition that is not understood here.
    """
    if policy is None:
        return False
    statements = json.loads(policy)["Statement"]
    found = [
        statement["Effect"]
        for statement in (statements if isinstance(statements, list) else [statements])
        if action in _list(statement["Action"])
        and _names(statement["Principal"], account, role)
        and _holds(statement.get("Condition", {}), role)
    ]
    return "Allow" in found and "Deny" not in found


def _names(principal: Any, account: str, role: str | None) -> bool:
    if principal == "*":
        return True
    named = _list(principal.get("AWS", []))
    return "*" in named or account in named or any(arn == role or arn.endswith(f"::{account}:root") for arn in named)


def _holds(condition: Mapping[str, Mapping[str, Any]], role: str | None) -> bool:
    for operator, keys in condition.items():
        for key, patterns in keys.items():
            if (operator, key) not in (("ArnLike", "aws:PrincipalArn"), ("StringLike", "aws:PrincipalArn")):
                raise ValueError(f"{operator} of {key} in a repository's policy is not understood by the embedded AWS")
            if role and not any(fnmatchcase(role, pattern) for pattern in _list(patterns)):
                return False
    return True


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
