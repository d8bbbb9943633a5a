"""Controls 9, 15, 17, 18 and 22: what bucket policies refuse to everybody, and whom they let in."""

from collections.abc import Iterator

from hf_sagemaker.controls.buckets import BUCKET, encryption_key, receives_access_logs
from hf_sagemaker.controls.control import Breach, Control, Proof, judge
from hf_sagemaker.controls.policies import (
    Statement,
    allowed,
    condition,
    condition_keys,
    covers,
    is_ours,
    principals,
    resource_policies,
    services,
)
from hf_sagemaker.controls.templates import Resource, Templates

_CHANGING = (
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutBucketPolicy",
    "s3:PutEncryptionConfiguration",
    "s3:PutObjectAcl",
)
_UPLOAD_KEY = "s3:x-amz-server-side-encryption-aws-kms-key-id"


def refuses_plain_http(templates: Templates) -> Iterator[Proof | Breach]:
    """Everybody needs TLS, for the bucket and for its objects."""
    for bucket in templates.resources(BUCKET):
        refused = any(
            _is_for_everybody(statement)
            and statement.get("Action") == ["s3:*"]
            and condition_keys(statement) == {"aws:securetransport"}
            and condition(statement, "aws:SecureTransport", "Bool") in (["false"], [False])
            and _all_of(bucket) <= set(statement.get("Resource", []))
            for statement in _denies(templates, bucket)
        )
        yield judge(bucket, refused, "may be used without TLS; its policy must deny s3:* then, on it and its objects.")


def stays_in_this_account(templates: Templates) -> Iterator[Proof | Breach]:
    """No other account may change who can use a bucket, or how it encrypts."""
    for bucket in templates.resources(BUCKET):
        foreign = [
            principal
            for statement in _statements(templates, bucket, "Allow")
            if any(covers(statement, action) for action in _CHANGING)
            for principal in [*principals(statement, "AWS"), *principals(statement, "Federated")]
            if not is_ours(templates, principal)
        ]
        yield judge(
            bucket, not foreign, f"lets others change its policy or encryption: {', '.join(map(str, foreign))}."
        )


def refuses_jobs_outside_the_network(templates: Templates) -> Iterator[Proof | Breach]:
    """Whatever runs in a job reaches a bucket's objects through the S3 endpoint of its network only.

    The statement names the roles of jobs, so that CloudFormation, deployers and log delivery are not locked out.
    """
    job_roles = [r for r in templates.resources("AWS::IAM::Role") if "sagemaker.amazonaws.com" in services(r)]
    for bucket in templates.resources(BUCKET):
        if receives_access_logs(templates, bucket):
            continue
        refusing = [s for s in _denies(templates, bucket) if _refuses_elsewhere(templates, bucket, s)]
        named = [condition(statement, "aws:PrincipalArn", "ArnEquals", "ArnLike") for statement in refusing]
        open_to = [
            role.path
            for role in job_roles
            if _reaches(templates, role, bucket) and not any(role.is_named_by(arns) for arns in named)
        ]
        yield judge(
            bucket,
            bool(refusing) and all(named) and not open_to,
            "can be read or written from outside the network by job roles; its policy must deny them by "
            f"aws:PrincipalArn and aws:SourceVpce{': ' + ', '.join(open_to) if open_to else ''}.",
        )


def refuses_other_keys(templates: Templates) -> Iterator[Proof | Breach]:
    """Nobody uploads an object that is encrypted with a key of somebody else's."""
    for bucket in templates.resources(BUCKET):
        if receives_access_logs(templates, bucket):
            continue
        key = encryption_key(bucket)
        refused = any(
            _is_for_everybody(statement)
            and covers(statement, "s3:PutObject")
            and f"{bucket.reference('Arn')}/*" in statement.get("Resource", [])
            and key is not None
            and condition_keys(statement) == {_UPLOAD_KEY}
            and _unless_key(statement) == [key]
            for statement in _denies(templates, bucket)
        )
        yield judge(bucket, refused, f"accepts uploads with any key; its policy must deny another {_UPLOAD_KEY}.")


def knows_for_whom_services_write(templates: Templates) -> Iterator[Proof | Breach]:
    """A service writes into a bucket only for this account, and logs only for a bucket of ours."""
    for bucket in templates.resources(BUCKET):
        for_services = [s for s in _statements(templates, bucket, "Allow") if principals(s, "Service")]
        if for_services:
            ours = all(
                condition(s, "aws:SourceAccount", "StringEquals") == [templates.account]
                and any(condition(s, "aws:SourceArn", "ArnLike", "ArnEquals", "StringEquals", "StringLike"))
                for s in for_services
            )
            yield judge(bucket, ours, "lets a service in without aws:SourceAccount and aws:SourceArn of this account.")


def _statements(templates: Templates, bucket: Resource, effect: str) -> list[Statement]:
    return [
        statement
        for policy in resource_policies(templates)
        if policy.resource.type == "AWS::S3::BucketPolicy" and bucket.is_named_by(policy.resource.properties["Bucket"])
        for statement in policy.statements
        if statement.get("Effect") == effect
    ]


def _denies(templates: Templates, bucket: Resource) -> list[Statement]:
    return _statements(templates, bucket, "Deny")


def _is_for_everybody(statement: Statement) -> bool:
    return principals(statement, "AWS") == ["*"]


def _all_of(bucket: Resource) -> set[str]:
    return {bucket.reference("Arn"), f"{bucket.reference('Arn')}/*"}


def _refuses_elsewhere(templates: Templates, bucket: Resource, statement: Statement) -> bool:
    endpoints = condition(statement, "aws:SourceVpce", "StringNotEquals")
    return (
        _is_for_everybody(statement)
        and all(covers(statement, action) for action in ("s3:GetObject", "s3:PutObject"))
        and f"{bucket.reference('Arn')}/*" in statement.get("Resource", [])
        and condition_keys(statement) <= {"aws:principalarn", "aws:sourcevpce", "aws:viaawsservice"}
        and bool(endpoints)
        and all(_is_vpc_endpoint(templates, endpoint) for endpoint in endpoints)
    )


def _is_vpc_endpoint(templates: Templates, value: object) -> bool:
    found = templates.find(value)
    return found.type == "AWS::EC2::VPCEndpoint" if found else str(value).startswith("vpce-")


def _reaches(templates: Templates, role: Resource, bucket: Resource) -> bool:
    return any(
        covers(statement, action) and bucket.is_named_by(statement.get("Resource"))
        for statement in allowed(templates, role)
        for action in ("s3:GetObject", "s3:PutObject")
    )


def _unless_key(statement: Statement) -> list[object]:
    """The keys with which an upload is not denied. A request that names none is S3's to encrypt, with our key."""
    named_only = condition(statement, _UPLOAD_KEY, "Null") in (["false"], [False])
    operators = ["StringNotEqualsIfExists", "ArnNotEqualsIfExists"]
    return condition(statement, _UPLOAD_KEY, *operators, *(["StringNotEquals", "ArnNotEquals"] if named_only else []))


CONTROLS = (
    Control(9, "TLS only", "SH S3.5", refuses_plain_http),
    Control(15, "no foreign account may change bucket", "SH S3.6", stays_in_this_account),
    Control(17, "only via VPCE", "secure-mlops", refuses_jobs_outside_the_network),
    Control(18, "no upload with foreign key", "data perimeter", refuses_other_keys),
    Control(22, "confused deputy on log delivery", "AWS", knows_for_whom_services_write),
)
