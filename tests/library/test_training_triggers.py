"""What the rules of triggers hear and hand on, what the function may do, and who hears when it cannot."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Duration
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk.assertions import Template

from hf_sagemaker import trigger_request
from hf_sagemaker.training_triggers import OnAlarm, OnNewData, OnSchedule, TrainingTrigger, TrainingTriggers
from start_training.logic import Trigger

LAMBDA = Path(__file__).parents[2] / "lambda"
REQUEST = {"schema_version": "1", "name": "n", "metric_definitions": [{"Name": "a", "Regex": 'x "(<y>)"'}]}


def _triggers(stack: Any, *names: str, **arguments: Any) -> Template:
    machine = sfn.StateMachine(
        stack, "Machine", definition_body=sfn.DefinitionBody.from_chainable(sfn.Pass(stack, "Pass"))
    )
    topic = sns.Topic(stack, "Runs", enforce_ssl=True)
    kinds = {
        "nightly": OnSchedule(expression="cron(0 3 * * ? *)"),
        "corpus": OnNewData(bucket=stack.buckets.data, prefix="reviews/", quiet=Duration.minutes(30)),
        "drift": OnAlarm(alarm_name="accuracy is low", minimum_interval=Duration.hours(6)),
    }
    TrainingTriggers(
        stack,
        "Triggers",
        triggers=[
            TrainingTrigger(
                name=name,
                job_type="text",
                state_machine=machine,
                topic=topic,
                request=REQUEST,
                parameter_name=f"/team/{name}",
                on=kinds[name],
            )
            for name in names
        ],
        keys=stack.keys,
        function_root=LAMBDA,
        **arguments,
    )
    return Template.from_stack(stack)


def _properties(template: Template, kind: str) -> list[dict[str, Any]]:
    return [each["Properties"] for each in template.find_resources(f"AWS::{kind}").values()]


@pytest.fixture
def template(stack: Any) -> Template:
    return _triggers(stack, "nightly", "corpus", "drift")


def _rules(template: Template) -> dict[str, dict[str, Any]]:
    """By trigger."""
    return {each["Description"].split()[1]: each for each in _properties(template, "Events::Rule")}


def _allowed(template: Template) -> list[dict[str, Any]]:
    (policy,) = _properties(template, "IAM::ManagedPolicy")
    statements: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return statements


def test_each_trigger_has_a_rule_of_its_kind(template: Template) -> None:
    rules = _rules(template)
    assert rules["nightly"]["ScheduleExpression"] == "cron(0 3 * * ? *)"
    assert rules["corpus"]["ScheduleExpression"] == "rate(5 minutes)"
    assert rules["drift"]["EventPattern"] == {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "resources": ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:accuracy is low"],
        "detail": {"state": {"value": ["ALARM"]}},
    }


def test_an_event_says_when_and_nothing_else(template: Template) -> None:
    for name, rule in _rules(template).items():
        (target,) = rule["Targets"]
        transformer = target["InputTransformer"]
        assert transformer["InputPathsMap"] == {"time": "$.time"}
        assert json.loads(transformer["InputTemplate"]) == {"trigger": f"/team/{name}", "time": "<time>"}


def test_the_function_understands_what_the_parameters_say(template: Template) -> None:
    found = {}
    for parameter in _properties(template, "SSM::Parameter"):
        text = "".join(part if isinstance(part, str) else "arn" for part in parameter["Value"]["Fn::Join"][1])
        assert len(text) < 4096 - trigger_request.LONGEST_REQUEST
        trigger = Trigger.from_document(json.loads(text))
        assert (trigger.state_machine, trigger.request) == ("arn", REQUEST)
        found[trigger.name] = trigger
    assert (found["corpus"].bucket, found["corpus"].prefix) == ("data", "reviews/")
    assert found["corpus"].quiet.total_seconds() == 1800
    assert found["drift"].minimum_interval.total_seconds() == 6 * 3600
    assert [each.kind for each in found.values()] == ["schedule", "data", "alarm"]


def test_only_the_rules_may_call_it_and_leave_what_failed(template: Template) -> None:
    sources = [{"Fn::GetAtt": [rule, "Arn"]} for rule in template.find_resources("AWS::Events::Rule")]
    permissions = _properties(template, "Lambda::Permission")
    assert [each["SourceArn"] for each in permissions] == sources
    assert {each["Principal"] for each in permissions} == {"events.amazonaws.com"}
    (policy,) = _properties(template, "SQS::QueuePolicy")
    allowed = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    assert [each["Condition"] for each in allowed] == [{"ArnEquals": {"aws:SourceArn": each}} for each in sources]


def test_it_lists_only_where_data_comes_and_starts_only_its_machines(template: Template) -> None:
    (listing,) = [each for each in _allowed(template) if each["Action"] == "s3:ListBucket"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["reviews/*"]}}
    assert listing["Resource"] == "arn:aws:s3:::data"
    assert not [each for each in _allowed(template) if "s3:GetObject" in each["Action"]]
    (machine,) = template.find_resources("AWS::StepFunctions::StateMachine")
    starting = [each for each in _allowed(template) if "states:StartExecution" in each["Action"]]
    assert [each["Resource"] for each in starting] == [{"Ref": machine}]


def test_a_schedule_needs_to_list_nothing(stack: Any) -> None:
    text = json.dumps(_allowed(_triggers(stack, "nightly")))
    assert "states:ListExecutions" not in text
    assert "s3:ListBucket" not in text


def test_whatever_was_not_started_goes_to_one_queue_and_people_hear_of_it(template: Template) -> None:
    (queue,) = template.find_resources("AWS::SQS::Queue")
    arn = {"Fn::GetAtt": [queue, "Arn"]}
    assert [rule["Targets"][0]["DeadLetterConfig"] for rule in _rules(template).values()] == [{"Arn": arn}] * 3
    (function,) = _properties(template, "Lambda::Function")
    assert function["DeadLetterConfig"] == {"TargetArn": arn}
    (alarm,) = _properties(template, "CloudWatch::Alarm")
    (topic,) = template.find_resources("AWS::SNS::Topic")
    assert (alarm["Threshold"], alarm["AlarmActions"]) == (1, [{"Ref": topic}])


def test_another_topic_is_told_where_there_is_one(stack: Any) -> None:
    other = sns.Topic(stack, "Builds")
    (alarm,) = _properties(_triggers(stack, "nightly", alarm_topic=other), "CloudWatch::Alarm")
    assert alarm["AlarmActions"] == [stack.resolve(other.topic_arn)]
