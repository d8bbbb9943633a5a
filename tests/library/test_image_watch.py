"""What makes the function look at images, that a first deployment's change is heard, and who hears when it cannot."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Template

from hf_sagemaker import dlc_catalog
from hf_sagemaker.execution_roles import ExecutionRoles
from hf_sagemaker.extended_image import ExtendedImage
from hf_sagemaker.image_extension import ImageExtension
from hf_sagemaker.image_watch import ANNOUNCEMENTS, EVENT_SOURCE, EVENT_TYPE, ImageWatch, RebuildRules
from watch_images.handler import EVENT

LAMBDA = Path(__file__).parents[2] / "lambda"


def _watch(stack: Any, **rules: RebuildRules) -> Template:
    """Images by their names, each with its rules."""
    base = dlc_catalog.resolve("training", transformers="4.56.2", region="us-east-1")
    role = ExecutionRoles(stack, "Roles").building
    images = []
    for name, rule in rules.items():
        image = ExtendedImage(
            stack,
            name,
            extension=ImageExtension(purpose="training", base=base),
            repository_name=f"team/{name}",
            keys=stack.keys,
            role=role,
            artifacts=stack.buckets.builds,
            parameter_path=f"/team/{name}",
        )
        images.append((image, base, rule))
    ImageWatch(stack, "Watch", images=images, keys=stack.keys, function_root=LAMBDA)
    return Template.from_stack(stack)


def _properties(template: Template, kind: str) -> list[dict[str, Any]]:
    return [each["Properties"] for each in template.find_resources(f"AWS::{kind}").values()]


def test_nobody_is_subscribed_who_does_not_ask(stack: Any) -> None:
    template = _watch(stack, plain=RebuildRules())
    assert _properties(template, "SNS::Subscription") == []
    assert "events:PutEvents" not in json.dumps(template.to_json())


def test_an_announcement_makes_it_look_at_the_images_that_ask(stack: Any) -> None:
    template = _watch(stack, plain=RebuildRules(), hearing=RebuildRules(on_announcement=True))
    # The subscription is made where the topic is
    (subscription,) = _properties(template, "SNS::Subscription")
    assert (subscription["TopicArn"], subscription["Region"]) == (ANNOUNCEMENTS, "us-west-2")
    # Only that topic may call the function
    (permission,) = [p for p in _properties(template, "Lambda::Permission") if p["Principal"] == "sns.amazonaws.com"]
    assert permission["SourceArn"] == ANNOUNCEMENTS
    # And what the function makes of a message is what the rule waits for
    assert (EVENT["Source"], EVENT["DetailType"]) == (EVENT_SOURCE, EVENT_TYPE)
    (rule,) = [r for r in _properties(template, "Events::Rule") if EVENT_SOURCE in json.dumps(r.get("EventPattern"))]
    assert rule["EventPattern"] == {"source": [EVENT["Source"]], "detail-type": [EVENT["DetailType"]]}
    looked_at = json.dumps(rule["Targets"][0]["Input"])
    assert "hearing" in looked_at
    assert "plain" not in looked_at


def test_people_are_told_when_something_lies_among_the_dead_letters(stack: Any) -> None:
    template = _watch(stack, plain=RebuildRules())
    (alarm,) = _properties(template, "CloudWatch::Alarm")
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", 1)
    (queue,) = template.find_resources("AWS::SQS::Queue")
    assert alarm["Dimensions"][0]["Value"] == {"Fn::GetAtt": [queue, "QueueName"]}
    (topic,) = template.find_resources("AWS::SNS::Topic")
    assert alarm["AlarmActions"] == [{"Ref": topic}]
    # The policy that demands TLS replaces the one by which alarms may publish
    (policy,) = _properties(template, "SNS::TopicPolicy")
    (statement,) = [s for s in policy["PolicyDocument"]["Statement"] if "cloudwatch" in json.dumps(s["Principal"])]
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


CHANGED = {"training": True, "whisper": True, "by-hand": False}


def _resources(stack: Any, on_change: dict[str, bool]) -> dict[str, Any]:
    """By logical id, of images of which the settings say whether a change builds them."""
    rules = {name: RebuildRules(on_change=on) for name, on in on_change.items()}
    found: dict[str, Any] = _watch(stack, **rules).to_json()["Resources"]
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
            "name": ["/team/training/uri", "/team/whisper/uri"],
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


def test_many_images_are_watched_in_groups_that_policies_and_rules_can_hold(stack: Any) -> None:
    # Given more images than one policy and one rule can hold
    names = [f"image-{number}" for number in range(10)]
    resources = _watch(stack, **dict.fromkeys(names, RebuildRules())).to_json()["Resources"]
    # Then every policy has a length that IAM takes, and every rule hands on what EventBridge does
    policies = [r["Properties"]["PolicyDocument"] for r in resources.values() if r["Type"] == "AWS::IAM::ManagedPolicy"]
    assert all(len(json.dumps(policy)) < 12_000 for policy in policies)  # twice the limit: names are longer as tokens
    inputs = [
        json.dumps(target["Input"])
        for r in resources.values()
        if r["Type"] == "AWS::Events::Rule"
        for target in r["Properties"]["Targets"]
        if "Input" in target
    ]
    assert all(len(text) < 8192 for text in inputs)
    # And each image is looked at every day
    assert all(any(f"/team/{name}/" in text for text in inputs) for name in names)


def test_where_people_start_all_builds_there_is_no_rule(stack: Any) -> None:
    rules = [
        resource
        for resource in _resources(stack, {"by-hand": False}).values()
        if resource["Type"] == "AWS::Events::Rule" and "aws.ssm" in json.dumps(resource)
    ]
    assert rules == []
