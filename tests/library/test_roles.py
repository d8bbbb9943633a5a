"""Roles of services and of people: each can do its duty, and not another's."""

import json
from typing import Any

import pytest
from aws_cdk.assertions import Template

from hf_sagemaker.execution_roles import ExecutionRoles
from hf_sagemaker.people_roles import PeopleRoles

SCIENTISTS = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_DataScientist_*"


@pytest.fixture
def roles(stack: Any) -> ExecutionRoles:
    return _roles(stack)


def _roles(stack: Any, **options: Any) -> ExecutionRoles:
    roles = ExecutionRoles(stack, "Roles", **options)
    roles.allow_work(
        buckets=stack.buckets,
        keys=stack.keys,
        training_repositories=["hf-sagemaker/dev/training"],
        inference_repositories=["hf-sagemaker/dev/inference"],
        token_secret_arn="arn:aws:secretsmanager:us-east-1:123456789012:secret:hub-AbCdEf",
    )
    return roles


def _people(stack: Any, roles: ExecutionRoles) -> PeopleRoles:
    people = PeopleRoles(
        stack,
        "People",
        environment="dev",
        data_scientists=[SCIENTISTS],
        platform_operators=["arn:aws:iam::123456789012:role/Operators"],
    )
    people.allow_work(
        buckets=stack.buckets,
        keys=stack.keys,
        roles=roles,
        jobs=stack.placement,
        instance_types=["ml.g4dn.xlarge"],
    )
    return people


def _actions(stack: Any, duty: str) -> dict[str, str]:
    """action → resources, as text."""
    policies = Template.from_stack(stack).find_resources("AWS::IAM::ManagedPolicy")
    (policy,) = [p for name, p in policies.items() if duty in name]
    return {
        action: json.dumps(statement["Resource"])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for action in (statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]])
    }


def test_training_writes_models_and_checkpoints_and_nothing_else(stack: Any, roles: ExecutionRoles) -> None:
    written = _actions(stack, "TrainingPolicy")["s3:PutObject"]
    assert ":models/trained/*" in written
    assert "checkpoints/*" in written
    assert ":data/*" not in written


def test_serving_cannot_write_objects_or_start_jobs(stack: Any, roles: ExecutionRoles) -> None:
    actions = _actions(stack, "ServingPolicy")
    assert "s3:GetObject" in actions
    assert not {"s3:PutObject", "s3:DeleteObject", "sagemaker:CreateTrainingJob", "ecr:PutImage"} & set(actions)


def test_only_building_pushes_images(stack: Any, roles: ExecutionRoles) -> None:
    assert "ecr:PutImage" in _actions(stack, "BuildingPolicy")
    assert "ecr:PutImage" not in _actions(stack, "TrainingPolicy")


@pytest.mark.parametrize("duty", ["Training", "Serving", "Building", "Mirroring"])
def test_no_duty_deletes_objects_or_administers_keys(stack: Any, roles: ExecutionRoles, duty: str) -> None:
    actions = set(_actions(stack, f"{duty}Policy"))
    assert not {"s3:DeleteObject", "s3:DeleteObjectVersion", "kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"} & actions
    assert not [action for action in actions if action.startswith("iam:")]


def test_only_mirroring_reads_the_hubs_token(stack: Any, roles: ExecutionRoles) -> None:
    assert "secret:hub-AbCdEf" in _actions(stack, "MirroringPolicy")["secretsmanager:GetSecretValue"]
    for duty in ("Training", "Serving", "Building"):
        assert "secretsmanager:GetSecretValue" not in _actions(stack, f"{duty}Policy")


def test_keys_are_used_through_s3_for_these_buckets_only(stack: Any, roles: ExecutionRoles) -> None:
    (policy,) = [
        p
        for name, p in Template.from_stack(stack).find_resources("AWS::IAM::ManagedPolicy").items()
        if "ServingPolicy" in name
    ]
    (decrypt,) = [s for s in policy["Properties"]["PolicyDocument"]["Statement"] if s["Action"] == "kms:Decrypt"]
    assert decrypt["Condition"]["StringEquals"] == {"kms:ViaService": "s3.us-east-1.amazonaws.com"}
    assert "models" in json.dumps(decrypt["Condition"]["StringLike"]["kms:EncryptionContext:aws:s3:arn"])


def test_services_assume_roles_for_this_account_and_its_resources(stack: Any, roles: ExecutionRoles) -> None:
    for role in Template.from_stack(stack).find_resources("AWS::IAM::Role").values():
        (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
        assert ":us-east-1:123456789012:" in statement["Condition"]["ArnLike"]["aws:SourceArn"]


def test_there_is_no_role_for_notebooks_unless_asked_for(stack: Any, roles: ExecutionRoles) -> None:
    assert roles.notebook is None
    _people(stack, roles)
    assert "iam:PassRole" not in _actions(stack, "DataScientistPolicy")


def test_notebooks_train_in_this_network_isolated_and_on_allowed_instances(stack: Any) -> None:
    _people(stack, _roles(stack, notebook_role=True))
    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::IAM::Role", {"RoleName": "sagemaker_execution_role"})
    (policy,) = [
        p for name, p in template.find_resources("AWS::IAM::ManagedPolicy").items() if "DataScientistPolicy" in name
    ]
    (train,) = [
        s for s in policy["Properties"]["PolicyDocument"]["Statement"] if s["Action"] == "sagemaker:CreateTrainingJob"
    ]
    assert train["Condition"]["Null"]["sagemaker:VpcSubnets"] == "false"
    assert train["Condition"]["Bool"]["sagemaker:NetworkIsolation"] == "true"
    assert train["Condition"]["ForAllValues:StringEquals"]["sagemaker:InstanceTypes"] == ["ml.g4dn.xlarge"]


def test_people_are_the_principals_of_the_settings(stack: Any, roles: ExecutionRoles) -> None:
    people = _people(stack, roles)
    name = stack.get_logical_id(people.data_scientist.node.default_child)
    role = Template.from_stack(stack).find_resources("AWS::IAM::Role")[name]
    (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"] == {"ArnLike": {"aws:PrincipalArn": [SCIENTISTS]}}


def test_operators_approve_models_and_read_no_data(stack: Any, roles: ExecutionRoles) -> None:
    _people(stack, roles)
    operator = _actions(stack, "PlatformOperatorPolicy")
    assert "sagemaker:UpdateModelPackage" in operator
    assert "s3:GetObject" not in operator
    assert "sagemaker:UpdateModelPackage" not in _actions(stack, "DataScientistPolicy")
