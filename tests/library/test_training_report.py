"""What makes a run's end a report, what the function may do for it, and who hears when it cannot."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk.assertions import Template

from hf_sagemaker.execution_roles import ExecutionRoles
from hf_sagemaker.prices import Price
from hf_sagemaker.training_report import ReportedWorkflow, TrainingReport
from report_training.logic import Subject

LAMBDA = Path(__file__).parents[2] / "lambda"


def _report(stack: Any, *job_types: str, **arguments: Any) -> Template:
    role = ExecutionRoles(stack, "Roles", reporting_role=True).reporting
    workflows = [
        ReportedWorkflow(
            job_type=name,
            state_machine=sfn.StateMachine(
                stack, f"{name}Machine", definition_body=sfn.DefinitionBody.from_chainable(sfn.Pass(stack, name))
            ),
            topic=sns.Topic(stack, f"{name}Topic", enforce_ssl=True),
        )
        for name in job_types
    ]
    TrainingReport(
        stack,
        "Report",
        environment="dev",
        workflows=workflows,
        prices={"ml.g5.xlarge": Price(per_hour=1.5, as_of="2026-01-01")},
        role=role,
        keys=stack.keys,
        buckets=stack.buckets,
        function_root=LAMBDA,
        **arguments,
    )
    return Template.from_stack(stack)


def _properties(template: Template, kind: str) -> list[dict[str, Any]]:
    return [each["Properties"] for each in template.find_resources(f"AWS::{kind}").values()]


def _text(joined: Any) -> str:
    """A template's text, with the logical ids of what it refers to."""
    return "".join(part if isinstance(part, str) else next(iter(part.values())) for part in joined["Fn::Join"][1])


@pytest.fixture
def template(stack: Any) -> Template:
    return _report(stack, "text", "audio")


def test_one_rule_hears_every_end_of_every_machine(template: Template) -> None:
    (rule,) = _properties(template, "Events::Rule")
    assert rule["EventPattern"]["detail"]["status"] == ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
    assert len(rule["EventPattern"]["detail"]["stateMachineArn"]) == 2
    assert len(_properties(template, "Lambda::Function")) == 1


def test_the_function_gets_what_it_reads_and_nothing_that_the_run_was_given(template: Template) -> None:
    (rule,) = _properties(template, "Events::Rule")
    (target,) = rule["Targets"]
    paths = target["InputTransformer"]["InputPathsMap"]
    assert not [path for path in paths.values() if "input" in path or "output" in path]
    # And what the rule makes of an event is what the function understands
    event = json.loads(_text(target["InputTransformer"]["InputTemplate"]))
    machine = next(name for name in event["machines"] if name.startswith("audio"))
    subject = Subject.from_input({**event, "machine": machine, "redrives": ""})
    assert (subject.job_type, subject.environment, subject.redrives) == ("audio", "dev", 0)
    assert subject.prices == {"ml.g5.xlarge": {"per_hour": 1.5, "as_of": "2026-01-01"}}


def test_only_the_rule_may_call_it_and_leave_what_failed(template: Template) -> None:
    (rule,) = template.find_resources("AWS::Events::Rule")
    source = {"Fn::GetAtt": [rule, "Arn"]}
    (permission,) = _properties(template, "Lambda::Permission")
    assert (permission["Principal"], permission["SourceArn"]) == ("events.amazonaws.com", source)
    (policy,) = _properties(template, "SQS::QueuePolicy")
    (allowed,) = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": source}}


def test_whatever_is_not_reported_goes_to_one_queue(template: Template) -> None:
    (queue,) = template.find_resources("AWS::SQS::Queue")
    arn = {"Fn::GetAtt": [queue, "Arn"]}
    (rule,) = _properties(template, "Events::Rule")
    (function,) = _properties(template, "Lambda::Function")
    assert rule["Targets"][0]["DeadLetterConfig"] == {"Arn": arn}
    assert function["DeadLetterConfig"] == {"TargetArn": arn}


def test_a_lost_report_is_told_by_another_topic(stack: Any) -> None:
    # Given a topic that is none of the runs'
    other = sns.Topic(stack, "Builds")
    template = _report(stack, "text", alarm_topic=other)
    # Then the alarm tells it, so that it is heard when the run's topic is gone
    (alarm,) = _properties(template, "CloudWatch::Alarm")
    assert alarm["AlarmActions"] == [stack.resolve(other.topic_arn)]
    assert alarm["Threshold"] == 1


def test_without_another_topic_the_alarm_tells_those_of_runs(template: Template) -> None:
    (alarm,) = _properties(template, "CloudWatch::Alarm")
    assert len(alarm["AlarmActions"]) == 2
    # Which let alarms of this account publish
    for policy in _properties(template, "SNS::TopicPolicy"):
        (statement,) = [s for s in policy["PolicyDocument"]["Statement"] if "cloudwatch" in json.dumps(s["Principal"])]
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def _mlflow_statements(template: Template) -> list[dict[str, Any]]:
    return [
        statement
        for policy in _properties(template, "IAM::ManagedPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if "mlflow" in json.dumps(statement["Action"])
    ]


def test_runs_are_logged_on_the_tracking_server_that_is_named_and_on_no_other(new_stack: Any) -> None:
    assert _mlflow_statements(_report(new_stack(), "text")) == []
    # Given a workflow whose runs a tracking server is to know
    server = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/experiments"
    template = _report(new_stack(), "text", tracking_server_arn=server)
    # Then the function may log there, and neither delete nor read models, and it is told which server that is
    (statement,) = _mlflow_statements(template)
    assert statement["Resource"] == server
    assert "sagemaker-mlflow:LogBatch" in statement["Action"]
    assert not [action for action in statement["Action"] if "Delete" in action or "Model" in action]
    (rule,) = _properties(template, "Events::Rule")
    event = json.loads(_text(rule["Targets"][0]["InputTransformer"]["InputTemplate"]))
    assert event["tracking_server"] == server
