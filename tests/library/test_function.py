"""The function construct by itself."""

from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from hf_sagemaker.function import PythonFunction

LAMBDA = Path(__file__).parents[2] / "lambda"
FUNCTION = "AWS::Lambda::Function"


def _function(stack: Any, **options: Any) -> PythonFunction:
    return PythonFunction(
        stack,
        "Function",
        source_root=LAMBDA,
        package="evaluate_model",
        description="Judges",
        key=stack.key,
        **options,
    )


def _acknowledged(function: PythonFunction) -> set[str]:
    entries = [
        entry
        for part in (function, function.function)
        for entry in part.node.metadata
        if entry.type == "aws:cdk:acknowledged-rules"
    ]
    return {rule for entry in entries for rule in entry.data}


def test_by_default_it_has_a_share_of_concurrency_and_half_a_minute(stack: Any) -> None:
    function = _function(stack)
    Template.from_stack(stack).has_resource_properties(
        FUNCTION,
        {
            "ReservedConcurrentExecutions": 5,
            "Timeout": 30,
            "TracingConfig": {"Mode": "Active"},
            "LoggingConfig": {"LogGroup": Match.any_value()},
        },
    )
    assert "HfSageMaker::Control-73" not in _acknowledged(function)


def test_without_a_share_somebody_says_why(stack: Any) -> None:
    function = _function(stack, reserved_concurrency=None)
    Template.from_stack(stack).has_resource_properties(FUNCTION, {"ReservedConcurrentExecutions": Match.absent()})
    assert "HfSageMaker::Control-73" in _acknowledged(function)


@pytest.mark.parametrize("rule", ["Serverless::Serverless-LambdaDLQ", "PCI.DSS.321::PCI.DSS.321-LambdaInsideVPC"])
def test_what_a_caller_who_waits_makes_needless_is_acknowledged(stack: Any, rule: str) -> None:
    assert rule in _acknowledged(_function(stack))


def test_its_logs_are_encrypted_and_go_after_a_month(stack: Any) -> None:
    _function(stack)
    Template.from_stack(stack).has_resource_properties(
        "AWS::Logs::LogGroup", {"RetentionInDays": 30, "KmsKeyId": Match.string_like_regexp("key/team$")}
    )
