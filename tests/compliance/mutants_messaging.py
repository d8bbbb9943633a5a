"""Mutants of controls 64 to 73."""

from typing import Any

from tests.compliance.mutant import Mutant, Stacks, add, first

MACHINE = "AWS::StepFunctions::StateMachine"
FUNCTION = "AWS::Lambda::Function"
TOPIC_POLICY = "AWS::SNS::TopicPolicy"


def _errors_only(stacks: Stacks) -> None:
    first(stacks, MACHINE)["Properties"]["LoggingConfiguration"]["Level"] = "ERROR"


def _no_traces(stacks: Stacks) -> None:
    first(stacks, MACHINE)["Properties"]["TracingConfiguration"]["Enabled"] = False


def _key_of_the_service(stacks: Stacks) -> None:
    first(stacks, MACHINE)["Properties"]["EncryptionConfiguration"] = {"Type": "AWS_OWNED_KEY"}


def _plain_http(stacks: Stacks) -> None:
    statements = first(stacks, TOPIC_POLICY)["Properties"]["PolicyDocument"]["Statement"]
    statements[:] = [s for s in statements if "aws:SecureTransport" not in str(s)]


def _bare_queue(stacks: Stacks) -> None:
    add(stacks, "Queue", "AWS::SQS::Queue", {"SqsManagedSseEnabled": True}, stack="Training")


def _event_for_a_function(stacks: Stacks) -> None:
    add(
        stacks,
        "Schedule",
        "AWS::Events::Rule",
        {
            "ScheduleExpression": "rate(1 day)",
            "Targets": [{"Id": "Function", "Arn": "arn:aws:lambda:us-east-1:210987654321:function:retrain"}],
        },
        stack="Training",
    )


def _old_runtime(stacks: Stacks) -> None:
    first(stacks, FUNCTION)["Properties"]["Runtime"] = "python3.9"


def _callable_by_any_bucket(stacks: Stacks) -> None:
    permission = {"Action": "lambda:InvokeFunction", "FunctionName": "f", "Principal": "s3.amazonaws.com"}
    add(stacks, "Permission", "AWS::Lambda::Permission", permission, stack="Training")


def _password(stacks: Stacks) -> None:
    variables: dict[str, Any] = {"Variables": {"DATABASE_PASSWORD": "correct horse battery staple"}}
    first(stacks, FUNCTION)["Properties"]["Environment"] = variables


def _unlimited(stacks: Stacks) -> None:
    first(stacks, FUNCTION)["Properties"].pop("ReservedConcurrentExecutions")


MUTANTS: dict[int, Mutant] = {
    64: _errors_only,
    65: _no_traces,
    66: _key_of_the_service,
    67: _plain_http,
    68: _bare_queue,
    69: _event_for_a_function,
    70: _old_runtime,
    71: _callable_by_any_bucket,
    72: _password,
    73: _unlimited,
}
