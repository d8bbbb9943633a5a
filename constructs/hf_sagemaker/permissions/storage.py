"""Buckets, keys, parameters and secrets."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from hf_sagemaker.arns import bucket_arn, key_arn, objects_arn
from hf_sagemaker.permissions.permission import Permission, allow, statement
from hf_sagemaker.place import place_of

_REPLICATE_FROM = (
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionForReplication",
    "s3:GetObjectVersionTagging",
)
_REPLICATE_TO = ("s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags")


def read_objects(bucket: s3.IBucket) -> Permission:
    """List the bucket and read its objects."""
    return _objects(bucket, "", ["s3:GetObject"])


def write_objects(bucket: s3.IBucket, prefix: str = "") -> Permission:
    """List the bucket, read and put objects below the prefix; never delete: old versions outlive a mistake."""
    return _objects(bucket, prefix, ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"])


def list_objects(bucket: s3.IBucket, prefix: str) -> Permission:
    """See which objects there are below the prefix, and read none. An empty prefix: in the whole bucket."""
    conditions = {"StringLike": {"s3:prefix": f"{prefix}*"}} if prefix else None
    return allow(["s3:ListBucket"], bucket_arn(bucket), conditions=conditions)


def read_models(bucket: s3.IBucket, keys: Sequence[str]) -> Permission:
    """Read exactly these objects, and all below those of the keys that end in a slash."""
    patterns = [f"{key}*" if key.endswith("/") else key for key in keys]
    listed = {"StringLike": {"s3:prefix": [f"{key}*" for key in keys]}}
    return Permission(
        [
            statement(actions=["s3:ListBucket"], resources=[bucket_arn(bucket)], conditions=listed),
            statement(actions=["s3:GetObject"], resources=[bucket.arn_for_objects(each) for each in patterns]),
        ],
        "The files of one model each.",
    )


def _objects(bucket: s3.IBucket, prefix: str, actions: Sequence[str]) -> Permission:
    return Permission(
        [
            statement(actions=["s3:GetBucketLocation", "s3:ListBucket"], resources=[bucket_arn(bucket)]),
            statement(actions=list(actions), resources=[objects_arn(bucket, f"{prefix}*")]),
        ],
        "The objects of one bucket of this environment, or of one prefix in it: their names are not known before.",
    )


def decrypt_objects(key: kms.IKey, *buckets: s3.IBucket) -> Permission:
    """Read objects of these buckets, which the key encrypts; nothing else that it encrypts."""
    return _key_for_objects(key, ["kms:Decrypt"], buckets)


def encrypt_objects(key: kms.IKey, *buckets: s3.IBucket) -> Permission:
    """Read and write objects of these buckets, which the key encrypts. S3 decrypts to put the parts of an upload."""
    return _key_for_objects(key, ["kms:Decrypt", "kms:GenerateDataKey"], buckets)


def _key_for_objects(key: kms.IKey, actions: Sequence[str], buckets: Sequence[s3.IBucket]) -> Permission:
    # With a bucket key the context is the bucket, without one the object.
    contexts = [arn for bucket in buckets for arn in (bucket_arn(bucket), objects_arn(bucket))]
    conditions: dict[str, Any] = {
        "StringEquals": {"kms:ViaService": f"s3.{place_of(buckets[0]).region}.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": contexts},
    }
    return allow(actions, key_arn(key), conditions=conditions)


def use_key_through(scope: Construct, key: kms.IKey, *services: str, actions: Sequence[str] = ()) -> Permission:
    """Use the key only through these services, for example `states`.

    actions: omitted: Decrypt, DescribeKey and GenerateDataKey.
    """
    region = place_of(scope).region
    return allow(
        actions or ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"],
        key_arn(key),
        conditions={"StringEquals": {"kms:ViaService": [f"{service}.{region}.amazonaws.com" for service in services]}},
    )


def encrypt_volumes(scope: Construct, key: kms.IKey) -> Permission:
    """Let SageMaker hold grants on the key for the volumes of jobs and endpoints."""
    via = {"kms:ViaService": f"sagemaker.{place_of(scope).region}.amazonaws.com"}
    return Permission(
        [
            statement(actions=["kms:DescribeKey"], resources=[key_arn(key)], conditions={"StringEquals": via}),
            statement(
                actions=["kms:CreateGrant"],
                resources=[key_arn(key)],
                conditions={"StringEquals": via, "Bool": {"kms:GrantIsForAWSResource": "true"}},
            ),
        ]
    )


def replicate(source: s3.IBucket, destination: s3.IBucket) -> Permission:
    """What S3 replication does in the role that it assumes, without the keys."""
    return Permission(
        [
            statement(actions=["s3:GetReplicationConfiguration", "s3:ListBucket"], resources=[bucket_arn(source)]),
            statement(actions=list(_REPLICATE_FROM), resources=[objects_arn(source)]),
            statement(actions=list(_REPLICATE_TO), resources=[objects_arn(destination)]),
        ],
        "Every object of the one bucket goes to the one other bucket.",
    )


def read_parameters(scope: Construct, path: str) -> Permission:
    """Read the SSM parameters below a path, for example `hf-sagemaker/dev`."""
    place = place_of(scope)
    arn = place.arn("ssm", f"parameter/{path}")
    return allow(
        ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
        arn,
        f"{arn}/*",
        why_wildcards="The names that this environment publishes, all below one path.",
    )


def write_parameters(*parameters: ssm.IParameter) -> Permission:
    """Change the values of exactly these SSM parameters."""
    return allow(["ssm:PutParameter"], *(parameter.parameter_arn for parameter in parameters))


def read_secret(secret_arn: str) -> Permission:
    """Read one secret, at run time."""
    return allow(["secretsmanager:GetSecretValue"], secret_arn)
