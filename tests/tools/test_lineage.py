"""`hfsm lineage`: forward and back, and whether data is as it was."""

import json
from typing import Any

import pytest

from evaluate_model.registration import describe_version
from hfsm.cloud import Cloud
from validate_training_request.data_versions import version

GROUP = "dev-text-classification"
FIRST = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{GROUP}/1"
SECOND = FIRST.removesuffix("1") + "2"


@pytest.fixture
def models(deploy: Any, put_parameters: Any) -> Cloud:
    """Two models: the second went on from the first one's model, and an endpoint serves it."""
    cloud: Cloud = deploy()
    cloud.client("s3").put_object(Bucket="dev-data", Key="train/1.jsonl", Body=b"{}")
    then = describe_version(version(cloud.client("s3"), "s3://dev-data/train/"))
    for number in (1, 2):
        parent = {"parent": "s3://dev-models/trained/1/model.tar.gz"} if number == 2 else {"parent": "hub/team/tiny@1"}
        cloud.client("sagemaker").create_model_package(
            ModelPackageGroupName=GROUP,
            ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [{"Image": "image", "ModelDataUrl": f"s3://dev-models/trained/{number}/model.tar.gz"}],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            CustomerMetadataProperties={
                "training-job": f"dev-{number}",
                "data.train": then,
                "data.big": "unknown a file system: its files have no versions to list",
                "commit": "1" * 40,
                **parent,
            },
        )
    put_parameters({"inference/sentiment/endpoint-name": "dev-sentiment", "inference/sentiment/model": SECOND})
    return cloud


def _lineage(hfsm: Any, *arguments: str) -> Any:
    return json.loads(hfsm("lineage", *arguments, "--json").out)


@pytest.mark.parametrize("subject", [SECOND, "text-classification/2", "sentiment", "dev-sentiment"])
def test_a_model_is_found_by_its_package_and_by_its_endpoint(hfsm: Any, models: Cloud, subject: str) -> None:
    found = _lineage(hfsm, subject)
    assert found["model"]["arn"] == SECOND
    assert found["endpoints"] == ["dev-sentiment"]
    assert found["parent_package"] == FIRST
    assert found["code"] == {"commit": "1" * 40}


def test_forward_it_names_what_went_on_from_a_model(hfsm: Any, models: Cloud) -> None:
    found = _lineage(hfsm, "text-classification/1")
    assert (found["children"], found["endpoints"]) == ([SECOND], [])
    text = hfsm("lineage", "text-classification/1").out
    for shown in ("s3://dev-data/train/ 1 objects, 2 bytes", "hub/team/tiny@1", "served by no endpoint", SECOND):
        assert shown in text


def test_data_that_somebody_touched_shows(hfsm: Any, models: Cloud) -> None:
    # Given data as it was
    result = hfsm("lineage", "text-classification/1", "--verify")
    assert (result.code, "as it was" in result.out) == (0, True)
    # When somebody changes it
    models.client("s3").put_object(Bucket="dev-data", Key="train/1.jsonl", Body=b"[]")
    # Then it shows
    result = hfsm("lineage", "text-classification/1", "--verify")
    assert (result.code, "CHANGED since" in result.out) == (1, True)
    assert {each["channel"]: each["now"] for each in _lineage(hfsm, "sentiment", "--verify")["data"]} == {
        "train": "changed",
        "big": "unknown",
    }


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ("nothing", "Such endpoints: dev-sentiment."),
        ("text-classification/9", "has no version 9"),
        (FIRST.removesuffix("1") + "9", "The registry has no"),
    ],
)
def test_what_is_not_there_says_what_is(hfsm: Any, models: Cloud, subject: str, reason: str) -> None:
    result = hfsm("lineage", subject)
    assert result.code == 2
    assert reason in result.err
