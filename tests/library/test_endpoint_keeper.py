"""What stops endpoints of a disposable environment, and lets them be started again."""

import json
from pathlib import Path
from typing import Any

from aws_cdk import CfnCondition, Fn
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from hf_sagemaker.endpoint_keeper import EndpointKeeper, KeptEndpoint
from hf_sagemaker.endpoint_parts import EndpointPart

FUNCTIONS = Path(__file__).parents[2] / "lambda"
NAME = "dev-sentiment"
ROLLING = {
    "RollingUpdatePolicy": {
        "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
        "WaitIntervalInSeconds": 60,
    }
}


def _keeper(stack: Any, **options: Any) -> EndpointKeeper:
    topic = sns.Topic(stack, "Topic")
    return EndpointKeeper(
        stack, "Keeper", environment="dev", topic=topic, keys=stack.keys, function_root=FUNCTIONS, **options
    )


def _kept(stack: Any, **options: Any) -> Template:
    config = sagemaker.CfnEndpointConfig(stack, "Config", production_variants=[])
    endpoint = sagemaker.CfnEndpoint(
        stack, "Endpoint", endpoint_name=NAME, endpoint_config_name=config.attr_endpoint_config_name
    )
    KeptEndpoint(
        stack,
        "Kept",
        keeper=_keeper(stack),
        name="sentiment",
        endpoint=endpoint,
        endpoint_name=NAME,
        parts=[EndpointPart(kind="variant", endpoint_name=NAME, name="AllTraffic")],
        **options,
    )
    return Template.from_stack(stack)


def _resources(template: Template, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = template.find_resources(kind)
    return found


def test_it_looks_every_hour_with_words_of_its_own(stack: Any) -> None:
    _keeper(stack)
    (rule,) = _resources(Template.from_stack(stack), "AWS::Events::Rule").values()
    assert rule["Properties"]["ScheduleExpression"] == "rate(1 hour)"
    (target,) = rule["Properties"]["Targets"]
    assert '"environment":"dev"' in json.dumps(target["Input"]).replace("\\", "")
    assert target["DeadLetterConfig"]


def test_only_endpoints_of_the_environment_can_be_stopped(stack: Any) -> None:
    _keeper(stack)
    policies = _resources(Template.from_stack(stack), "AWS::IAM::ManagedPolicy").values()
    statements = [each for policy in policies for each in policy["Properties"]["PolicyDocument"]["Statement"]]
    deleting = [each for each in statements if "sagemaker:DeleteEndpoint" in each["Action"]]
    assert [each["Resource"] for each in deleting] == ["arn:aws:sagemaker:us-east-1:123456789012:endpoint/dev-*"]


def test_the_function_in_front_of_endpoints_deletes_none(stack: Any) -> None:
    keeper = _keeper(stack)
    template = Template.from_stack(stack)
    presence = next(
        each
        for each in _resources(template, "AWS::IAM::ManagedPolicy").values()
        if "Presence" in json.dumps(each["Properties"]["Roles"])
    )
    actions = json.dumps(presence)
    assert "sagemaker:CreateEndpoint" in actions
    assert "sagemaker:DeleteEndpoint" not in actions
    template.has_resource_properties(
        "AWS::Lambda::Function", {"Handler": "keep_endpoints.presence.handle", "Timeout": 900}
    )
    assert keeper.presence


def test_people_may_stop_and_start(stack: Any) -> None:
    person = iam.Role(stack, "Person", assumed_by=iam.AccountRootPrincipal())
    _keeper(stack, people=[person])
    policies = _resources(Template.from_stack(stack), "AWS::IAM::ManagedPolicy").values()
    (policy,) = [each for each in policies if "Person" in json.dumps(each["Properties"]["Roles"])]
    assert "sagemaker:DeleteEndpoint" in json.dumps(policy)


def test_the_declaration_changes_with_no_model(stack: Any) -> None:
    template = _kept(stack, hours=72, idle_hours=8)
    (parameter,) = _resources(template, "AWS::SSM::Parameter").values()
    assert parameter["Properties"]["Name"] == "/hf-sagemaker/dev/lifetimes/sentiment"
    # Given no reference to what a deployment changes
    assert json.loads(parameter["Properties"]["Value"]) == {
        "endpoint": "dev-sentiment",
        "stack": "Stack",
        "variants": ["AllTraffic"],
        "hours": 72,
        "idle_hours": 8,
    }
    assert "Condition" not in parameter


def test_the_endpoint_is_brought_back_before_whatever_updates_it(stack: Any) -> None:
    # Given an endpoint with a way of being updated
    template = _kept(stack, deployment=ROLLING)
    ((logical_id, presence),) = _resources(template, "Custom::EndpointPresence").items()
    (endpoint,) = _resources(template, "AWS::SageMaker::Endpoint").values()
    # Then the resource in front changes with each of both
    assert logical_id in endpoint["DependsOn"]
    assert presence["Properties"]["EndpointConfigName"] == endpoint["Properties"]["EndpointConfigName"]
    assert "60" in json.dumps(presence["Properties"]["Deployment"])


def test_without_an_endpoint_nothing_is_in_front_of_it(stack: Any) -> None:
    # Given an endpoint that is there only where a model is approved
    exists = CfnCondition(stack, "Exists", expression=Fn.condition_equals("1", "2"))
    (presence,) = _resources(_kept(stack, exists=exists), "Custom::EndpointPresence").values()
    assert presence["Condition"] == "Exists"


def test_limits_that_are_left_out_are_not_declared(stack: Any) -> None:
    (parameter,) = _resources(_kept(stack, hours=4), "AWS::SSM::Parameter").values()
    assert "idle_hours" not in json.dumps(parameter["Properties"]["Value"])
