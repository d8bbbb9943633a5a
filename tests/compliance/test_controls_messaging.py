"""Controls 64 to 73, where the mutants do not reach."""

from typing import Any

import pytest

from tests.compliance.small_templates import ACCOUNT, KEY, Resources, problems, resource

TLS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sns:Publish",
    "Resource": {"Ref": "Topic"},
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
ALARMS = {
    "Effect": "Allow",
    "Principal": {"Service": "cloudwatch.amazonaws.com"},
    "Action": "sns:Publish",
    "Resource": {"Ref": "Topic"},
}
OURS = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def _topic(*statements: dict[str, Any], **properties: Any) -> Resources:
    policy = resource("SNS::TopicPolicy", Topics=[{"Ref": "Topic"}], PolicyDocument={"Statement": list(statements)})
    return {"Topic": resource("SNS::Topic", **{"KmsMasterKeyId": KEY, **properties}), "Policy": policy}


@pytest.mark.parametrize("data", [True, False])
def test_what_executions_carry_is_logged_outside_prod_only(data: bool) -> None:
    destination = {"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": ["Logs", "Arn"]}}}
    logging = {"Level": "ALL", "IncludeExecutionData": data, "Destinations": [destination]}
    machine = {
        "Machine": resource("StepFunctions::StateMachine", LoggingConfiguration=logging),
        "Logs": resource("Logs::LogGroup"),
    }
    assert problems(64, machine) == []
    assert bool(problems(64, machine, protected=True)) is data


def test_a_log_group_of_nobody_is_no_log() -> None:
    logging = {"Level": "ALL", "Destinations": []}
    assert problems(64, {"Machine": resource("StepFunctions::StateMachine", LoggingConfiguration=logging)})


@pytest.mark.parametrize(
    ("topic", "word"),
    [
        (_topic(TLS, ALARMS | {"Condition": OURS}), None),
        (_topic(TLS, ALARMS), "outside this account"),
        (_topic(TLS, ALARMS | {"Principal": "*"}), "outside this account"),
        (_topic(TLS, ALARMS | {"Principal": {"AWS": "arn:aws:iam::999999999999:root"}}), "outside this account"),
        (_topic(TLS, ALARMS | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}), None),
        (_topic(TLS, ALARMS | {"Condition": {"StringEquals": {"aws:SourceAccount": "999999999999"}}}), "outside"),
        (_topic(TLS, KmsMasterKeyId="alias/aws/sns"), "customer managed key"),
        (_topic(TLS | {"Principal": {"AWS": "arn:aws:iam::999999999999:root"}}), "plain HTTP"),
        (_topic(TLS | {"Resource": "arn:aws:sns:us-east-1:999999999999:other"}), "plain HTTP"),
        # A Deny with one condition more is a weaker Deny.
        (_topic(TLS | {"Condition": {**TLS["Condition"], **OURS}}), "plain HTTP"),  # type: ignore[dict-item]
    ],
)
def test_topics_are_closed_to_strangers(topic: Resources, word: str | None) -> None:
    found = problems(67, topic)
    assert (word in found[0]) if word else found == []


def _queue(**properties: Any) -> Resources:
    tls = TLS | {"Action": "sqs:*", "Resource": {"Fn::GetAtt": ["Queue", "Arn"]}}
    policy = resource("SQS::QueuePolicy", Queues=[{"Ref": "Queue"}], PolicyDocument={"Statement": [tls]})
    return {"Queue": resource("SQS::Queue", **properties), "Policy": policy}


