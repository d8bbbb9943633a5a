"""Controls 8 to 14, 16 and 19 to 21: how every bucket is set up. What its policy says is in bucket_policies."""

from collections.abc import Iterator
from typing import Any

from hf_sagemaker.controls.control import Breach, Control, Missing, Proof, judge
from hf_sagemaker.controls.templates import Resource, Templates

BUCKET = "AWS::S3::Bucket"
_PUBLIC_ACCESS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def encryption_key(bucket: Resource) -> object:
    """The key with which the bucket encrypts what comes without one; None when it uses none of ours."""
    for rule in _rules(bucket):
        default = rule.get("ServerSideEncryptionByDefault", {})
        if default.get("SSEAlgorithm") in ("aws:kms", "aws:kms:dsse"):
            key: object = default.get("KMSMasterKeyID")
            return key
    return None


def receives_access_logs(templates: Templates, bucket: Resource) -> bool:
    """Whether other buckets log their accesses to this one."""
    return any(
        bucket.is_named_by(other.properties.get("LoggingConfiguration"))
        for other in templates.resources(BUCKET)
        if other is not bucket
    )


def models_bucket(templates: Templates) -> Resource | None:
    """The bucket for models, as the contract in SSM names it."""
    name = f"/hf-sagemaker/{templates.name}/data/models-bucket"
    values = [p.properties.get("Value") for p in templates.resources("AWS::SSM::Parameter") if _name(p) == name]
    return templates.find(values)


def blocks_public_access(templates: Templates) -> Iterator[Proof | Breach]:
    """No bucket can be opened to the public, by a policy or by ACLs."""
    for bucket in templates.resources(BUCKET):
        flags = bucket.properties.get("PublicAccessBlockConfiguration", {})
        off = [flag for flag in _PUBLIC_ACCESS if flags.get(flag) is not True]
        yield judge(bucket, not off, f"may become public; these must be true: {', '.join(off)}.")


def encrypts_with_our_key(templates: Templates) -> Iterator[Proof | Breach]:
    """Every object is encrypted with a customer managed key, and few KMS calls are needed for it."""
    for bucket in templates.resources(BUCKET):
        key = encryption_key(bucket)
        found = templates.find(key)
        managed = found.type == "AWS::KMS::Key" if found else ":kms:" in str(key) and ":key/" in str(key)
        yield judge(bucket, managed, "is not encrypted with a customer managed key (SSE-KMS).")
        cheap = any(rule.get("BucketKeyEnabled") is True for rule in _rules(bucket))
        yield judge(bucket, cheap, "asks KMS for each object; BucketKeyEnabled must be true.")


def keeps_versions(templates: Templates) -> Iterator[Proof | Breach]:
    """What is overwritten or deleted can be brought back."""
    for bucket in templates.resources(BUCKET):
        on = bucket.properties.get("VersioningConfiguration", {}).get("Status") == "Enabled"
        yield judge(bucket, on, "keeps no versions; VersioningConfiguration must be Enabled.")


def cleans_up(templates: Templates) -> Iterator[Proof | Breach]:
    """Replaced versions and incomplete uploads of the whole bucket go away some day."""
    for bucket in templates.resources(BUCKET):
        rules = [
            rule
            for rule in bucket.properties.get("LifecycleConfiguration", {}).get("Rules", [])
            if rule.get("Status") == "Enabled" and not any(rule.get(part) for part in ("Prefix", "TagFilters"))
        ]
        for wanted in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
            yield judge(bucket, any(wanted in rule for rule in rules), f"has no lifecycle rule for all with {wanted}.")


def logs_accesses(templates: Templates) -> Iterator[Proof | Breach]:
    """Each access leaves a line in another bucket of ours; the one that receives them does not log itself."""
    for bucket in templates.resources(BUCKET):
        target = templates.find(bucket.properties.get("LoggingConfiguration", {}).get("DestinationBucketName"))
        if receives_access_logs(templates, bucket) and target is None:
            continue
        ours = target is not None and target.type == BUCKET and target is not bucket
        yield judge(bucket, ours, "does not log its accesses to another bucket of this environment.")


