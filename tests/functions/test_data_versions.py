"""What lay in the channels of a job: fingerprints from listings."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from validate_training_request import data_versions
from validate_training_request.data_versions import same, sources, version, versions


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="data")
        yield client


def _channel(name: str, uri: str, kind: str = "S3Prefix") -> dict[str, Any]:
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3Uri": uri, "S3DataType": kind}}}


def _put(s3: Any, **objects: str) -> None:
    for key, body in objects.items():
        s3.put_object(Bucket="data", Key=f"train/{key}", Body=body.encode())


def test_a_version_counts_what_is_below_the_prefix(s3: Any) -> None:
    _put(s3, a="12", b="345")
    s3.put_object(Bucket="data", Key="other", Body=b"6789")
    found = version(s3, "s3://data/train/")
    assert (found["objects"], found["bytes"], found["whole"]) == (2, 5, True)


@pytest.mark.parametrize("change", ["changed", "added", "removed", "renamed"])
def test_whoever_touches_the_data_changes_its_version(s3: Any, change: str) -> None:
    # Given data and its version
    _put(s3, a="12", b="345")
    then = version(s3, "s3://data/train/")
    assert same(then, version(s3, "s3://data/train/")) is True
    # When somebody tampers with it
    if change == "changed":
        _put(s3, b="346")
    if change == "added":
        _put(s3, c="")
    if change in ("removed", "renamed"):
        s3.delete_object(Bucket="data", Key="train/b")
    if change == "renamed":
        _put(s3, c="345")
    # Then it shows
    assert same(then, version(s3, "s3://data/train/")) is False


def test_a_longer_listing_is_read_on_and_one_without_end_is_bounded_and_says_so(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(s3, **{f"{i:04}": "x" for i in range(1005)})
    assert version(s3, "s3://data/train/")["objects"] == 1005
    monkeypatch.setattr(data_versions, "MOST_OBJECTS", 1000)
    found = version(s3, "s3://data/train/")
    assert (found["objects"], found["whole"]) == (1000, False)
    # And nobody claims that all of it is the same
    assert same(found, version(s3, "s3://data/train/")) is None


def test_a_deadline_ends_the_listing_of_all_channels(s3: Any) -> None:
    _put(s3, **{f"{i:04}": "x" for i in range(1005)})
    found = versions(s3, [_channel("train", "s3://data/train/")], most_seconds=-1)
    assert found["train"]["whole"] is False


def test_a_manifest_is_one_object(s3: Any) -> None:
    _put(s3, manifest="[]", manifest2="[]")
    found = versions(s3, [_channel("train", "s3://data/train/manifest", "ManifestFile")])
    assert found["train"]["objects"] == 1


def test_what_cannot_be_listed_says_why_and_stops_no_run(s3: Any) -> None:
    files = {"ChannelName": "big", "DataSource": {"FileSystemDataSource": {"FileSystemId": "fs-1"}}}
    found = versions(s3, [_channel("train", "s3://nobodys/train/"), files])
    assert found["train"] == {"uri": "s3://nobodys/train/", "why_none": "not listed: NoSuchBucket"}
    assert "file system" in found["big"]["why_none"]
    assert same(found["train"], found["train"]) is None


def test_what_is_prepared_before_is_noted_as_it_was_before() -> None:
    # Given a job whose channel train a job before makes, and whose model is evaluated on other data
    job = {
        "input_data": [
            _channel("train", "s3://checkpoints/prepared/1/train/"),
            _channel("lexicon", "s3://data/words/"),
        ],
        "preparation": {"inputs": [{"InputName": "train", "S3Input": {"S3Uri": "s3://data/train/"}}]},
        "evaluation": {"metric": "eval_accuracy", "minimum": 0, "s3_data": "s3://data/held-out/"},
    }
    # When it is asked what the run reads; then it is what people gave
    found = {each["ChannelName"]: each["DataSource"]["S3DataSource"]["S3Uri"] for each in sources(job)}
    assert found == {
        "train": "s3://data/train/",
        "lexicon": "s3://data/words/",
        "evaluation.s3_data": "s3://data/held-out/",
    }


def test_a_channel_on_which_the_model_is_evaluated_is_noted_once() -> None:
    evaluation = {"metric": "eval_accuracy", "minimum": 0, "s3_data": "s3://data/test/"}
    channels = [_channel("test", "s3://data/test/")]
    assert sources({"input_data": channels, "evaluation": evaluation}) == channels
