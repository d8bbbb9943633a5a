"""Code of Git: the build that brings it, and the states that wait for it."""

import json
from typing import Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk.assertions import Template

from hf_sagemaker.git_source import VARIABLES, BringCode, GitSource, bring_code
from validate_training_request.git_code import build_variables

ALLOWED = ["https://github.com/team/*"]
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:git-AbCdEf"


def _source(stack: Any, **options: Any) -> GitSource:
    role = iam.Role(stack, "FetchingRole", assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"))
    arguments = {"allowed_repositories": ALLOWED, "bucket": stack.buckets.models, "keys": stack.keys, "role": role}
    return GitSource(stack, "Git", **(arguments | options))


def _project(stack: Any) -> dict[str, Any]:
    (project,) = Template.from_stack(stack).find_resources("AWS::CodeBuild::Project").values()
    properties: dict[str, Any] = project["Properties"]
    return properties


def test_the_build_knows_what_it_may_bring_and_the_token_by_its_secret_only(stack: Any) -> None:
    _source(stack, token_secret_arn=SECRET)
    project = _project(stack)
    variables = {each["Name"]: each["Value"] for each in project["Environment"]["EnvironmentVariables"]}
    assert variables == {
        "MODELS_BUCKET": "models",
        "ALLOWED_REPOSITORIES": "https://github.com/team/*",
        "GIT_SECRET_ARN": SECRET,
    }
    assert project["Environment"]["PrivilegedMode"] is False
    assert "VpcConfig" not in project


def test_a_run_cannot_tell_the_build_what_it_may_bring() -> None:
    # Given all that a request becomes
    request = {"git_config": {"repo": "https://github.com/team/code"}, "entry_point": "train.py"}
    told = {each["Name"] for each in build_variables(request)}
    # Then those are the variables that the role may set, and what limits the build is none of them
    assert told == set(VARIABLES)
    assert not told & {"ALLOWED_REPOSITORIES", "MODELS_BUCKET", "GIT_SECRET_ARN"}


def test_the_state_waits_for_the_build_and_keeps_what_it_exports(stack: Any) -> None:
    bring = BringCode(stack, "Bring", source=_source(stack), trouble=sfn.Fail(stack, "F"), then=sfn.Pass(stack, "Next"))
    state = bring.start.to_state_json()
    assert state["Resource"] == "arn:aws:states:::codebuild:startBuild.sync"
    assert state["Parameters"]["EnvironmentVariablesOverride.$"] == "$.job.fetch_code"
    assert state["ResultSelector"] == {"exported.$": "$.Build.ExportedEnvironmentVariables"}
    exported = json.loads(_project(stack)["Source"]["BuildSpec"])["env"]["exported-variables"]
    assert exported == ["CODE_RESOLVED", "CODE_PROBLEM"]


def test_who_waits_may_start_this_build_as_it_is_and_is_told_of_its_end(stack: Any) -> None:
    statements = [each for permission in bring_code(_source(stack)) for each in permission.statements]
    (start,) = (each for each in statements if "codebuild:StartBuild" in each["Action"])
    assert start["Condition"]["Null"]["codebuild:source.buildspec"] == "true"
    names = start["Condition"]["ForAllValues:StringEquals"]["codebuild:environment.environmentVariables.name"]
    assert names == list(VARIABLES)
    (rule,) = (each for each in statements if "events:PutRule" in each["Action"])
    assert rule["Resource"][0].endswith(":rule/StepFunctionsGetEventForCodeBuildStartBuildRule")