def test_a_queue_for_what_failed_needs_none_itself() -> None:
    queue = _queue(KmsMasterKeyId=KEY)
    assert "RedrivePolicy" in problems(68, queue)[0]
    dead_letters = {"DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["Queue", "Arn"]}}}
    rule = resource("Events::Rule", Targets=[{"Id": "f", "Arn": "arn:aws:lambda:…", **dead_letters}])
    assert problems(68, queue | {"Rule": rule}) == []


def test_a_queue_is_encrypted_with_our_key() -> None:
    queue = _queue(SqsManagedSseEnabled=True, RedrivePolicy={"deadLetterTargetArn": {"Ref": "Queue"}})
    assert "customer managed key" in problems(68, queue)[0]


def _called_by_events(**function: Any) -> Resources:
    permission = resource("Lambda::Permission", FunctionName={"Ref": "Function"}, Principal="events.amazonaws.com")
    return {"Function": resource("Lambda::Function", **function), "Permission": permission}


def test_functions_that_events_call_keep_what_failed() -> None:
    assert "events.amazonaws.com" in problems(69, _called_by_events())[0]
    assert problems(69, _called_by_events(DeadLetterConfig={"TargetArn": "arn:aws:sqs:…"})) == []
    kept = resource(
        "Lambda::EventInvokeConfig",
        FunctionName={"Ref": "Function"},
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:sqs:…"}},
    )
    assert problems(69, _called_by_events() | {"Kept": kept}) == []


def test_functions_whose_callers_wait_need_no_queue() -> None:
    assert problems(69, {"Function": resource("Lambda::Function")}) == []


def test_a_schedule_keeps_what_failed() -> None:
    assert problems(69, {"Schedule": resource("Scheduler::Schedule", Target={"Arn": "arn:aws:states:…"})})


@pytest.mark.parametrize(
    ("permission", "holds"),
    [
        ({"Principal": "s3.amazonaws.com", "SourceAccount": ACCOUNT}, True),
        ({"Principal": "events.amazonaws.com", "SourceArn": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/r"}, True),
        ({"Principal": "events.amazonaws.com", "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]}}, True),
        ({"Principal": f"arn:aws:iam::{ACCOUNT}:role/caller"}, True),
        ({"Principal": "s3.amazonaws.com", "SourceAccount": "999999999999"}, False),
        ({"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::bucket"}, False),
        ({"Principal": "*"}, False),
        ({"Principal": "999999999999"}, False),
    ],
)
def test_who_may_call_a_function_is_named(permission: dict[str, Any], holds: bool) -> None:
    rule = {"Rule": resource("Events::Rule")}
    assert (problems(71, {"Permission": resource("Lambda::Permission", **permission)} | rule) == []) is holds


def test_an_open_address_of_a_function_is_refused() -> None:
    assert problems(71, {"Url": resource("Lambda::Url", AuthType="NONE")})


@pytest.mark.parametrize(
    ("name", "value", "holds"),
    [
        ("LOG_LEVEL", "INFO", True),
        ("HF_TOKEN_SECRET", "arn:aws:secretsmanager:us-east-1:123456789012:secret:hub", True),
        ("API_KEY", {"Ref": "Parameter"}, True),
        ("API_KEY", "abc", False),
        ("MONKEY", "abc", True),
        ("SOMETHING", "AKIA" + "IOSFODNN7EXAMPLE", False),
    ],
)
def test_variables_hold_no_secret(name: str, value: Any, holds: bool) -> None:
    function = resource("Lambda::Function", KmsKeyArn=KEY, Environment={"Variables": {name: value}})
    assert (problems(72, {"Function": function}) == []) is holds


def test_variables_are_encrypted_with_our_key() -> None:
    function = resource("Lambda::Function", Environment={"Variables": {"LOG_LEVEL": "INFO"}})
    assert "KmsKeyArn" in problems(72, {"Function": function})[0]


@pytest.mark.parametrize(("reserved", "holds"), [(5, True), (0, False), (None, False)])
def test_a_function_has_its_share(reserved: int | None, holds: bool) -> None:
    properties = {} if reserved is None else {"ReservedConcurrentExecutions": reserved}
    assert (problems(73, {"Function": resource("Lambda::Function", **properties)}) == []) is holds
