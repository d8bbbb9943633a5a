"""Policies as controls read them: who is granted what, what only limits, and what IAM would refuse."""

from typing import Any

import pytest

from hf_sagemaker.controls.policies import (
    Policy,
    allowed,
    boundaries,
    condition,
    covers,
    identity_policies,
    is_everything,
    is_ours,
    principals,
)
from hf_sagemaker.controls.policy_grammar import faults, unknown_names
from hf_sagemaker.controls.templates import Resource, Templates

ACCOUNT = "123456789012"
GRANT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/*"}


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _templates(**resources: dict[str, Any]) -> Templates:
    return Templates("dev", account=ACCOUNT, region="us-east-1", stacks={"dev-Data": {"Resources": resources}})


def _role(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": _document(), **properties}}


def _policy(**properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"PolicyDocument": _document(GRANT), **properties},
    }


@pytest.mark.parametrize(
    "resources",
    [
        {"Role": _role(), "Policy": _policy(Roles=[{"Ref": "Role"}])},
        {"Role": _role(ManagedPolicyArns=[{"Ref": "Policy"}]), "Policy": _policy()},
        {"Role": _role(Policies=[{"PolicyName": "Inline", "PolicyDocument": _document(GRANT)}])},
        {
            "Role": _role(),
            "Policy": {
                "Type": "AWS::IAM::RolePolicy",
                "Properties": {"RoleName": {"Ref": "Role"}, "PolicyDocument": _document(GRANT)},
            },
        },
    ],
)
def test_a_role_has_what_is_attached_to_it_in_any_way(resources: dict[str, Any]) -> None:
    templates = _templates(**resources)
    (role,) = templates.resources("AWS::IAM::Role")
    assert any(covers(statement, "s3:GetObject") for statement in allowed(templates, role))


def test_a_boundary_grants_nothing() -> None:
    templates = _templates(Role=_role(PermissionsBoundary={"Ref": "Policy"}), Policy=_policy())
    assert [policy.logical_id for policy in boundaries(templates)] == ["Policy"]
    assert list(identity_policies(templates)) == []


def test_a_boundary_that_is_also_attached_grants() -> None:
    templates = _templates(Role=_role(PermissionsBoundary={"Ref": "Policy"}), Policy=_policy(Roles=[{"Ref": "Role"}]))
    assert list(boundaries(templates)) == []
    assert [policy.resource.logical_id for policy in identity_policies(templates)] == ["Policy"]


@pytest.mark.parametrize(
    ("statement", "covered"),
    [
        ({"Action": ["s3:GetObject"]}, True),
        ({"Action": ["S3:getobject"]}, True),
        ({"Action": ["s3:Get*"]}, True),
        ({"Action": ["*"]}, True),
        ({"Action": ["s3:PutObject"]}, False),
        ({"NotAction": ["iam:*"]}, True),
        ({"NotAction": ["s3:*"]}, False),
    ],
)
def test_what_a_statement_is_about(statement: dict[str, Any], covered: bool) -> None:
    assert covers(statement, "s3:GetObject") is covered


@pytest.mark.parametrize(
    ("resource", "everything"),
    [
        ("*", True),
        ("arn:aws:s3:::*", True),
        ("arn:aws:sagemaker:us-east-1:123456789012:*", True),
        ("arn:aws:sagemaker:us-east-1:123456789012:endpoint/*", False),
        ("${dev-Data/Models.Arn}/*", False),
    ],
)
def test_what_means_all_resources(resource: str, everything: bool) -> None:
    assert is_everything(resource) is everything


def test_everybody_but_some_is_everybody() -> None:
    assert principals({"NotPrincipal": {"AWS": "arn:aws:iam::123456789012:root"}}, "AWS") == ["*"]


@pytest.mark.parametrize(
    ("principal", "ours"),
    [
        ("arn:aws:iam::123456789012:role/a", True),
        ("123456789012", True),
        ("${dev-Data/Role.Arn}", True),
        ("arn:aws:iam::999999999999:root", False),
        ("*", False),
    ],
)
def test_whose_a_principal_is(principal: str, ours: bool) -> None:
    assert is_ours(_templates(Role=_role()), principal) is ours


def test_condition_keys_are_compared_without_case() -> None:
    statement = {"Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT}}}
    assert condition(statement, "aws:sourceaccount", "StringEquals") == [ACCOUNT]
    assert condition(statement, "aws:sourceaccount", "StringLike") == []


def _of_a_managed_policy(document: dict[str, Any]) -> Policy:
    return Policy(Resource("dev-Data", "Policy", "AWS::IAM::ManagedPolicy", {}, {}), document)


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"Statement": [GRANT]}, "Version"),
        (_document(), "no statement"),
        (_document({**GRANT, "Effect": "allow"}), "Effect"),
        (_document({**GRANT, "Effects": "Allow"}), "no element"),
        (_document({**GRANT, "Action": "s3:Get Object"}), "no action"),
        (_document({**GRANT, "NotAction": "s3:PutObject"}), "either Action or NotAction"),
        (_document({**GRANT, "Resource": "models/*"}), "no ARN"),
        (_document({**GRANT, "Resource": {"Fn::ImportValue": "bucket"}}), "no ARN"),
        (_document({**GRANT, "Principal": "*"}), "must not name a Principal"),
        (_document({"Effect": "Allow", "Action": "s3:GetObject"}), "Resource"),
        (_document({**GRANT, "Condition": {"StringMatches": {"aws:PrincipalArn": "a"}}}), "no condition operator"),
        (_document({**GRANT, "Condition": {"StringEquals": {"aws:PrincipalArn": []}}}), "compared with nothing"),
        (_document({**GRANT, "Sid": "One"}, {**GRANT, "Sid": "One"}), "stands twice"),
        (_document({**GRANT, "Sid": "one-two"}), "letters and digits"),
        (_document(*[{**GRANT, "Resource": f"arn:aws:s3:::models/{n}"} for n in range(100)]), "more than 6144"),
    ],
)
def test_what_iam_would_refuse(document: dict[str, Any], fault: str) -> None:
    assert any(fault in found for found in faults(_of_a_managed_policy(document)))


def test_what_iam_would_accept() -> None:
    allowed_if = {"ForAllValues:StringEqualsIfExists": {"aws:TagKeys": ["team"]}}
    assert faults(_of_a_managed_policy(_document({**GRANT, "Condition": allowed_if}))) == []


def test_misspelt_names_are_found_in_denials_too() -> None:
    statement = {
        "Effect": "Deny",
        "Action": ["s3:DeleteBuckets", "s3:Delete*"],
        "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:PrincipleArn": "a"}},
    }
    assert unknown_names(_of_a_managed_policy(_document(statement))) == ["s3:DeleteBuckets", "aws:principlearn"]
