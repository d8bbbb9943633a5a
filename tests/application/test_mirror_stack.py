"""The mirror among the stacks: who has one, where it runs, and who may start it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MODELS = [{"id": "google-bert/bert-base-uncased", "revision": "main"}]
KEY = "arn:aws:kms:us-east-1:123456789012:key/token"
Templates = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def mirrors(synthesise: Callable[[dict[str, dict[str, Any]]], Templates]) -> Templates:
    """dev in each mode of egress: `none` outside the VPC, `mirror-only` inside, with a token."""
    dev = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    token = {
        "token_secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:hub-AbCdEf",
        "token_key_arn": KEY,
    }
    return synthesise(
        {
            "none": dev | {"hub": {"models": MODELS}},
            "inside": dev | {"hub": {"models": MODELS} | token, "network": dev["network"] | {"egress": "mirror-only"}},
        }
    )


def _resources(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in template["Resources"].values() if resource["Type"] == kind]


def _statements(template: dict[str, Any], action: str) -> list[dict[str, Any]]:
    return [
        statement
        for policy in _resources(template, "AWS::IAM::ManagedPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if action in statement["Action"]
    ]


def test_without_models_there_is_no_mirror(templates: Templates) -> None:
    assert not [name for name in templates if name.endswith("-Mirror")]


def test_the_build_is_where_the_egress_mode_lets_it_reach_the_hub(mirrors: Templates) -> None:
    (outside,) = _resources(mirrors["none-Mirror"], "AWS::CodeBuild::Project")
    assert "VpcConfig" not in outside
    (inside,) = _resources(mirrors["inside-Mirror"], "AWS::CodeBuild::Project")
    assert "MirrorSubnet" in json.dumps(inside["VpcConfig"]["Subnets"])
    assert "MirrorSecurityGroup" in json.dumps(inside["VpcConfig"]["SecurityGroupIds"])


def test_a_mirror_in_the_network_reaches_buckets_by_its_endpoint_only(mirrors: Templates) -> None:
    for name, is_inside in (("none", False), ("inside", True)):
        for policy in _resources(mirrors[f"{name}-Data"], "AWS::S3::BucketPolicy"):
            for statement in policy["PolicyDocument"]["Statement"]:
                if statement.get("Sid") == "OnlyThroughTheVpcEndpoint":
                    assert ("MirroringRole" in json.dumps(statement["Condition"]["ArnEquals"])) == is_inside


def test_operators_start_the_build_as_it_is(mirrors: Templates) -> None:
    (start,) = _statements(mirrors["none-Mirror"], "codebuild:StartBuild")
    assert start["Condition"]["ForAllValues:StringEquals"] == {
        "codebuild:environment.environmentVariables.name": ["MODELS"]
    }
    for override in ("source", "source.buildspec", "environment.image", "serviceRole", "logsConfig"):
        assert start["Condition"]["Null"][f"codebuild:{override}"] == "true"


def test_operators_see_which_models_are_there_and_read_none(mirrors: Templates) -> None:
    (listing,) = _statements(mirrors["none-Mirror"], "s3:ListBucket")
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "hub/*"}}
    assert not _statements(mirrors["none-Mirror"], "s3:GetObject")[1:]  # the one is the build's source


def test_only_the_mirror_uses_the_key_of_the_token(mirrors: Templates) -> None:
    naming = [s for s in _statements(mirrors["inside-Data"], "kms:Decrypt") if s["Resource"] == KEY]
    assert [s["Condition"]["StringEquals"] for s in naming] == [
        {"kms:ViaService": ["secretsmanager.us-east-1.amazonaws.com"]}
    ]


def test_the_project_is_named_for_operators(mirrors: Templates) -> None:
    names = {p["Name"] for p in _resources(mirrors["none-Mirror"], "AWS::SSM::Parameter")}
    assert names == {"/hf-sagemaker/none/hub/project"}
