"""Controls 1 to 7: keys rotate, outlive mistakes, and open only what they were made for."""

from collections.abc import Iterator

from hf_sagemaker.controls.control import Breach, Control, Proof, judge
from hf_sagemaker.controls.policies import (
    Policy,
    Statement,
    allowed,
    condition,
    covers,
    identity_policies,
    principals,
    resource_policies,
    services,
)
from hf_sagemaker.controls.templates import Resource, Templates

KEY = "AWS::KMS::Key"
ADMINISTRATION = (
    "kms:DeleteImportedKeyMaterial",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:PutKeyPolicy",
    "kms:ReplicateKey",
    "kms:ScheduleKeyDeletion",
)
"""What would let somebody take a key away from those who need it, or give it to others."""
_DECRYPTING = ("kms:Decrypt", "kms:ReEncryptFrom")
_OUR_CALLERS = ("kms:CallerAccount", "aws:PrincipalAccount", "aws:SourceAccount")
_EQUALS = ("StringEquals", "StringEqualsIgnoreCase")
_PENDING_DAYS = 30


def rotates(templates: Templates) -> Iterator[Proof | Breach]:
    """Every key gets new material each year."""
    for key in templates.resources(KEY):
        on = key.properties.get("EnableKeyRotation") is True
        yield judge(key, on, "does not rotate; EnableKeyRotation must be true.")
    yield from _keys_of_others(templates)


def is_not_public(templates: Templates) -> Iterator[Proof | Breach]:
    """No key policy allows something to everybody; to all principals of this account through a condition, it may."""
    for policy in _key_policies(templates):
        public = any(
            "*" in principals(statement, "AWS")
            and not any(condition(statement, key, *_EQUALS) == [templates.account] for key in _OUR_CALLERS)
            for statement in policy.allows
        )
        yield judge(policy.resource, not public, "allows everybody, without a condition on this account.")
    yield from _keys_of_others(templates)


def outlives_accidents(templates: Templates) -> Iterator[Proof | Breach]:
    """Deleting a key takes 30 days, and deleting its stack leaves it there.

    Where the stacks may be deleted (a disposable environment), the 30 days in which the deletion can be cancelled are
    the protection.
    """
    for key in templates.resources(KEY):
        kept = all(key.body.get(policy) == "Retain" for policy in ("DeletionPolicy", "UpdateReplacePolicy"))
        waits = key.properties.get("PendingWindowInDays") == _PENDING_DAYS
        yield judge(
            key,
            waits and (kept or key.stack not in templates.protected),
            f"can be lost by accident; PendingWindowInDays must be {_PENDING_DAYS}, and DeletionPolicy and "
            "UpdateReplacePolicy must be Retain in a protected stack.",
        )
    yield from _keys_of_others(templates)


def decrypts_by_name(templates: Templates) -> Iterator[Proof | Breach]:
    """Who may decrypt may do so with keys that the policy names, never with all."""
    for policy in identity_policies(templates):
        decrypting = [s for s in policy.allows if any(covers(s, action) for action in _DECRYPTING)]
        if decrypting:
            yield judge(
                policy.resource,
                all(_names_keys(templates, statement) for statement in decrypting),
                "allows kms:Decrypt on more than named keys; its resources must be key ARNs without a wildcard.",
            )


def grants_only_to_services(templates: Templates) -> Iterator[Proof | Breach]:
    """Who may create grants may do so only for an AWS service that acts on its behalf."""
    for policy in (*identity_policies(templates), *_key_policies(templates)):
        granting = [statement for statement in policy.allows if covers(statement, "kms:CreateGrant")]
        if granting:
            yield judge(
                policy.resource,
                all(
                    condition(statement, "kms:GrantIsForAWSResource", "Bool") in (["true"], [True])
                    or _via_services(statement)
                    for statement in granting
                ),
                "allows kms:CreateGrant to people; it needs kms:GrantIsForAWSResource or kms:ViaService.",
            )


def workloads_do_not_administer(templates: Templates) -> Iterator[Proof | Breach]:
    """No role but CloudFormation's can delete, disable or open a key, by its own policies or by a key's."""
    for role in templates.resources("AWS::IAM::Role"):
        if services(role) == {"cloudformation.amazonaws.com"}:
            continue
        granted = [
            *allowed(templates, role),
            *(s for policy in _key_policies(templates) for s in policy.allows if _is_for(role, s)),
        ]
        found = [action for action in ADMINISTRATION if any(covers(statement, action) for statement in granted)]
        yield judge(role, not found, f"can administer keys: {', '.join(found)}.")


def logs_use_it_for_logs(templates: Templates) -> Iterator[Proof | Breach]:
    """CloudWatch Logs may use a key for log groups of this account only."""
    ours = f":logs:{templates.region}:{templates.account}:log-group:"
    for policy in _key_policies(templates):
        for_logs = [s for s in policy.allows if any(p.startswith("logs.") for p in principals(s, "Service"))]
        if for_logs:
            contexts = [
                condition(s, "kms:EncryptionContext:aws:logs:arn", "ArnEquals", "ArnLike", "StringEquals", "StringLike")
                for s in for_logs
            ]
            yield judge(
                policy.resource,
                all(values and all(ours in value for value in values) for values in contexts),
                "lets CloudWatch Logs use it for more than this account's log groups; the statement needs a condition "
                "on kms:EncryptionContext:aws:logs:arn.",
            )
    yield from _keys_of_others(templates)


def _key_policies(templates: Templates) -> list[Policy]:
    return [policy for policy in resource_policies(templates) if policy.resource.type == KEY]


def _keys_of_others(templates: Templates) -> Iterator[Proof]:
    """Where every key is the team's own, nothing is here to judge but that it is named."""
    if next(templates.resources(KEY), None) is None:
        for group in templates.resources("AWS::Logs::LogGroup"):
            key = str(group.properties.get("KmsKeyId"))
            if ":kms:" in key and "*" not in key:
                yield Proof(group, f"Its key is {key}, which its owner answers for.")


def _names_keys(templates: Templates, statement: Statement) -> bool:
    return all(_is_key(templates, resource) for resource in statement.get("Resource", ["*"]))


def _is_key(templates: Templates, resource: object) -> bool:
    found = templates.find(resource)
    if found is not None:
        return found.type == KEY and resource == found.reference("Arn")
    parts = str(resource).split(":")
    return parts[2:3] == ["kms"] and "*" not in str(resource) and parts[-1].startswith("key/")


def _via_services(statement: Statement) -> bool:
    services = condition(statement, "kms:ViaService", "StringEquals", "StringLike")
    return bool(services) and "*" not in services


def _is_for(role: Resource, statement: Statement) -> bool:
    return role.is_named_by([statement.get("Principal"), statement.get("Condition")])


CONTROLS = (
    Control(1, "rotation on", "SH KMS.4, PCI", rotates),
    Control(2, "no public key policy", "SH KMS.5", is_not_public),
    Control(3, "not deletable by accident", "SH KMS.3", outlives_accidents),
    Control(4, "no `kms:Decrypt` on `*`", "SH KMS.1/.2", decrypts_by_name),
    Control(5, "grants only for AWS services", "CT.KMS.PR", grants_only_to_services),
    Control(6, "workload roles cannot administer keys", "WA SEC08", workloads_do_not_administer),
    Control(7, "logs principal scoped", "secure-mlops", logs_use_it_for_logs),
)
