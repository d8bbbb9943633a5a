"""What starts a build: the rules, and that the first deployment's change is heard."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Template

from hf_sagemaker import dlc_catalog
from hf_sagemaker.execution_roles import ExecutionRoles
from hf_sagemaker.extended_image import ExtendedImage
from hf_sagemaker.image_extension import ImageExtension
from hf_sagemaker.image_watch import ImageWatch, RebuildRules

LAMBDA = Path(__file__).parents[2] / "lambda"
CHANGED = {"training": True, "whisper": True, "by-hand": False}


def _resources(stack: Any, on_change: dict[str, bool]) -> dict[str, Any]:
    """By logical id, of images of which the settings say whether a change builds them."""
    base = dlc_catalog.resolve("training", transformers="4.56.2", region="us-east-1")
    role = ExecutionRoles(stack, "Roles").building
    images = [
        ExtendedImage(
            stack,
            name,
            extension=ImageExtension(purpose="training", base=base),
            repository_name=f"hf-sagemaker/dev/{name}",
            keys=stack.keys,
            role=role,
            artifacts=stack.buckets.builds,
            parameter_path=f"/hf-sagemaker/dev/images/{name}",
        )
        for name in on_change
    ]
    rules = [RebuildRules(on_change=on) for on in on_change.values()]
    watched = [(image, base, rule) for image, rule in zip(images, rules, strict=True)]
    ImageWatch(stack, "Watch", images=watched, keys=stack.keys, function_root=LAMBDA)
    found: dict[str, Any] = Template.from_stack(stack).to_json()["Resources"]
    return found


@pytest.fixture
def resources(stack: Any) -> dict[str, Any]:
    return _resources(stack, CHANGED)


def _changed_rule(resources: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    (rule,) = [
        (name, resource["Properties"])
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Events::Rule" and "aws.ssm" in json.dumps(resource["Properties"])
    ]
    return rule


def test_a_rule_hears_of_the_images_that_a_change_builds(resources: dict[str, Any]) -> None:
    _, rule = _changed_rule(resources)
    assert rule["EventPattern"] == {
        "source": ["aws.ssm"],
        "detail-type": ["Parameter Store Change"],
        "detail": {
            "name": ["/hf-sagemaker/dev/images/training/uri", "/hf-sagemaker/dev/images/whisper/uri"],
            "operation": ["Create", "Update"],
        },
    }
    # And an event has no say in what is built, and is kept where nobody takes it
    (target,) = rule["Targets"]
    assert set(target) == {"Arn", "DeadLetterConfig", "Id", "Input"}


def test_a_change_is_written_when_everything_that_follows_is_there(resources: dict[str, Any]) -> None:
    # Given the parameters that hold the tags of the inputs
    rule, _ = _changed_rule(resources)
    wanted = {
        resource["Properties"]["Name"].split("/")[-2]: resource["DependsOn"]
        for resource in resources.values()
        if resource["Type"] == "AWS::SSM::Parameter" and resource["Properties"]["Name"].endswith("/uri")
    }
    # Then each is written after its project and what that needs; and the rule, its permission and the function
    for name, on_change in CHANGED.items():
        kinds = {resources[each]["Type"] for each in wanted[name]}
        assert {"AWS::CodeBuild::Project", "AWS::IAM::ManagedPolicy"} <= kinds
        assert (rule in wanted[name]) is on_change
        assert ({"AWS::Lambda::Permission", "AWS::Lambda::Function"} <= kinds) is on_change


def test_where_people_start_all_builds_there_is_no_rule(stack: Any) -> None:
    rules = [
        resource
        for resource in _resources(stack, {"by-hand": False}).values()
        if resource["Type"] == "AWS::Events::Rule" and "aws.ssm" in json.dumps(resource)
    ]
    assert rules == []
