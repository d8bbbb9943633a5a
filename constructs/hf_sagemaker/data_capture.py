"""Some of what an endpoint is asked and answers is kept: encrypted, below a prefix of its own, for some days."""

from aws_cdk import CfnCondition, CfnResource, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.arns import objects_arn

CAPTURED_PREFIX = "captured/"
"""Where captures lie, in the bucket of data."""
EXPIRY_DAYS = (1, 3, 7, 14, 30, 90)
"""How long they may be kept. Each is a folder with a rule of its own, so that one more endpoint changes no bucket."""


def captured_prefix(endpoint_name: str, days: int) -> str:
    """Where those of one endpoint lie. Below it SageMaker makes folders by endpoint, variant and hour."""
    return f"{CAPTURED_PREFIX}{days}-days/{endpoint_name}/"


def expire_captures() -> list[s3.LifecycleRule]:
    """Rules of the bucket: captures are deleted after their days, and their older versions a day later."""
    return [
        s3.LifecycleRule(
            prefix=f"{CAPTURED_PREFIX}{days}-days/",
            expiration=Duration.days(days),
            noncurrent_version_expiration=Duration.days(1),
        )
        for days in EXPIRY_DAYS
    ]


class DataCapture(Construct):
    """Switches capture on in an endpoint's configuration, and lets the role that serves put captures there.

    prefix: where they lie; what they are is for people to protect as they protect what users send.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        config: sagemaker.CfnEndpointConfig,
        bucket: s3.IBucket,
        key: kms.IKey,
        role: iam.IRole,
        percent: int = 20,
        expires_days: int = 30,
        exists: CfnCondition | None = None,
    ) -> None:
        """Changes the configuration.

        bucket: one whose life cycle has the rules of `expire_captures`. key: encrypts the captures, and must let the
            role use it by S3.
        role: in which the containers run; it may put captures there, and read none.
        percent: of requests, 1 to 100. Omitted: 20. expires_days: one of EXPIRY_DAYS. Omitted: 30.
        exists: as the endpoint has it. Omitted: the endpoint is there.

        Raises ValueError when the percentage is none, or nothing would delete the captures.
        """
        super().__init__(scope, construct_id)
        if not 1 <= percent <= 100:
            raise ValueError(f"{endpoint_name} would capture {percent} percent of its requests: 1 to 100 are possible.")
        if expires_days not in EXPIRY_DAYS:
            raise ValueError(
                f"{endpoint_name} would keep captures for {expires_days} days: there are rules for "
                f"{', '.join(map(str, EXPIRY_DAYS))}."
            )
        self.prefix = captured_prefix(endpoint_name, expires_days)
        policy = allow.DutyPolicy(
            self,
            "Policy",
            role=role,
            permissions=[
                allow.allow(
                    ["s3:AbortMultipartUpload", "s3:PutObject"],
                    objects_arn(bucket, f"{self.prefix}*"),
                    why_wildcards="SageMaker names captures by hour, below the endpoint's own prefix.",
                ),
                allow.encrypt_objects(key, bucket),
            ],
        )
        if exists:
            for each in self.node.find_all():
                if isinstance(each, CfnResource):
                    each.cfn_options.condition = exists
        capture = sagemaker.CfnEndpointConfig
        config.data_capture_config = capture.DataCaptureConfigProperty(
            enable_capture=True,
            initial_sampling_percentage=percent,
            destination_s3_uri=bucket.s3_url_for_object(self.prefix.rstrip("/")),
            kms_key_id=key.key_arn,
            capture_options=[capture.CaptureOptionProperty(capture_mode=mode) for mode in ("Input", "Output")],
            # Else texts are kept in base 64, which neither people nor monitors read.
            capture_content_type_header=capture.CaptureContentTypeHeaderProperty(
                json_content_types=["application/json"]
            ),
        )
        # An endpoint that may not put captures goes on serving, and loses them without a word.
        config.node.add_dependency(policy)
