"""Requests and answers that are kept."""

from typing import Any

import pytest
from aws_cdk import CfnCondition, Fn
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.assertions import Match, Template

from hf_sagemaker.data_capture import DataCapture, captured_prefix, expire_captures

NAME = "dev-sentiment"


def _capture(stack: Any, **options: Any) -> Template:
    role = iam.Role(stack, "Serving", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    config = sagemaker.CfnEndpointConfig(stack, "Config", production_variants=[])
    DataCapture(
        stack,
        "Capture",
        endpoint_name=NAME,
        config=config,
        bucket=stack.buckets.data,
        key=stack.keys.data,
        role=role,
        **options,
    )
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
    (policy,) = _capture(stack).find_resources("AWS::IAM::ManagedPolicy").values()
    objects, key = policy["Properties"]["PolicyDocument"]["Statement"]
    assert objects["Action"] == ["s3:AbortMultipartUpload", "s3:PutObject"]
    assert objects["Resource"].endswith(":s3:::data/captured/30-days/dev-sentiment/*")
    assert key["Condition"]["StringEquals"] == {"kms:ViaService": "s3.us-east-1.amazonaws.com"}


def test_nothing_is_captured_before_it_may_be_put_there(stack: Any) -> None:
    template = _capture(stack)
    (policy,) = template.find_resources("AWS::IAM::ManagedPolicy")
    (config,) = template.find_resources("AWS::SageMaker::EndpointConfig").values()
    assert policy in config["DependsOn"]


def test_without_an_endpoint_there_is_no_policy(stack: Any) -> None:
    exists = CfnCondition(stack, "Exists", expression=Fn.condition_equals("1", "2"))
    (policy,) = _capture(stack, exists=exists).find_resources("AWS::IAM::ManagedPolicy").values()
    assert policy["Condition"] == "Exists"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"percent": 0}, "would capture 0 percent of its requests: 1 to 100 are possible"),
        ({"percent": 101}, "would capture 101 percent"),
        ({"expires_days": 5}, "would keep captures for 5 days: there are rules for 1, 3, 7, 14, 30, 90"),
    ],
)
def test_what_cannot_be_captured_is_refused(stack: Any, options: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _capture(stack, **options)


def test_each_capture_is_under_a_rule_that_deletes_it() -> None:
    prefix = captured_prefix(NAME, 14)
    (rule,) = [rule for rule in expire_captures() if prefix.startswith(str(rule.prefix))]
    assert rule.expiration is not None
    assert rule.expiration.to_days() == 14
