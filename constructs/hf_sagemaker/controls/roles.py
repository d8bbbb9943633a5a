"""Controls 30 to 35: who may assume a role, what limits it, and that one duty is one role."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from hf_sagemaker.controls.control import Breach, Control, Missing, Proof, judge
from hf_sagemaker.controls.iam_actions import matching
from hf_sagemaker.controls.policies import (
    Statement,
    allowed,
    condition,
    covers,
    duty_role,
    is_ours,
    principals,
    services,
    trust_policies,
)
from hf_sagemaker.controls.state_machines import state_machines
from hf_sagemaker.controls.templates import Resource, Templates
from hf_sagemaker.job_kinds import TRANSFORM

ROLE = "AWS::IAM::Role"
_REFERENCE = re.compile(r"\$\{[^}]+\}")
_DUTIES = ("building", "training", "serving", "deploying")
_ANSWER = ("s3:AbortMultipartUpload", "s3:PutObject")
_SHARED_SERVICES = ("cloudwatch", "ec2", "kms", "logs", "xray")
"""Telemetry, network interfaces and encryption: whatever runs needs them, whatever its duty."""
_ENDPOINT_CHANGES = (
    "sagemaker:CreateEndpoint",
    "sagemaker:CreateEndpointConfig",
    "sagemaker:CreateModel",
    "sagemaker:DeleteEndpoint",
    "sagemaker:UpdateEndpoint",
    "sagemaker:UpdateEndpointWeightsAndCapacities",
)


def trusts_services_for_this_account(templates: Templates) -> Iterator[Proof | Breach]:
    """A service assumes a role only on behalf of this account."""
    for trust in trust_policies(templates):
        for_services = [statement for statement in trust.allows if principals(statement, "Service")]
        if for_services:
            ours = all(condition(s, "aws:SourceAccount", "StringEquals") == [templates.account] for s in for_services)
            yield judge(
                trust.resource,
                ours,
                f"trusts a service on anybody's behalf; aws:SourceAccount must be {templates.account}.",
            )


def trusts_nobody_else(templates: Templates) -> Iterator[Proof | Breach]:
    """Roles and people who may assume a role are named: not everybody, no other account, not all of this account."""
    for trust in trust_policies(templates):
        wrong = [
            str(principal)
            for statement in trust.allows
            for principal in principals(statement, "AWS")
            if not is_ours(templates, principal) or (_is_account(principal) and not _names_who(templates, statement))
        ]
        yield judge(trust.resource, not wrong, f"may be assumed by more than named principals: {', '.join(wrong)}.")


def trusts_exact_identities(templates: Templates) -> Iterator[Proof | Breach]:
    """A role for an identity provider's workloads is for one audience and exactly named subjects."""
    for trust in trust_policies(templates):
        federated = [statement for statement in trust.allows if principals(statement, "Federated")]
        if federated:
            exact = all(_names_audience_and_subject(statement) for statement in federated)
            yield judge(trust.resource, exact, "trusts an identity provider without an exact `aud` and `sub`.")


def has_a_boundary(templates: Templates) -> Iterator[Proof | Breach]:
    """No role can be given more than its permissions boundary allows.

    Where no role has one, the environment wants none: that is one breach, at the role that makes the others.
    """
    roles = list(templates.resources(ROLE))
    if not any(role.properties.get("PermissionsBoundary") for role in roles):
        deploying = [role for role in roles if services(role) == {"cloudformation.amazonaws.com"}]
        yield from (Breach(role, "makes roles without a PermissionsBoundary.") for role in deploying or roles)
        return
    for role in templates.resources(ROLE, "AWS::IAM::User"):
        yield judge(role, bool(role.properties.get("PermissionsBoundary")), "has no PermissionsBoundary.")


def separates_duties(templates: Templates) -> Iterator[Proof | Breach | Missing]:
    """Building, training, serving and deploying are different roles, and none can change what another one changes."""
    roles = {duty: role for duty in _DUTIES if (role := duty_role(templates, duty)) is not None}
    yield from (Missing(f"a role that the parameter roles/{duty}-arn names") for duty in _DUTIES if duty not in roles)
    changes = {duty: _changes(templates, role) for duty, role in roles.items()}
    for i, (duty, role) in enumerate(roles.items()):
        # Each pair is told once, at the later of the two.
        shared = [
            f"{', '.join(sorted(both))} with {other}"
            for other in list(roles)[:i]
            if (both := _shared(changes[duty], changes[other]))
        ]
        same = [other for other, its in roles.items() if other != duty and its is role]
        problem = f"is also the role for {', '.join(same)}" if same else f"shares {'; '.join(shared)}"
        yield judge(role, not (same or shared), f"{problem}: one duty, one role.")


