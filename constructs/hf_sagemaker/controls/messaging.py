"""Controls 64 to 69: state machines, topics and queues are encrypted, watched, and closed to strangers."""

from collections.abc import Iterator

from hf_sagemaker.controls.control import Breach, Control, Proof, judge
from hf_sagemaker.controls.customer_keys import is_customer_key, log_group
from hf_sagemaker.controls.images import WITH_AN_IMAGE
from hf_sagemaker.controls.policies import (
    Statement,
    condition,
    condition_keys,
    covers,
    is_ours,
    principals,
    resource_policies,
)
from hf_sagemaker.controls.state_machines import STATE_MACHINE
from hf_sagemaker.controls.templates import Resource, Templates, as_list
from hf_sagemaker.controls.training import WITH_A_JOB_TYPE

FUNCTION = "AWS::Lambda::Function"
TOPIC = "AWS::SNS::Topic"
QUEUE = "AWS::SQS::Queue"
_CALLERS = ("aws:SourceAccount", "aws:SourceArn", "aws:SourceOwner", "aws:PrincipalAccount", "aws:PrincipalOrgID")
_EQUALS = ("StringEquals", "ArnEquals", "ArnLike", "StringLike")


def logs_executions(templates: Templates) -> Iterator[Proof | Breach]:
    """Every step of every execution is logged; in prod without the data that it carries."""
    for machine in templates.resources(STATE_MACHINE):
        logging = machine.properties.get("LoggingConfiguration", {})
        groups = [d.get("CloudWatchLogsLogGroup", {}).get("LogGroupArn") for d in logging.get("Destinations", [])]
        ours = any(log_group(templates, group) is not None for group in groups)
        everything = logging.get("Level") == "ALL" and ours
        yield judge(
            machine, everything, "LoggingConfiguration must be of level ALL, to a log group of this environment."
        )
        if machine.stack in templates.protected:
            discreet = logging.get("IncludeExecutionData", False) is False
            yield judge(machine, discreet, "logs what executions carry; IncludeExecutionData must be false in prod.")


def is_traced(templates: Templates) -> Iterator[Proof | Breach]:
    """Executions and the functions that they call leave traces in X-Ray."""
    for machine in templates.resources(STATE_MACHINE):
        on = machine.properties.get("TracingConfiguration", {}).get("Enabled") is True
        yield judge(machine, on, "leaves no traces; TracingConfiguration.Enabled must be true.")
    for function in templates.resources(FUNCTION):
        on = function.properties.get("TracingConfig", {}).get("Mode") == "Active"
        yield judge(function, on, "leaves no traces; TracingConfig.Mode must be Active.")


def encrypts_executions(templates: Templates) -> Iterator[Proof | Breach]:
    """Definitions and what executions carry are encrypted with our key."""
    for machine in templates.resources(STATE_MACHINE):
        encryption = machine.properties.get("EncryptionConfiguration", {})
        ours = encryption.get("Type") == "CUSTOMER_MANAGED_KMS_KEY"
        ours = ours and is_customer_key(templates, encryption.get("KmsKeyId"))
        yield judge(machine, ours, "EncryptionConfiguration must be CUSTOMER_MANAGED_KMS_KEY, with a key of ours.")


def guards_topics(templates: Templates) -> Iterator[Proof | Breach]:
    """Messages are encrypted with our key, arrive by TLS only, and come from this account only."""
    for topic in templates.resources(TOPIC):
        ours = is_customer_key(templates, topic.properties.get("KmsMasterKeyId"))
        yield judge(topic, ours, "KmsMasterKeyId must be a customer managed key.")
        yield from _policy_findings(templates, topic, "sns:Publish")


def guards_queues(templates: Templates) -> Iterator[Proof | Breach]:
    """Queues are encrypted, reached by TLS only and from this account only; what cannot be worked off is kept aside."""
    dead_letters = _dead_letter_queues(templates)
    for queue in templates.resources(QUEUE):
        ours = is_customer_key(templates, queue.properties.get("KmsMasterKeyId"))
        yield judge(queue, ours, "KmsMasterKeyId must be a customer managed key.")
        aside = templates.find(queue.properties.get("RedrivePolicy", {}).get("deadLetterTargetArn"))
        kept = queue in dead_letters or (aside is not None and aside.type == QUEUE)
        yield judge(queue, kept, "RedrivePolicy must name a queue for what could not be worked off.")
        yield from _policy_findings(templates, queue, "sqs:SendMessage")


def _dead_letter_queues(templates: Templates) -> list[Resource]:
    holders = templates.resources(
        "AWS::Events::Rule",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Scheduler::Schedule",
        "AWS::SNS::Subscription",
        QUEUE,
    )
    named = [_named_for_dead_letters(holder.properties) for holder in holders]
    return [queue for queue in templates.resources(QUEUE) if any(queue.is_named_by(name) for name in named)]


