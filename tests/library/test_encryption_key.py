"""A key: who administers it, who uses it, and by which way."""

from typing import Any

from aws_cdk.assertions import Template

from hf_sagemaker.encryption_key import EncryptionKey, KeyUse


def _statements(stack: Any) -> list[dict[str, Any]]:
    (key,) = Template.from_stack(stack).find_resources("AWS::KMS::Key").values()
    statements: list[dict[str, Any]] = key["Properties"]["KeyPolicy"]["Statement"]
    return statements


def test_it_rotates_and_stays(stack: Any) -> None:
    EncryptionKey(stack, "Key", description="test")
    (key,) = Template.from_stack(stack).find_resources("AWS::KMS::Key").values()
    assert key["Properties"]["EnableKeyRotation"] is True
    assert key["Properties"]["PendingWindowInDays"] == 30
    assert key["DeletionPolicy"] == "Retain"


def test_the_account_administers_and_does_not_read(stack: Any) -> None:
    # Given a key that nobody was allowed to use
    EncryptionKey(stack, "Key", description="test")
    (administration,) = _statements(stack)
    assert "kms:PutKeyPolicy" in administration["Action"]
    assert not {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant"} & set(administration["Action"])


def test_named_roles_use_it_through_a_service_only(stack: Any) -> None:
    EncryptionKey(stack, "Key", description="test", uses=[KeyUse(services=["s3"], roles=[stack.role])])
    (use,) = [s for s in _statements(stack) if "kms:Decrypt" in s["Action"]]
    assert use["Condition"] == {
        "StringEquals": {"kms:ViaService": ["s3.us-east-1.amazonaws.com"]},
        "ArnEquals": {"aws:PrincipalArn": [stack.role.role_arn]},
    }


def test_grants_are_for_aws_resources_only(stack: Any) -> None:
    EncryptionKey(stack, "Key", description="test", uses=[KeyUse(services=["ecr"], grants=True)])
    (grant,) = [s for s in _statements(stack) if s["Action"] == "kms:CreateGrant"]
    assert grant["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}


def test_services_act_for_this_account_only(stack: Any) -> None:
    EncryptionKey(stack, "Key", description="test", services=["cloudwatch.amazonaws.com"], log_groups=True)
    conditions = {s["Principal"]["Service"]: s["Condition"] for s in _statements(stack) if "Service" in s["Principal"]}
    assert conditions["cloudwatch.amazonaws.com"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert conditions["logs.us-east-1.amazonaws.com"]["ArnLike"] == {
        "kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:us-east-1:123456789012:log-group:*"
    }