def serves_or_trains(templates: Templates) -> Iterator[Proof | Breach | Missing]:
    """Who serves writes nothing to S3 but answers of asynchronous endpoints; who trains changes no endpoint.

    The model of a batch transform serves nobody: its role writes what it was asked for, and nobody can call it.
    """
    transforming = {
        model.path
        for machine in state_machines(templates)
        for _, task, kind in machine.job_tasks
        if kind is TRANSFORM and (model := templates.find(task.get("Parameters", {}).get("ModelName")))
    }
    models = [each for each in templates.resources("AWS::SageMaker::Model") if each.path not in transforming]
    hosting = [duty_role(templates, "serving"), *(templates.find(m.properties.get("ExecutionRoleArn")) for m in models)]
    training = duty_role(templates, "training")
    if training is None or hosting[0] is None:
        yield Missing("roles that the parameters roles/training-arn and roles/serving-arn name")
    for role in {role.path: role for role in hosting if role}.values():
        # The usual role of endpoints writes none, whatever else uses it.
        places = [] if role is hosting[0] else _answers(templates, role)
        writes = [action for action in matching("s3:*", "changing") if _changes_s3(templates, role, action, places)]
        yield judge(role, not writes, f"serves and may change S3: {', '.join(writes)}.")
    if training:
        changes = [action for action in _ENDPOINT_CHANGES if _may(templates, training, action)]
        yield judge(training, not changes, f"trains and may change endpoints: {', '.join(changes)}.")


def _answers(templates: Templates, role: Resource) -> list[str]:
    """Beginnings of the ARNs of what asynchronous endpoints with this role answer, and of what is captured of others:
    the first folder of it."""
    found = []
    for config in templates.resources("AWS::SageMaker::EndpointConfig"):
        output = config.properties.get("AsyncInferenceConfig", {}).get("OutputConfig", {}).get("S3OutputPath")
        output = output or config.properties.get("DataCaptureConfig", {}).get("DestinationS3Uri")
        bucket = templates.find(output)
        models = [templates.find(each.get("ModelName")) for each in config.properties.get("ProductionVariants", [])]
        served_by = [templates.find(model.properties.get("ExecutionRoleArn")) for model in models if model]
        # A reference holds a slash of its own: `${stack/id.Ref}`.
        if bucket and role in served_by and (folder := str(output).partition("}/")[2].partition("/")[0]):
            found.append(f"{bucket.reference('Arn')}/{folder}/")
    return found


def _changes_s3(templates: Templates, role: Resource, action: str, places: list[str]) -> bool:
    """Whether the role may do this anywhere but below these places, where it may put objects."""
    return any(
        covers(statement, action)
        and not (
            action in _ANSWER
            and all(any(str(each).startswith(place) for place in places) for each in statement.get("Resource", ["*"]))
        )
        for statement in allowed(templates, role)
    )


def _is_account(principal: object) -> bool:
    return str(principal).isdigit() or str(principal).endswith(":root")


def _names_who(templates: Templates, statement: Statement) -> bool:
    """Whether a condition leaves only some roles or users of this account."""
    patterns = condition(statement, "aws:PrincipalArn", "ArnEquals", "ArnLike", "StringEquals", "StringLike")
    return bool(patterns) and all(
        templates.find(pattern) is not None
        or (f"::{templates.account}:" in pattern and pattern.rsplit(":", 1)[1].split("/", 1)[-1].strip("*/?") != "")
        for pattern in patterns
    )


def _names_audience_and_subject(statement: Statement) -> bool:
    exact = {
        name.rsplit(":", 1)[-1]: values
        for name, values in statement.get("Condition", {}).get("StringEquals", {}).items()
    }
    return {"aud", "sub"} <= set(exact) and not any("*" in str(values) for values in exact.values())


def _changes(templates: Templates, role: Resource) -> set[tuple[str, str]]:
    """Each action that changes something, with each resource, or pattern of some, that it may change."""
    return {
        (action, str(resource))
        for statement in allowed(templates, role)
        for pattern in statement.get("Action", ["*"])
        for action in matching(pattern, "changing")
        if action.split(":")[0] not in _SHARED_SERVICES
        for resource in statement.get("Resource", ["*"])
    }


def _shared(ones: set[tuple[str, str]], others: set[tuple[str, str]]) -> set[str]:
    """The actions by which both could change the same."""
    return {
        action for action, one in ones for other_action, other in others if action == other_action and _meet(one, other)
    }


def _meet(one: str, other: str) -> bool:
    """Whether two patterns may name the same resource. What a reference stands for is known to differ only from what
    another reference stands for."""
    references = set(_REFERENCE.findall(one)), set(_REFERENCE.findall(other))
    if all(references) and references[0].isdisjoint(references[1]):
        return False
    one, other = _REFERENCE.sub("*", one), _REFERENCE.sub("*", other)
    return fnmatchcase(one, other) or fnmatchcase(other, one)


def _may(templates: Templates, role: Resource, action: str) -> bool:
    return any(covers(statement, action) for statement in allowed(templates, role))


CONTROLS = (
    Control(
        30,
        "every service trust has `aws:SourceAccount` (and SourceArn if supported)",
        "confused deputy",
        trusts_services_for_this_account,
    ),
    Control(31, "no `*`/account-wide AssumeRole", "CKV_AWS_60/61", trusts_nobody_else),
    Control(
        32,
        "OIDC: `aud` and exact `sub` (environment), StringEquals, no `*`",
        "GitHub docs",
        trusts_exact_identities,
        comes_with="Delivery",
    ),
    Control(33, "every role has PermissionsBoundary (option)", "boundary", has_a_boundary),
    Control(34, "build ≠ train ≠ host ≠ deploy role", "separation", separates_duties),
    Control(
        35, "hosting role cannot write S3 / train role cannot Create/UpdateEndpoint", "least priv.", serves_or_trains
    ),
)
