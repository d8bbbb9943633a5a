"""Requests and answers that are kept."""

from typing import Any

import pytest
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.assertions import Match, Template

from hf_sagemaker.data_capture import capture_requests, captured_prefix, expire_captures, put_captures

NAME = "dev-sentiment"


def _capture(stack: Any, **options: Any) -> Template:
    config = sagemaker.CfnEndpointConfig(stack, "Config", production_variants=[])
    bucket, key = stack.buckets.data, stack.keys.data
    capture_requests(config, endpoint_name=NAME, bucket=bucket, key=key, **options)
    return Template.from_stack(stack)


def test_requests_and_answers_are_sampled_and_encrypted(stack: Any) -> None:
    template = _capture(stack, percent=5, expires_days=7)
    template.has_resource_properties(
        "AWS::SageMaker::EndpointConfig",
        {
            "DataCaptureConfig": {
                "EnableCapture": True,
                "InitialSamplingPercentage": 5,
                "DestinationS3Uri": "s3://data/captured/7-days/dev-sentiment",
                "KmsKeyId": Match.string_like_regexp("key/data$"),
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
                "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
            }
        },
    )


def test_the_role_puts_captures_and_reads_none(stack: Any) -> None:
    permissions = put_captures(stack.buckets.data, stack.keys.data)
    objects, key = (each for permission in permissions for each in permission.statements)
    assert objects["Action"] == ["s3:AbortMultipartUpload", "s3:PutObject"]
    assert objects["Resource"][0].endswith("/captured/*")
    assert key["Condition"]["StringEquals"] == {"kms:ViaService": "s3.us-east-1.amazonaws.com"}


@pytest.mark.parametrize("percent", [0, 101])
def test_what_is_no_percentage_is_refused(stack: Any, percent: int) -> None:
    with pytest.raises(ValueError, match=f"would capture {percent} percent of its requests: 1 to 100 are possible"):
        _capture(stack, percent=percent)


def test_each_capture_is_under_a_rule_that_deletes_it() -> None:
    # Given endpoints that keep captures for as long, and one for longer
    rules = expire_captures([14, 90, 14])
    prefix = captured_prefix(NAME, 14)
    (rule,) = [rule for rule in rules if prefix.startswith(str(rule.prefix))]
    assert len(rules) == 2
    assert rule.expiration is not None
    assert rule.expiration.to_days() == 14
