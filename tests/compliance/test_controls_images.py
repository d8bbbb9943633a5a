"""Controls 74 to 83, where the mutants do not reach."""

import json
from typing import Any

import pytest

from tests.compliance.small_templates import ACCOUNT, KEY, Resources, problems, resource

EXPIRE = {"rules": [{"rulePriority": 1, "action": {"type": "expire"}}]}
REPOSITORY: dict[str, Any] = {
    "ImageScanningConfiguration": {"ScanOnPush": True},
    "ImageTagMutability": "IMMUTABLE",
    "EncryptionConfiguration": {"EncryptionType": "KMS", "KmsKey": KEY},
    "LifecyclePolicy": {"LifecyclePolicyText": json.dumps(EXPIRE)},
}
OTHER = "arn:aws:iam::999999999999:root"


def _project(**properties: Any) -> Resources:
    return {"Project": resource("CodeBuild::Project", **properties)}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, None),
        ({"ImageScanningConfiguration": {}}, "ScanOnPush"),
        ({"EncryptionConfiguration": {"EncryptionType": "AES256"}}, "EncryptionConfiguration"),
        ({"EncryptionConfiguration": {"EncryptionType": "KMS"}}, "EncryptionConfiguration"),
        ({"LifecyclePolicy": {}}, "LifecyclePolicy"),
    ],
)
def test_repositories(change: dict[str, Any], word: str | None) -> None:
    found = problems(74, {"Repository": resource("ECR::Repository", **REPOSITORY | change)})
    assert (word in found[0]) if word else found == []


