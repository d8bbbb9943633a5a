"""Lifecycle rules of a bucket, which CloudFormation writes in other words than S3's API."""

from typing import Any

from localcloud.cloudformation.resource import Properties


def lifecycle_rules(configuration: Properties) -> list[dict[str, Any]]:
    """The rules of an `AWS::S3::Bucket` LifecycleConfiguration, as PutBucketLifecycleConfiguration takes them."""
    return [_rule(rule) for rule in configuration["Rules"]]


def _rule(rule: Properties) -> dict[str, Any]:
    written: dict[str, Any] = {"Status": rule["Status"], "Filter": _filter(rule)}
    if "Id" in rule:
        written["ID"] = rule["Id"]
    expiration = {
        api: rule[name]
        for name, api in (
            ("ExpirationInDays", "Days"),
            ("ExpirationDate", "Date"),
            ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"),
        )
        if name in rule
    }
    if expiration:
        written["Expiration"] = expiration
    if "AbortIncompleteMultipartUpload" in rule:
        written["AbortIncompleteMultipartUpload"] = rule["AbortIncompleteMultipartUpload"]
    if "NoncurrentVersionExpiration" in rule:
        written["NoncurrentVersionExpiration"] = rule["NoncurrentVersionExpiration"]
    elif "NoncurrentVersionExpirationInDays" in rule:
        written["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
    transitions = rule.get("Transitions", []) + ([rule["Transition"]] if "Transition" in rule else [])
    if transitions:
        written["Transitions"] = [_transition(each, "Days") for each in transitions]
    noncurrent = rule.get("NoncurrentVersionTransitions", [])
    if "NoncurrentVersionTransition" in rule:
        noncurrent = [*noncurrent, rule["NoncurrentVersionTransition"]]
    if noncurrent:
        written["NoncurrentVersionTransitions"] = [_transition(each, "NoncurrentDays") for each in noncurrent]
    return written


def _transition(transition: Properties, days: str) -> dict[str, Any]:
    names = {"TransitionInDays": days, "TransitionDate": "Date"}
    return {names.get(name, name): value for name, value in transition.items()}


def _filter(rule: Properties) -> dict[str, Any]:
    conditions: dict[str, Any] = {
        name: rule[name] for name in ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan") if name in rule
    }
    tags = rule.get("TagFilters", [])
    if not tags and len(conditions) <= 1:
        return conditions or {"Prefix": ""}
    if len(tags) == 1 and not conditions:
        return {"Tag": tags[0]}
    return {"And": conditions | ({"Tags": tags} if tags else {})}
