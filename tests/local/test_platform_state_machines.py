"""State machines that CloudFormation made, executed."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.embedded_aws import RunningLocalCloud, Stacks

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}
FUNCTION = """
def handle(event, context):
    if event["epochs"] < 1:
        raise ValueError(f"epochs is {event['epochs']}: at least 1")
    return {"steps": event["epochs"] * 100, "run": event["run"]}
"""
JOB = {
    "TrainingJobName.$": "$.job",
    "AlgorithmSpecification": {
        "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/no-such-repository:1",
        "TrainingInputMode": "File",
    },
    "RoleArn": "${Role}",
    "OutputDataConfig": {"S3OutputPath": "s3://no-such-bucket/models/"},
    "ResourceConfig": {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 600},
}
PACKAGE = {
    "ModelPackageGroupName": "${Group}",
    "ModelApprovalStatus": "PendingManualApproval",
    "InferenceSpecification": {
        "Containers": [
            {
                "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1",
                "ModelDataUrl": "s3://models/model.tar.gz",
            }
        ],
        "SupportedContentTypes": ["application/json"],
        "SupportedResponseMIMETypes": ["application/json"],
    },
}
DEFINITION = {
    "StartAt": "Validate",
    "States": {
        "Validate": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {
                "FunctionName": "${Function}",
                "Payload": {"epochs.$": "$.epochs", "run.$": "$$.Execution.Name"},
            },
            "ResultSelector": {"steps.$": "$.Payload.steps", "run.$": "$.Payload.run"},
            "ResultPath": "$.plan",
            "Retry": [
                {
                    "ErrorEquals": ["Lambda.ServiceException"],
                    "IntervalSeconds": 1,
                    "BackoffRate": 2,
                    "MaxAttempts": 2,
                    "MaxDelaySeconds": 4,
                    "JitterStrategy": "FULL",
                }
            ],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Failed"}],
            "Next": "WhereTo",
        },
        "WhereTo": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.job", "StringMatches": "train-*", "Next": "Train"},
                {"Variable": "$.job", "StringMatches": "*nothing*", "Next": "Stop"},
            ],
            "Default": "Register",
        },
        "Train": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
            "Parameters": JOB,
            "Catch": [{"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.failure", "Next": "Failed"}],
            "End": True,
        },
        "Register": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sagemaker:createModelPackage",
            "Parameters": PACKAGE,
            "ResultPath": "$.package",
            "Next": "Notify",
        },
        "Notify": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish",
            "Parameters": {
                "TopicArn": "${Topic}",
                "Message.$": "States.Format('{} after {} steps', $.package.ModelPackageArn, $.plan.steps)",
            },
            "ResultSelector": {"id.$": "$.MessageId"},
            "ResultPath": "$.message",
            "Next": "Outcome",
        },
        "Outcome": {
            "Type": "Pass",
            "Parameters": {
                "run.$": "$.plan.run",
                "package.$": "$.package.ModelPackageArn",
                "read.$": "States.StringToJson($.text)",
                "written.$": "States.JsonToString($.plan)",
                "first.$": "States.ArrayGetItem(States.StringSplit($.job, '-'), 0)",
                "sum.$": "States.MathAdd($.epochs, 1)",
            },
            "End": True,
        },
        "Stop": {"Type": "Fail", "Error": "Nothing", "Cause": "nothing to do"},
        "Failed": {"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "$.failure.Cause"},
    },
}


@pytest.fixture(scope="module")
def machine(localcloud: RunningLocalCloud) -> Iterator[str]:
    """The ARN of a machine whose stack holds all that it calls."""
    role = {"Fn::GetAtt": ["Role", "Arn"]}
    template = {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "python3.13",
                    "Handler": "index.handle",
                    "Role": role,
                    "Timeout": 30,
                    "Code": {"ZipFile": FUNCTION},
                },
            },
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Group": {
                "Type": "AWS::SageMaker::ModelPackageGroup",
                "Properties": {"ModelPackageGroupName": "state-machine-models"},
            },
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "RoleArn": role,
                    "DefinitionString": json.dumps(DEFINITION),
                    "DefinitionSubstitutions": {
                        "Function": {"Fn::GetAtt": ["Function", "Arn"]},
                        "Group": {"Fn::GetAtt": ["Group", "ModelPackageGroupName"]},
                        "Role": role,
                        "Topic": {"Ref": "Topic"},
                    },
                },
            },
        },
        "Outputs": {"Machine": {"Value": {"Ref": "Machine"}}},
    }
    stacks = Stacks(localcloud)
    stack = stacks.create("state-machines", json.dumps(template))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons("state-machines", "CREATE_FAILED")
    yield stacks.outputs("state-machines")["Machine"]
    stacks.delete_all()


def execute(localcloud: RunningLocalCloud, machine: str, name: str, **given: Any) -> dict[str, Any]:
    client = localcloud.client("stepfunctions")
    arn = client.start_execution(stateMachineArn=machine, name=name, input=json.dumps(given))["executionArn"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        execution: dict[str, Any] = client.describe_execution(executionArn=arn)
        if execution["status"] != "RUNNING":
            return execution
        time.sleep(0.1)
    raise AssertionError(f"the execution {name} still runs")


def test_runs_from_function_to_registry_and_topic(localcloud: RunningLocalCloud, machine: str) -> None:
    execution = execute(localcloud, machine, "whole", epochs=3, job="register-1", text='{"a": [1]}')

    # Then its output is made of context object, intrinsics and every service's answer
    assert execution["status"] == "SUCCEEDED"
    output = json.loads(execution["output"])
    assert output["run"] == "whole"
    assert output["read"] == {"a": [1]}
    assert json.loads(output["written"]) == {"steps": 300, "run": "whole"}
    assert (output["first"], output["sum"]) == ("register", 4)

    # And the model package is there
    package = localcloud.client("sagemaker").describe_model_package(ModelPackageName=output["package"])
    assert package["ModelPackageGroupName"] == "state-machine-models"

    # And whoever follows finds the execution and its steps
    client = localcloud.client("stepfunctions")
    history = client.get_execution_history(executionArn=execution["executionArn"])["events"]
    entered = [event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event]
    assert entered == ["Validate", "WhereTo", "Register", "Notify", "Outcome"]
    listed = client.list_executions(stateMachineArn=machine)["executions"]
    assert execution["executionArn"] in [each["executionArn"] for each in listed]


def test_a_functions_exception_is_caught_and_reaches_the_executions_cause(
    localcloud: RunningLocalCloud, machine: str
) -> None:
    execution = execute(localcloud, machine, "refused", epochs=0, job="x", text="{}")

    assert execution["status"] == "FAILED"
    assert execution["error"] == "ValueError"
    assert json.loads(execution["cause"])["errorMessage"] == "epochs is 0: at least 1"


def test_a_choice_can_end_in_failure(localcloud: RunningLocalCloud, machine: str) -> None:
    execution = execute(localcloud, machine, "nothing", epochs=1, job="nothing-to-do", text="{}")

    assert (execution["status"], execution["error"], execution["cause"]) == ("FAILED", "Nothing", "nothing to do")


def test_a_failed_training_job_is_its_description(localcloud: RunningLocalCloud, machine: str) -> None:
    # Given a job whose image is in no repository, which SageMaker finds out when it starts it
    execution = execute(localcloud, machine, "no-image", epochs=1, job="train-no-image", text="{}")

    # Then the task's cause is what DescribeTrainingJob answers
    assert execution["status"] == "FAILED"
    assert execution["error"] == "States.TaskFailed"
    cause = json.loads(execution["cause"])
    assert cause["TrainingJobName"] == "train-no-image"
    assert cause["TrainingJobStatus"] == "Failed"
    assert "no-such-repository" in cause["FailureReason"]
    assert isinstance(cause["CreationTime"], int)


def test_the_end_of_an_execution_is_an_event_that_rules_hear(localcloud: RunningLocalCloud, machine: str) -> None:
    # Given a rule on failures of the machine, which makes a document of its own of an event
    events, sqs = localcloud.client("events"), localcloud.client("sqs")
    queue = sqs.create_queue(QueueName="ends")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    detail = {"status": ["FAILED", "ABORTED"], "stateMachineArn": [machine]}
    pattern = {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"], "detail": detail}
    events.put_rule(Name="ends", EventPattern=json.dumps(pattern))
    paths = {name: f"$.detail.{name}" for name in ("executionArn", "status", "stopDate", "error", "redriveDate")}
    template = (
        '{"run": "<executionArn>", "status": <status>, "at": <stopDate>, "why": "<error>", "again": "<redriveDate>"}'
    )
    transformer = {"InputPathsMap": paths, "InputTemplate": template}
    target = {"Id": "queue", "Arn": attributes["QueueArn"], "InputTransformer": transformer}
    events.put_targets(Rule="ends", Targets=[target])
    # When an execution fails
    execution = execute(localcloud, machine, "heard", epochs=1, job="nothing-to-do", text="{}")
    # Then the document arrives, and nothing was said of the beginning
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5, MaxNumberOfMessages=10)["Messages"]
    told = json.loads(message["Body"])
    ended = int(execution["stopDate"].timestamp() * 1000)
    assert (told["run"], told["status"], told["why"]) == (execution["executionArn"], "FAILED", "Nothing")
    assert abs(told["at"] - ended) < 1000
    assert told["again"] == ""
    events.remove_targets(Rule="ends", Ids=["queue"])
    events.delete_rule(Name="ends")


def test_executions_without_a_name_get_one_each(localcloud: RunningLocalCloud, machine: str) -> None:
    client = localcloud.client("stepfunctions")
    given = json.dumps({"epochs": 1, "job": "nothing-to-do", "text": "{}"})
    arns = {client.start_execution(stateMachineArn=machine, input=given)["executionArn"] for _ in range(2)}
    assert len(arns) == 2


def test_a_definition_that_the_interpreter_does_not_know_fails_the_stack(stacks: Stacks) -> None:
    definition = {
        "StartAt": "A",
        "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createModel.sync", "End": True}},
    }
    template = {
        "Resources": {
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "RoleArn": "arn:aws:iam::123456789012:role/states",
                    "DefinitionString": json.dumps(definition),
                },
            }
        }
    }

    stack = stacks.create("wrong-machine", json.dumps(template))

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "createModel.sync" in stacks.reasons("wrong-machine", "CREATE_FAILED")["Machine"]