def _named_for_dead_letters(value: object) -> list[object]:
    """What a property names as the place for what failed, wherever it is."""
    if isinstance(value, list):
        return [name for item in value for name in _named_for_dead_letters(item)]
    if not isinstance(value, dict):
        return []
    kept = [value[key] for key in ("DeadLetterConfig", "RedrivePolicy", "OnFailure") if key in value]
    return kept + [name for item in value.values() for name in _named_for_dead_letters(item)]


def _policy_findings(templates: Templates, resource: Resource, action: str) -> Iterator[Proof | Breach]:
    """Whether the policies of a topic or a queue refuse plain HTTP, and admit this account only."""
    policies = [
        policy
        for policy in resource_policies(templates)
        if resource.is_named_by([policy.resource.properties.get(kind) for kind in ("Topics", "Queues")])
    ]
    refused = any(_refuses_plain_http(s, resource, action) for policy in policies for s in policy.statements)
    yield judge(resource, refused, f"accepts plain HTTP; its policy must deny {action} without aws:SecureTransport.")
    strangers = [s for policy in policies for s in policy.allows if not _is_for_us(templates, s)]
    yield judge(resource, not strangers, "admits callers outside this account; it needs a condition on their account.")


def _refuses_plain_http(statement: Statement, resource: Resource, action: str) -> bool:
    return (
        statement.get("Effect") == "Deny"
        and "*" in principals(statement, "AWS")
        and covers(statement, action)
        and condition_keys(statement) == {"aws:securetransport"}
        and [str(value) for value in condition(statement, "aws:SecureTransport", "Bool")] in (["false"], ["False"])
        and any(resource.is_named_by(named) or named == "*" for named in statement.get("Resource", []))
    )


def _is_for_us(templates: Templates, statement: Statement) -> bool:
    """Whether an Allow is for principals of this account, or for what a service does for this account."""
    named = principals(statement, "AWS")
    if named and all(is_ours(templates, principal) for principal in named):
        return not principals(statement, "Service")
    values = [str(value) for key in _CALLERS for value in condition(statement, key, *_EQUALS)]
    return bool(values) and all(
        value.startswith("o-") or templates.account in value or templates.find(value) is not None for value in values
    )


def loses_no_event(templates: Templates) -> Iterator[Proof | Breach]:
    """What is called by an event, and so has nobody who waits, keeps what failed."""
    for rule in templates.resources("AWS::Events::Rule"):
        for target in rule.properties.get("Targets", []):
            yield judge(rule, _keeps_failed(target), f"target {target.get('Id')} needs DeadLetterConfig.")
    for schedule in templates.resources("AWS::Scheduler::Schedule"):
        target = schedule.properties.get("Target", {})
        yield judge(schedule, _keeps_failed(target), "its target needs DeadLetterConfig.")
    for function in templates.resources(FUNCTION):
        events = [e for e in templates.resources("AWS::Lambda::EventInvokeConfig") if _is_of(function, e)]
        kept = _keeps_failed(function.properties) or any(
            e.properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination") for e in events
        )
        if kept:
            yield Proof(function)
        elif callers := _event_sources(templates, function):
            yield Breach(function, f"is called by events of {', '.join(callers)}, and needs a place for what failed.")
        else:
            yield Proof(function, "Nothing calls it but state machines and deployments, which wait for its answer.")


def _keeps_failed(target: object) -> bool:
    config = target.get("DeadLetterConfig", {}) if isinstance(target, dict) else {}
    return bool(config.get("Arn") or config.get("TargetArn"))


def _event_sources(templates: Templates, function: Resource) -> list[str]:
    """The services that call the function and do not wait for its answer."""
    found = [
        str(permission.properties.get("Principal"))
        for permission in templates.resources("AWS::Lambda::Permission")
        if _is_of(function, permission)
    ]
    subscribed = [s for s in templates.resources("AWS::SNS::Subscription") if function.is_named_by(s.properties)]
    return sorted({*found, *(["sns.amazonaws.com"] if subscribed else [])} - {"apigateway.amazonaws.com"})


def _is_of(function: Resource, other: Resource) -> bool:
    return any(function.is_named_by(name) for name in as_list(other.properties.get("FunctionName")))


CONTROLS = (
    Control(64, "logging (ALL)", "SH StepFunctions.1", logs_executions, WITH_A_JOB_TYPE),
    Control(65, "X-Ray", "AS-SF2", is_traced, WITH_A_JOB_TYPE),
    Control(66, "state machine CMK", "prowler", encrypts_executions, WITH_A_JOB_TYPE),
    Control(67, "SNS CMK, TLS publish, no public policy", "SH SNS.1/AS-SNS3/SH SNS.4", guards_topics),
    Control(68, "SQS SSE, DLQ, TLS, not public", "SH SQS.1/.3, AS-SQS2/3/4", guards_queues, WITH_AN_IMAGE),
    Control(
        69,
        "every rule target/async Lambda has DLQ or retry",
        "SL EventBusDLQ/LambdaDLQ",
        loses_no_event,
        WITH_A_JOB_TYPE,
    ),
)
