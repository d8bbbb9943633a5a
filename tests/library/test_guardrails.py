"""What nobody may do, as policies. What they decide is shown by evaluation, in tests/compliance."""

import json
from typing import Any

import pytest
from aws_cdk.assertions import Template

from hf_sagemaker.deploying_role import DeployingRole
from hf_sagemaker.guardrails import PolicyTooLongError, account_denials, job_denials, policy_document
from hf_sagemaker.permissions_boundary import PermissionsBoundary

TYPES = ["ml.g4dn.xlarge"]


def _boundary(stack: Any, **options: Any) -> dict[str, Any]:
    denials = job_denials(instance_types=TYPES, isolation=True)
    PermissionsBoundary(
        stack,
        "Boundary",
        **{"environment": "dev", "path": "/", "denials": denials, "image_accounts": ["763104351884"], **options},
    )
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::ManagedPolicy").values()
    properties: dict[str, Any] = policy["Properties"]
    return properties


def test_isolation_is_asked_for_only_where_the_settings_ask_for_it() -> None:
    asked, not_asked = (
        {s["Sid"] for s in job_denials(instance_types=TYPES, isolation=isolation)} for isolation in (True, False)
    )
    assert asked - not_asked == {"NotIsolated"}
    assert not not_asked - asked


def test_encryption_of_the_output_is_asked_for_by_both_names_of_the_key() -> None:
    # Given that documents disagree about the name: a denial on a name that the service does not use would always hold
    (denial,) = [s for s in job_denials(instance_types=TYPES, isolation=True) if s["Sid"] == "UnencryptedOutput"]
    # Then it holds only when the request has neither
    assert denial["Condition"]["Null"] == {"sagemaker:OutputKmsKey": "true", "sagemaker:OutputKmsKeyArn": "true"}


@pytest.mark.parametrize(("keys_may_go", "conditioned"), [(True, True), (False, False)])
def test_keys_of_a_lasting_environment_go_for_nobody(keys_may_go: bool, conditioned: bool) -> None:
    statements = account_denials(
        deployers=["arn:aws:iam::1:role/deployer"], keys_may_go=keys_may_go, image_accounts=["1"]
    )
    (removal,) = [s for s in statements if s["Sid"] == "KeyRemoval"]
    assert ("Condition" in removal) is conditioned


def test_a_policy_that_aws_would_not_take_is_refused_in_words() -> None:
    with pytest.raises(
        PolicyTooLongError, match=r"The policy of dev has \d+ characters, and AWS takes 100\. Do less\."
    ):
        policy_document("policy of dev", [{"Sid": "x" * 100}], longest=100, mend="Do less.")


def test_the_boundary_admits_this_environments_buckets_in_this_account_only(stack: Any) -> None:
    (objects,) = [
        s
        for s in _boundary(stack)["PolicyDocument"]["Statement"]
        if s["Effect"] == "Allow" and "s3:PutObject" in s["Action"]
    ]
    assert "arn:aws:s3:::dev-*" in objects["Resource"]
    assert objects["Condition"] == {"StringEquals": {"aws:ResourceAccount": "123456789012"}}


def test_the_boundary_admits_no_change_of_roles_keys_or_logs(stack: Any) -> None:
    allowed = {
        action
        for s in _boundary(stack)["PolicyDocument"]["Statement"]
        if s["Effect"] == "Allow"
        for action in s["Action"]
    }
    assert "kms:Decrypt" in allowed
    assert not {a for a in allowed if a.startswith("iam:")} - {"iam:PassRole", "iam:GetRole"}
    assert not {"kms:ScheduleKeyDeletion", "kms:PutKeyPolicy", "logs:DeleteLogGroup", "s3:PutBucketPolicy"} & allowed


def test_the_boundary_names_what_lies_outside_as_asked(stack: Any) -> None:
    key, secret = "arn:aws:kms:us-east-1:9:key/1", "arn:aws:secretsmanager:us-east-1:9:secret:hub"
    text = json.dumps(_boundary(stack, path="/ml/", foreign_buckets=["lake"], foreign_keys=[key], secrets=[secret]))
    for expected in (key, secret, "arn:aws:s3:::lake/*", "role/ml/dev-*"):
        assert expected in text


def test_deployments_create_no_role_without_the_boundary(stack: Any) -> None:
    boundary = "arn:aws:iam::123456789012:policy/boundary"
    DeployingRole(stack, "Deploying", environment="dev", path="/", boundaries=[boundary])
    statements = [
        s
        for p in Template.from_stack(stack).find_resources("AWS::IAM::ManagedPolicy").values()
        for s in p["Properties"]["PolicyDocument"]["Statement"]
    ]
    creating = [s for s in statements if "iam:CreateRole" in s["Action"]]
    assert creating
    assert all(s["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": [boundary]}} for s in creating)
    assert not [s for s in statements if "iam:DeleteRolePermissionsBoundary" in s["Action"]]
