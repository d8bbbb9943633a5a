"""Mutants of controls 1 to 7."""

from typing import Any

from hf_sagemaker.controls.templates import as_list
from tests.compliance.mutant import Mutant, Stacks, bodies, first

KEY = "AWS::KMS::Key"


def _no_rotation(stacks: Stacks) -> None:
    first(stacks, KEY)["Properties"]["EnableKeyRotation"] = False


def _public_key(stacks: Stacks) -> None:
    _key_statements(stacks).append(
        {"Effect": "Allow", "Principal": "*", "Action": ["kms:Decrypt"], "Resource": "*"},
    )


def _short_waiting_period(stacks: Stacks) -> None:
    first(stacks, KEY)["Properties"]["PendingWindowInDays"] = 7


def _decrypts_with_any_key(stacks: Stacks) -> None:
    _statement(stacks, "kms:Decrypt")["Resource"] = "arn:aws:kms:us-east-1:210987654321:key/*"


def _grants_for_anybody(stacks: Stacks) -> None:
    _statement(stacks, "kms:CreateGrant").pop("Condition")


def _training_disables_a_key(stacks: Stacks) -> None:
    statement = _statement(stacks, "kms:Decrypt")
    statement["Action"] = [*as_list(statement["Action"]), "kms:DisableKey"]


def _logs_of_all_accounts(stacks: Stacks) -> None:
    statement = next(s for s in _key_statements(stacks, all_keys=True) if _is_for_logs(s))
    statement.pop("Condition")


def _key_statements(stacks: Stacks, *, all_keys: bool = False) -> list[dict[str, Any]]:
    keys = list(bodies(stacks, KEY))
    statements = [key["Properties"]["KeyPolicy"]["Statement"] for key in keys]
    return [statement for key in statements for statement in key] if all_keys else statements[0]


def _statement(stacks: Stacks, action: str) -> dict[str, Any]:
    """The statement that grants this action to training jobs."""
    policy = first(stacks, "AWS::IAM::ManagedPolicy", "/Roles/TrainingPolicy/")
    statements: list[dict[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
    return next(statement for statement in statements if action in statement["Action"])


def _is_for_logs(statement: dict[str, Any]) -> bool:
    return "logs." in str(statement["Principal"].get("Service", ""))


MUTANTS: dict[int, Mutant] = {
    1: _no_rotation,
    2: _public_key,
    3: _short_waiting_period,
    4: _decrypts_with_any_key,
    5: _grants_for_anybody,
    6: _training_disables_a_key,
    7: _logs_of_all_accounts,
}
