"""Mutants of controls 74 to 83."""

from copy import deepcopy
from typing import Any

from tests.compliance.mutant import Mutant, Stacks, add, first

REPOSITORY = "AWS::ECR::Repository"
PROJECT = "AWS::CodeBuild::Project"


def _moving_tags(stacks: Stacks) -> None:
    first(stacks, REPOSITORY)["Properties"]["ImageTagMutability"] = "MUTABLE"


def _public_images(stacks: Stacks) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
    first(stacks, REPOSITORY)["Properties"]["RepositoryPolicyText"] = {"Statement": [statement]}


def _plain_password(stacks: Stacks) -> None:
    variables = _project(stacks)["Environment"]["EnvironmentVariables"]
    variables.append({"Name": "REGISTRY_PASSWORD", "Type": "PLAINTEXT", "Value": "correct horse battery staple"})


def _no_logs(stacks: Stacks) -> None:
    _project(stacks)["LogsConfig"]["CloudWatchLogs"]["Status"] = "DISABLED"


def _key_of_s3(stacks: Stacks) -> None:
    _project(stacks)["EncryptionKey"] = "alias/aws/s3"


def _another_privileged_build(stacks: Stacks) -> None:
    project = deepcopy(_project(stacks))
    add(stacks, "AnotherProject", PROJECT, project, stack="Images")


def _open_webhook(stacks: Stacks) -> None:
    event = {"Type": "EVENT", "Pattern": "PUSH"}
    actor = {"Type": "ACTOR_ACCOUNT_ID", "Pattern": "^123|456$"}  # matches 1234 and 3456 too
    _project(stacks)["Triggers"] = {"Webhook": True, "FilterGroups": [[event, actor]]}


def _commands_of_the_source(stacks: Stacks) -> None:
    _project(stacks)["Source"]["BuildSpec"] = "buildspec.yml"


def _unprotected_stack(stacks: Stacks) -> None:
    stacks["prod-Extra"] = {"Resources": {}}
    add(stacks, "Bucket", "AWS::S3::Bucket", {}, stack="Extra")


def _straight_to_prod(stacks: Stacks) -> None:
    deploy = {
        "Name": "prod-Data",
        "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "CloudFormation", "Version": "1"},
        "Configuration": {"StackName": "prod-Data"},
    }
    pipeline: dict[str, Any] = {"Stages": [{"Name": "Prod", "Actions": [deploy]}]}
    add(stacks, "Pipeline", "AWS::CodePipeline::Pipeline", pipeline, stack="Images")


def _project(stacks: Stacks) -> dict[str, Any]:
    properties: dict[str, Any] = first(stacks, PROJECT)["Properties"]
    return properties


MUTANTS: dict[int, Mutant] = {
    74: _moving_tags,
    75: _public_images,
    76: _plain_password,
    77: _no_logs,
    78: _key_of_s3,
    79: _another_privileged_build,
    80: _open_webhook,
    81: _commands_of_the_source,
    82: _unprotected_stack,
    83: _straight_to_prod,
}
