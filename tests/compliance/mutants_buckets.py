"""Mutants of controls 8 to 22."""

from typing import Any

from tests.compliance.mutant import Mutant, Stacks, bodies, first

BUCKET = "AWS::S3::Bucket"
POLICY = "AWS::S3::BucketPolicy"


def _public_policy(stacks: Stacks) -> None:
    _bucket(stacks)["PublicAccessBlockConfiguration"]["BlockPublicPolicy"] = False


def _plain_http(stacks: Stacks) -> None:
    _drop_statement(stacks, "aws:SecureTransport")


def _key_of_s3(stacks: Stacks) -> None:
    rule = _bucket(stacks)["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    rule["ServerSideEncryptionByDefault"] = {"SSEAlgorithm": "AES256"}


def _no_versions(stacks: Stacks) -> None:
    _bucket(stacks)["VersioningConfiguration"]["Status"] = "Suspended"


def _no_clean_up(stacks: Stacks) -> None:
    for rule in _bucket(stacks)["LifecycleConfiguration"]["Rules"]:
        rule.pop("NoncurrentVersionExpiration", None)


def _no_access_logs(stacks: Stacks) -> None:
    _bucket(stacks).pop("LoggingConfiguration")


def _acls(stacks: Stacks) -> None:
    _bucket(stacks)["OwnershipControls"] = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}


def _foreign_administrator(stacks: Stacks) -> None:
    _statements(stacks).append(
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::999999999999:root"},
            "Action": "s3:PutBucketPolicy",
            "Resource": "*",
        }
    )


def _ransom(stacks: Stacks) -> None:
    for rule in _bucket(stacks)["BucketEncryption"]["ServerSideEncryptionConfiguration"]:
        rule.pop("BlockedEncryptionTypes")


def _from_anywhere(stacks: Stacks) -> None:
    _drop_statement(stacks, "aws:SourceVpce")


def _any_key(stacks: Stacks) -> None:
    _drop_statement(stacks, "aws-kms-key-id")


def _no_object_lock(stacks: Stacks) -> None:
    _models(stacks)["Properties"].pop("ObjectLockConfiguration")


def _no_replication(stacks: Stacks) -> None:
    # A bucket that nobody has acknowledged.
    properties = dict(_bucket(stacks))
    properties.pop("ReplicationConfiguration", None)
    data = next(template for name, template in stacks.items() if name.endswith("-Data"))
    data["Resources"]["Uncopied"] = {"Type": BUCKET, "Properties": properties}


def _goes_with_its_stack(stacks: Stacks) -> None:
    _models(stacks)["DeletionPolicy"] = "Delete"


def _logs_for_others(stacks: Stacks) -> None:
    for body in bodies(stacks, POLICY):
        for statement in body["Properties"]["PolicyDocument"]["Statement"]:
            if "Service" in statement["Principal"]:
                statement.pop("Condition")
                return
    raise LookupError("No bucket policy lets a service in.")


def _bucket(stacks: Stacks) -> dict[str, Any]:
    properties: dict[str, Any] = first(stacks, BUCKET, "/Data/Data/")["Properties"]
    return properties


def _models(stacks: Stacks) -> dict[str, Any]:
    return first(stacks, BUCKET, "/Data/Models/")


def _statements(stacks: Stacks) -> list[Any]:
    statements: list[Any] = first(stacks, POLICY, "/Data/Data/")["Properties"]["PolicyDocument"]["Statement"]
    return statements


def _drop_statement(stacks: Stacks, condition: str) -> None:
    statements = _statements(stacks)
    kept = [s for s in statements if s["Effect"] != "Deny" or condition not in str(s.get("Condition"))]
    if len(kept) == len(statements):
        raise LookupError(f"No statement denies by {condition}.")
    statements[:] = kept


MUTANTS: dict[int, Mutant] = {
    8: _public_policy,
    9: _plain_http,
    10: _key_of_s3,
    11: _no_versions,
    12: _no_clean_up,
    13: _no_access_logs,
    14: _acls,
    15: _foreign_administrator,
    16: _ransom,
    17: _from_anywhere,
    18: _any_key,
    19: _no_object_lock,
    20: _no_replication,
    21: _goes_with_its_stack,
    22: _logs_for_others,
}
