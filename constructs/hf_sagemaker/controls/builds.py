"""Controls 76 to 83: builds that keep secrets and logs and that we start; stacks that nobody deletes by mistake."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hf_sagemaker.controls.control import Breach, Control, Proof, judge
from hf_sagemaker.controls.customer_keys import is_customer_key, is_kept, log_group
from hf_sagemaker.controls.images import WITH_AN_IMAGE
from hf_sagemaker.controls.policies import allowed
from hf_sagemaker.controls.secret_settings import is_secret_setting
from hf_sagemaker.controls.templates import Resource, Templates

PROJECT = "AWS::CodeBuild::Project"
PIPELINE = "AWS::CodePipeline::Pipeline"
_STATEFUL = (
    "AWS::ECR::Repository",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
)
_ACTORS = ("ACTOR_ACCOUNT_ID",)
_ADMINISTRATOR = "AdministratorAccess"


def builds_without_secrets(templates: Templates) -> Iterator[Proof | Breach]:
    """No variable of a build holds a secret in plain text."""
    for project in templates.resources(PROJECT):
        secret = sorted(
            variable["Name"]
            for variable in project.properties.get("Environment", {}).get("EnvironmentVariables", [])
            if variable.get("Type", "PLAINTEXT") == "PLAINTEXT"
            and is_secret_setting(variable["Name"], variable["Value"])
        )
        yield judge(project, not secret, f"{', '.join(secret)} must be of type SECRETS_MANAGER, not plain text.")


def keeps_build_logs(templates: Templates) -> Iterator[Proof | Breach]:
    """What a build prints goes to a log group of ours, which is encrypted and kept for a known time."""
    for project in templates.resources(PROJECT):
        logs = project.properties.get("LogsConfig", {}).get("CloudWatchLogs", {})
        group = log_group(templates, logs.get("GroupName"))
        kept = logs.get("Status") == "ENABLED" and group is not None and is_kept(templates, group)
        yield judge(
            project, kept, "LogsConfig.CloudWatchLogs must name a log group that has a key and a retention time."
        )


def encrypts_artifacts(templates: Templates) -> Iterator[Proof | Breach]:
    """What a build leaves behind is encrypted with our key."""
    for project in templates.resources(PROJECT):
        ours = is_customer_key(templates, project.properties.get("EncryptionKey"))
        yield judge(project, ours, "EncryptionKey must be a customer managed key.")
        plain = [a for a in _artifacts(project) if a.get("EncryptionDisabled") is True]
        yield judge(project, not plain, "EncryptionDisabled must not be set on its artifacts.")


def _artifacts(project: Resource) -> list[Mapping[str, Any]]:
    properties = project.properties
    return [properties.get("Artifacts", {}), *(properties.get("SecondaryArtifacts") or [])]


def has_no_privileges(templates: Templates) -> Iterator[Proof | Breach]:
    """A build owns its host only where it must, to run `docker build`: each such project has to be acknowledged."""
    for project in templates.resources(PROJECT):
        privileged = project.properties.get("Environment", {}).get("PrivilegedMode") is True
        yield judge(project, not privileged, "owns its host; PrivilegedMode must be false unless it builds images.")


def is_started_by_us(templates: Templates) -> Iterator[Proof | Breach]:
    """A webhook starts builds for actors that are named, by patterns that match a whole text."""
    for project in templates.resources(PROJECT):
        triggers = project.properties.get("Triggers", {})
        if not triggers.get("Webhook"):
            yield Proof(project, "No webhook: nothing outside the account starts it.")
            continue
        faults = sorted({fault for group in triggers.get("FilterGroups") or [[]] for fault in _filter_faults(group)})
        yield judge(project, not faults, f"{'; '.join(faults)}.")


def _filter_faults(group: list[Mapping[str, Any]]) -> Iterator[str]:
    if not any(part.get("Type") in _ACTORS and not part.get("ExcludeMatchedPattern") for part in group):
        yield f"each filter group needs a filter of type {', '.join(_ACTORS)}"
    for part in group:
        pattern = str(part.get("Pattern", ""))
        # The events are a list of names, not a pattern.
        if part.get("Type") != "EVENT" and not _is_anchored(pattern):
            yield f"the pattern {pattern!r} must match the whole, each alternative from ^ to $"


def _is_anchored(pattern: str) -> bool:
    """`^a|b$` matches `xb`: either the alternatives are in brackets, or each has its own anchors."""
    if pattern.startswith("^(") and pattern.endswith(")$") and pattern.count("(") == 1:
        return True
    return all(part.startswith("^") and part.endswith("$") for part in pattern.split("|"))


def follows_our_build_specification(templates: Templates) -> Iterator[Proof | Breach]:
    """What a build does is written in the template, where whoever changes the source cannot change it."""
    for project in templates.resources(PROJECT):
        yield judge(
            project,
            _is_inline(project.properties.get("Source", {}).get("BuildSpec")),
            "takes its commands from the source; Source.BuildSpec must be inline JSON.",
        )


def _is_inline(specification: object) -> bool:
    if not isinstance(specification, str) or not specification.lstrip().startswith("{"):
        return False
    return bool(json.loads(specification).get("phases"))


def is_protected(templates: Templates) -> Iterator[Proof | Breach]:
    """A stack that holds what outlives it, or stands beside one that is protected, cannot be deleted by one command."""
    firsts = {resource.stack: resource for resource in reversed(templates.all)}
    for stack, first in firsts.items():
        kept = [
            r for r in templates.resources(*_STATEFUL) if r.stack == stack and r.body.get("DeletionPolicy") == "Retain"
        ]
        if stack in templates.protected:
            yield Proof(first, f"Stack {stack} is protected from deletion.")
        elif kept or templates.protected:
            yield Breach(first, f"stack {stack} needs termination protection, as the others of this environment have.")
        else:
            yield Proof(first, f"Stack {stack} may be destroyed, and keeps nothing.")


def asks_before_prod(templates: Templates) -> Iterator[Proof | Breach]:
    """A pipeline waits for a person before it deploys to another account, and is no administrator."""
    for pipeline in templates.resources(PIPELINE):
        approved = False
        faults: list[str] = []
        for stage in pipeline.properties.get("Stages", []):
            for action in sorted(stage.get("Actions", []), key=lambda action: action.get("RunOrder", 1)):
                kind = action.get("ActionTypeId", {})
                approved = approved or (kind.get("Category") == "Approval" and kind.get("Provider") == "Manual")
                if kind.get("Category") == "Deploy" and "prod" in json.dumps(action).lower() and not approved:
                    faults.append(f"{stage.get('Name')}/{action.get('Name')} deploys to prod without a manual approval")
        faults += _administrators(templates, pipeline)
        yield judge(pipeline, not faults, f"{'; '.join(faults)}.")


def _administrators(templates: Templates, pipeline: Resource) -> Iterator[str]:
    for role in templates.resources("AWS::IAM::Role"):
        if role.is_named_by(pipeline.properties):
            attached = json.dumps(role.properties.get("ManagedPolicyArns", []))
            everything = any("*" in statement.get("Action", []) for statement in allowed(templates, role))
            if _ADMINISTRATOR in attached or everything:
                yield f"{role.path} is an administrator; it must be allowed what deployments need"


CONTROLS = (
    Control(76, "no clear-text creds in env", "SH CodeBuild.2", builds_without_secrets, WITH_AN_IMAGE),
    Control(77, "CloudWatch logs + retention + CMK", "SH CodeBuild.4 / CT", keeps_build_logs, WITH_AN_IMAGE),
    Control(78, "artifacts CMK", "AS-CB4", encrypts_artifacts, WITH_AN_IMAGE),
    Control(
        79, "privileged only where docker build is needed", "SH CodeBuild.5 / CT", has_no_privileges, WITH_AN_IMAGE
    ),
    Control(
        80,
        "webhook filters anchored `^…$`, ACTOR filter present",
        "prowler (Wiz CodeBreach)",
        is_started_by_us,
        WITH_AN_IMAGE,
    ),
    Control(81, "buildspec inline, not from repo", "prowler", follows_our_build_specification, WITH_AN_IMAGE),
    Control(82, "termination protection (prod)", "SH CloudFormation.3", is_protected),
    Control(
        83,
        "pipeline: manual approval before prod; deploy role ≠ admin; no `pull_request_target`",
        "CDK",
        asks_before_prod,
        "Delivery",
    ),
)
