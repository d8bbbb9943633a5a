"""Some of what an endpoint is asked and answers is kept: encrypted, below a prefix of its own, for some days."""

from collections.abc import Iterable

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker

from hf_sagemaker import permissions as allow
from hf_sagemaker.arns import objects_arn

CAPTURED_PREFIX = "captured/"
"""Where captures lie, in the bucket of data."""


def captured_prefix(endpoint_name: str, days: int) -> str:
    """Where those of one endpoint lie that are kept for so many days. Below it SageMaker makes folders by endpoint,
    variant and hour."""
    return f"{CAPTURED_PREFIX}{days}-days/{endpoint_name}/"


def expire_captures(days: Iterable[int]) -> list[s3.LifecycleRule]:
    """Rules of the bucket, one for each number of days: one more endpoint with the same number changes no bucket."""
    return [
        s3.LifecycleRule(
            prefix=f"{CAPTURED_PREFIX}{each}-days/",
            expiration=Duration.days(each),
            noncurrent_version_expiration=Duration.days(1),
        )
        for each in sorted(set(days))
    ]


def put_captures(bucket: s3.IBucket, key: kms.IKey) -> list[allow.Permission]:
    """What the role of endpoints that capture needs besides: put captures, and read none.

    Of all such endpoints at once: a policy for each would be more than IAM attaches to a role.
    """
    return [
        allow.allow(
            ["s3:AbortMultipartUpload", "s3:PutObject"],
            objects_arn(bucket, f"{CAPTURED_PREFIX}*"),
            why_wildcards="SageMaker names captures by endpoint and hour, below one prefix.",
        ),
        allow.encrypt_objects(key, bucket),
    ]


def capture_requests(
    config: sagemaker.CfnEndpointConfig,
    *,
    endpoint_name: str,
    bucket: s3.IBucket,
    key: kms.IKey,
    percent: int = 20,
    expires_days: int = 30,
) -> str:
    """Switches capture on in an endpoint's configuration, and returns the prefix below which captures lie.

    bucket: one whose life cycle has the rule of `expire_captures` for these days. The role of the endpoint must be able
        to put captures there: an endpoint that may not goes on serving, and loses them without a word.
    key: encrypts the captures.
    percent: of requests, 1 to 100. Omitted: 20. expires_days: omitted: 30.

    Raises ValueError when the percentage is none.
    """
    if not 1 <= percent <= 100:
        raise ValueError(f"{endpoint_name} would capture {percent} percent of its requests: 1 to 100 are possible.")
    prefix, properties = captured_prefix(endpoint_name, expires_days), sagemaker.CfnEndpointConfig
    config.data_capture_config = properties.DataCaptureConfigProperty(
        enable_capture=True,
        initial_sampling_percentage=percent,
        destination_s3_uri=bucket.s3_url_for_object(prefix.rstrip("/")),
        kms_key_id=key.key_arn,
        capture_options=[properties.CaptureOptionProperty(capture_mode=mode) for mode in ("Input", "Output")],
        # Else texts are kept in base 64, which neither people nor monitors read.
        capture_content_type_header=properties.CaptureContentTypeHeaderProperty(
            json_content_types=["application/json"]
        ),
    )
    return prefix
