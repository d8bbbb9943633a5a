"""Whom the policy of a repository admits on the embedded AWS."""

import json
from typing import Any

import pytest

from localcloud.repository_policy import admits

PULL = "ecr:BatchGetImage"
ROLE = "arn:aws:iam::210987654321:role/prod-Data-RolesTrainingRole"


def _policy(condition: dict[str, Any] | None = None, **changes: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
        "Action": [PULL],
        "Condition": condition or {"ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::210987654321:role/prod-*"]}},
    }
    return json.dumps({"Statement": [statement | changes]})


@pytest.mark.parametrize(
    ("policy", "action", "role", "admitted"),
    [
        (_policy(), PULL, ROLE, True),
        (_policy(), PULL, None, True),
        (_policy(), "ecr:PutImage", ROLE, False),
        (_policy(), PULL, "arn:aws:iam::210987654321:role/Administrator", False),
        (_policy(), PULL, "arn:aws:iam::666666666666:role/prod-Data-RolesTrainingRole", False),
        (_policy(Principal="*"), PULL, ROLE, True),
        (_policy(Effect="Deny"), PULL, ROLE, False),
        (None, PULL, ROLE, False),
    ],
)
def test_who_is_admitted(policy: str | None, action: str, role: str | None, admitted: bool) -> None:
    account = (role or ROLE).split(":")[4]
    assert admits(policy, action, account=account, role=role) is admitted


def test_a_condition_that_is_not_understood_is_an_error_and_no_silent_yes() -> None:
    with pytest.raises(ValueError, match="IpAddress of aws:SourceIp"):
        admits(_policy({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), PULL, account="210987654321", role=ROLE)