def has_no_acls(templates: Templates) -> Iterator[Proof | Breach]:
    """Only policies decide who has access, and every object belongs to this account."""
    for bucket in templates.resources(BUCKET):
        rules = bucket.properties.get("OwnershipControls", {}).get("Rules", [])
        owner = [rule.get("ObjectOwnership") for rule in rules] == ["BucketOwnerEnforced"]
        plain = "AccessControl" not in bucket.properties
        yield judge(bucket, owner and plain, "may have ACLs; it must be BucketOwnerEnforced, without AccessControl.")


def refuses_customer_keys(templates: Templates) -> Iterator[Proof | Breach]:
    """No object can be encrypted with a key that only the caller has, which would hold it to ransom."""
    for bucket in templates.resources(BUCKET):
        blocked = [kind for rule in _rules(bucket) for kind in rule.get("BlockedEncryptionTypes", {}).values()]
        yield judge(bucket, ["SSE-C"] in blocked, "accepts SSE-C; BlockedEncryptionTypes must name it.")


def locks_models(templates: Templates) -> Iterator[Proof | Breach | Missing]:
    """In prod, nobody deletes a model's version before its time."""
    bucket = models_bucket(templates)
    if bucket is None:
        yield Missing("a bucket that the parameter data/models-bucket names")
    elif bucket.stack not in templates.protected:
        yield Proof(bucket, "Asked for in prod only.")
    else:
        retention = (
            bucket.properties.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
            if bucket.properties.get("ObjectLockEnabled") is True
            else {}
        )
        locked = retention.get("Mode") == "GOVERNANCE" and (retention.get("Days", 0) or retention.get("Years", 0)) > 0
        yield judge(bucket, locked, "has no Object Lock with a default retention in governance mode.")


def replicates(templates: Templates) -> Iterator[Proof | Breach]:
    """A copy of each object is somewhere else."""
    for bucket in templates.resources(BUCKET):
        rules = bucket.properties.get("ReplicationConfiguration", {}).get("Rules", [])
        yield judge(bucket, any(rule.get("Status") == "Enabled" for rule in rules), "has no copy in another bucket.")


def outlives_its_stack(templates: Templates) -> Iterator[Proof | Breach]:
    """In prod, deleting or replacing a bucket in a template leaves it and its objects."""
    for bucket in templates.resources(BUCKET):
        if bucket.stack not in templates.protected:
            yield Proof(bucket, "Asked for in prod only.")
        else:
            kept = all(bucket.body.get(policy) == "Retain" for policy in ("DeletionPolicy", "UpdateReplacePolicy"))
            yield judge(bucket, kept, "goes with its stack; DeletionPolicy and UpdateReplacePolicy must be Retain.")


def _rules(bucket: Resource) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = bucket.properties.get("BucketEncryption", {}).get(
        "ServerSideEncryptionConfiguration", []
    )
    return rules


def _name(resource: Resource) -> object:
    return resource.properties.get("Name")


CONTROLS = (
    Control(8, "block public access ×4", "SH S3.1/.8", blocks_public_access),
    Control(10, "SSE-KMS with our key", "SH S3.17", encrypts_with_our_key),
    Control(11, "versioning", "SH S3.14", keeps_versions),
    Control(12, "lifecycle incl. noncurrent + abort multipart", "SH S3.10/.13", cleans_up),
    Control(13, "access logs", "SH S3.9", logs_accesses),
    Control(14, "no ACLs", "SH S3.12", has_no_acls),
    Control(16, "SSE-C blocked", "AWS CIRT (Codefinger)", refuses_customer_keys),
    Control(19, "Object Lock for prod model bucket", "SH S3.15 (opt)", locks_models),
    Control(20, "replication (or exception)", "SH S3.7", replicates),
    Control(21, "stateful retain", "CFN", outlives_its_stack),
)