@pytest.mark.parametrize(
    ("principal", "action", "condition", "holds"),
    [
        ({"AWS": OTHER}, "ecr:BatchGetImage", {}, True),
        ({"AWS": OTHER}, "ecr:DescribeImageScanFindings", {}, True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/build"}, "ecr:PutImage", {}, True),
        ("*", "ecr:BatchGetImage", {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}, True),
        (
            {"Service": "lambda.amazonaws.com"},
            "ecr:BatchGetImage",
            {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
            True,
        ),
        ({"AWS": OTHER}, "ecr:PutImage", {}, False),
        ({"AWS": OTHER}, "ecr:*", {}, False),
        ("*", "ecr:BatchGetImage", {}, False),
        ("*", "ecr:BatchGetImage", {"StringLike": {"aws:PrincipalOrgID": "*"}}, False),
        ({"Service": "lambda.amazonaws.com"}, "ecr:BatchGetImage", {}, False),
    ],
)
def test_who_gets_images(principal: Any, action: str, condition: dict[str, Any], holds: bool) -> None:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition}
    repository = resource("ECR::Repository", RepositoryPolicyText={"Statement": [statement]})
    assert (problems(75, {"Repository": repository}) == []) is holds


@pytest.mark.parametrize(
    ("variable", "holds"),
    [
        ({"Name": "HF_TOKEN", "Type": "SECRETS_MANAGER", "Value": "hub"}, True),
        ({"Name": "HF_TOKEN", "Type": "PLAINTEXT", "Value": "hub"}, False),
        ({"Name": "HF_TOKEN", "Value": "hub"}, False),
        ({"Name": "IMAGE_TAG", "Value": "1.0"}, True),
    ],
)
def test_secrets_of_builds_come_from_secrets_manager(variable: dict[str, str], holds: bool) -> None:
    assert (problems(76, _project(Environment={"EnvironmentVariables": [variable]})) == []) is holds


@pytest.mark.parametrize(
    ("group", "holds"), [({"RetentionInDays": 30, "KmsKeyId": KEY}, True), ({"KmsKeyId": KEY}, False)]
)
def test_build_logs_are_kept_and_encrypted(group: dict[str, Any], holds: bool) -> None:
    logs = {"CloudWatchLogs": {"Status": "ENABLED", "GroupName": {"Ref": "Logs"}}}
    resources = _project(LogsConfig=logs) | {"Logs": resource("Logs::LogGroup", **group)}
    assert (problems(77, resources) == []) is holds


def test_artifacts_without_encryption_are_refused() -> None:
    artifacts = {"Type": "S3", "EncryptionDisabled": True}
    assert problems(78, _project(EncryptionKey=KEY)) == []
    assert "EncryptionDisabled" in problems(78, _project(EncryptionKey=KEY, SecondaryArtifacts=[artifacts]))[0]


def test_only_privileged_builds_are_exceptions() -> None:
    assert problems(79, _project(Environment={"PrivilegedMode": False})) == []


@pytest.mark.parametrize(
    ("groups", "holds"),
    [
        ([[{"Type": "EVENT", "Pattern": "PUSH"}, {"Type": "ACTOR_ACCOUNT_ID", "Pattern": "^(123|456)$"}]], True),
        ([[{"Type": "ACTOR_ACCOUNT_ID", "Pattern": "^123$|^456$"}]], True),
        ([[{"Type": "ACTOR_ACCOUNT_ID", "Pattern": "123"}]], False),
        ([[{"Type": "ACTOR_ACCOUNT_ID", "Pattern": "^123$", "ExcludeMatchedPattern": True}]], False),
        ([[{"Type": "HEAD_REF", "Pattern": "^refs/heads/main$"}]], False),
        # One open group is enough to get in.
        ([[{"Type": "ACTOR_ACCOUNT_ID", "Pattern": "^123$"}], [{"Type": "EVENT", "Pattern": "PUSH"}]], False),
        ([], False),
    ],
)
def test_webhooks_name_who_starts_builds(groups: list[Any], holds: bool) -> None:
    assert (problems(80, _project(Triggers={"Webhook": True, "FilterGroups": groups})) == []) is holds


@pytest.mark.parametrize(
    ("specification", "holds"),
    [
        ('{"version": "0.2", "phases": {"build": {"commands": []}}}', True),
        ("buildspec.yml", False),
        ("arn:aws:s3:::bucket/buildspec.yml", False),
        (None, False),
        ("{}", False),
    ],
)
def test_commands_are_in_the_template(specification: str | None, holds: bool) -> None:
    source = {} if specification is None else {"BuildSpec": specification}
    assert (problems(81, _project(Source=source)) == []) is holds


def test_a_stack_that_keeps_something_is_protected() -> None:
    kept = resource("S3::Bucket") | {"DeletionPolicy": "Retain"}
    assert problems(82, {"Bucket": kept})
    assert problems(82, {"Bucket": kept}, protected=True) == []
    assert problems(82, {"Bucket": resource("S3::Bucket")}) == []


# --- 83: pipelines, which come later ---

DEPLOY = {"Name": "Data", "ActionTypeId": {"Category": "Deploy"}, "Configuration": {"StackName": "prod-Data"}}
APPROVE = {"Name": "Ask", "ActionTypeId": {"Category": "Approval", "Provider": "Manual"}}


def _pipeline(*actions: dict[str, Any], role: dict[str, Any] | None = None) -> Resources:
    pipeline = resource(
        "CodePipeline::Pipeline",
        Stages=[{"Name": "Prod", "Actions": list(actions)}],
        RoleArn={"Fn::GetAtt": ["Role", "Arn"]},
    )
    return {"Pipeline": pipeline, "Role": resource("IAM::Role", AssumeRolePolicyDocument={}, **(role or {}))}


def test_a_person_approves_before_prod() -> None:
    assert problems(83, _pipeline(APPROVE | {"RunOrder": 1}, DEPLOY | {"RunOrder": 2})) == []
    assert problems(83, _pipeline(APPROVE | {"RunOrder": 2}, DEPLOY | {"RunOrder": 1}))


def test_a_pipeline_is_no_administrator() -> None:
    managed = {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}
    assert "administrator" in problems(83, _pipeline(role=managed))[0]
    everything = {"PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}}
    assert "administrator" in problems(83, _pipeline(role={"Policies": [everything]}))[0]
