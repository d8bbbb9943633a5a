"""The mirror's project: where it runs, what it may, and what decides what it brings."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Stage
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Match, Template

from hf_sagemaker.hub_mirror import HubMirror, HubModel

PINNED = HubModel(id="team/small", revision="0" * 40)
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:hub-AbCdEf"


def _mirror(stack: Any, **options: Any) -> HubMirror:
    role = iam.Role(stack, "MirrorRole", assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"))
    arguments = {"models": [PINNED], "bucket": stack.buckets.models, "keys": stack.keys, "role": role}
    return HubMirror(stack, "Mirror", **(arguments | options))


def _project(stack: Any) -> dict[str, Any]:
    (project,) = Template.from_stack(stack).find_resources("AWS::CodeBuild::Project").values()
    properties: dict[str, Any] = project["Properties"]
    return properties


def test_the_build_owns_no_host_and_logs_with_our_key(stack: Any) -> None:
    _mirror(stack)
    project = _project(stack)
    assert project["Environment"]["PrivilegedMode"] is False
    assert project["EncryptionKey"].endswith("key/images")
    Template.from_stack(stack).has_resource_properties(
        "AWS::Logs::LogGroup", {"KmsKeyId": Match.string_like_regexp("key/logs$"), "RetentionInDays": 365}
    )
    assert project["LogsConfig"]["CloudWatchLogs"]["Status"] == "ENABLED"


def test_the_build_runs_what_the_template_says_and_installs_what_is_locked(stack: Any) -> None:
    _mirror(stack)
    phases = json.loads(_project(stack)["Source"]["BuildSpec"])["phases"]
    assert "--require-hashes" in json.dumps(phases["install"]["commands"])
    assert phases["build"]["commands"] == ["environment/bin/python mirror.py"]


def test_it_runs_where_there_is_a_way_to_the_hub(stack: Any, new_stack: Any) -> None:
    # Without a placement it is in no VPC
    _mirror(stack)
    assert "VpcConfig" not in _project(stack)

    # With one it is there, and its role gets no inline policy
    other = new_stack()
    _mirror(other, placement=other.placement)
    assert _project(other)["VpcConfig"] == {
        "VpcId": "vpc-1",
        "Subnets": ["subnet-1", "subnet-2"],
        "SecurityGroupIds": ["sg-1"],
    }
    Template.from_stack(other).resource_count_is("AWS::IAM::Policy", 0)


def test_the_token_is_named_by_its_secret_only(stack: Any, new_stack: Any) -> None:
    _mirror(stack)
    assert [v["Name"] for v in _project(stack)["Environment"]["EnvironmentVariables"]] == ["MODELS_BUCKET"]
    other = new_stack()
    _mirror(other, token_secret_arn=SECRET)
    variables = {v["Name"]: v["Value"] for v in _project(other)["Environment"]["EnvironmentVariables"]}
    assert variables["HUB_SECRET_ARN"] == SECRET


def test_another_hub_is_named_without_a_slash_at_its_end(stack: Any) -> None:
    # huggingface_hub puts a path with a slash behind it
    _mirror(stack, endpoint="https://hub.example.com/api/huggingfaceml/remote/")
    variables = {v["Name"]: v["Value"] for v in _project(stack)["Environment"]["EnvironmentVariables"]}
    assert variables["HF_ENDPOINT"] == "https://hub.example.com/api/huggingfaceml/remote"


@pytest.mark.parametrize(
    "change", [{"revision": "main"}, {"allow_pickle": True}, {"allow_remote_code": ["1" * 40]}, {}]
)
def test_what_may_be_brought_is_part_of_the_source(stack: Any, new_stack: Any, change: dict[str, Any]) -> None:
    # When a model's settings change, the source is another one; when nothing does, it stays
    other = new_stack()
    _mirror(stack)
    _mirror(other, models=[replace(PINNED, **change)])
    is_same = _project(stack)["Source"]["Location"] == _project(other)["Source"]["Location"]
    assert is_same == (not change)


def test_the_source_holds_the_models_and_no_compiled_code(stack: Any) -> None:
    _mirror(stack, models=[replace(PINNED, allow_remote_code=["1" * 40])])
    root = Stage.of(stack)
    assert root is not None
    assembly = root.synth()
    (source,) = (path for path in _folders(assembly.directory) if (path / "models.json").exists())
    assert json.loads((source / "models.json").read_text()) == [
        {"id": "team/small", "revision": "0" * 40, "allow_pickle": False, "allow_remote_code": ["1" * 40]}
    ]
    assert (source / "requirements.txt").is_file()
    assert not (source / "__pycache__").exists()


def _folders(assembly: str) -> list[Path]:
    return [path for path in Path(assembly).iterdir() if path.is_dir()]
