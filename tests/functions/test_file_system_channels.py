"""Channels of a training request that come from file systems."""

from typing import Any

import pytest

from validate_training_request.defaults import Defaults
from validate_training_request.logic import InvalidTrainingRequest, mirror_manifests, training_job

EFS, LUSTRE = "fs-0a1b2c3d", "fs-0123456789abcdef0"
KNOWN = [
    {"name": "corpora", "id": EFS, "type": "EFS", "access_mode": "ro", "directory_path": "/shared/"},
    {"name": "cache", "id": LUSTRE, "type": "FSxLustre", "access_mode": "rw", "directory_path": "/a1b2c3d4"},
]
DEFAULTS: dict[str, Any] = {
    "job_type": "text",
    "environment": "dev",
    "image": "training",
    "images": {"training": "/training"},
    "unfit_images": {},
    "instance_type": "ml.g4dn.xlarge",
    "instance_types": {"ml.g4dn.xlarge": False},
    "max_instance_count": 1,
    "volume_size": 30,
    "use_spot_instances": True,
    "checkpoints": True,
    "max_run": 60,
    "max_wait": 120,
    "metric_definitions": [{"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"}],
    "evaluation": {"metric": "accuracy", "minimum": 0.1},
    "checkpoints_bucket": "checkpoints",
    "data_buckets": ["data"],
    "models_bucket": "models",
    "volume_key": "arn:aws:kms:us-east-1:123456789012:key/1",
}


def _job(channel: Any, known: Any = KNOWN, **changes: Any) -> dict[str, Any]:
    request = {
        "schema_version": "1",
        "name": "sentiment",
        "channels": {"train": channel, "test": "s3://data/test/"},
        **changes,
    }
    return training_job(request, Defaults(**DEFAULTS, file_systems=known), "arn:execution")


def _train(job: dict[str, Any]) -> dict[str, Any]:
    (channel,) = [each for each in job["input_data"] if each["ChannelName"] == "train"]
    return channel


def _refusal(channel: Any, known: Any = KNOWN) -> str:
    with pytest.raises(InvalidTrainingRequest) as caught:
        _job(channel, known)
    return str(caught.value)


def test_a_file_system_is_named_and_the_settings_say_the_rest() -> None:
    # Given a request that names it as the settings do, beside a channel of S3
    job = _job({"file_system": "corpora"})
    # Then the job mounts it, read-only, from the folder of the settings, and the other channel is as ever
    assert _train(job) == {
        "ChannelName": "train",
        "InputMode": "File",
        "DataSource": {
            "FileSystemDataSource": {
                "FileSystemId": EFS,
                "FileSystemType": "EFS",
                "FileSystemAccessMode": "ro",
                "DirectoryPath": "/shared",
            }
        },
    }
    assert job["input_data"][1]["DataSource"]["S3DataSource"]["S3Uri"] == "s3://data/test/"


def test_the_sdks_own_names_say_the_same() -> None:
    source = _train(
        _job(
            {
                "file_system_id": LUSTRE,
                "file_system_type": "FSxLustre",
                "directory_path": "/a1b2c3d4/runs/1/",
                "file_system_access_mode": "rw",
                "content_type": "application/jsonlines",
            }
        )
    )
    assert source["ContentType"] == "application/jsonlines"
    assert source["DataSource"]["FileSystemDataSource"] == {
        "FileSystemId": LUSTRE,
        "FileSystemType": "FSxLustre",
        "FileSystemAccessMode": "rw",
        "DirectoryPath": "/a1b2c3d4/runs/1",
    }


def test_a_folder_below_the_root_needs_no_more_than_the_root() -> None:
    known = [{**KNOWN[0], "directory_path": "/"}]
    source = _train(_job({"file_system": "corpora", "directory_path": "/any/where"}, known))
    assert source["DataSource"]["FileSystemDataSource"]["DirectoryPath"] == "/any/where"


def test_the_requests_input_mode_is_that_of_its_channels_of_s3() -> None:
    job = _job({"file_system": "corpora"}, input_mode="FastFile")
    assert [each["InputMode"] for each in job["input_data"]] == ["File", "FastFile"]


def test_a_file_system_is_no_model_of_the_mirror() -> None:
    job = _job({"file_system": "corpora"})
    assert mirror_manifests(job, Defaults(**DEFAULTS)) == {}


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ({"file_system": "lake"}, f"file_system is 'lake', and this environment has corpora (EFS, {EFS}), cache (FSx"),
        ({"file_system_id": "fs-99999999"}, "file_system_id is 'fs-99999999', and this environment has corpora"),
        ({"file_system_id": "corpora"}, "must be the id of a file system"),
        ({"file_system": "corpora", "file_system_id": EFS}, "name the file system once"),
        ({"file_system": "corpora", "directory_path": "/private"}, "jobs may see '/shared' and below"),
        ({"file_system": "corpora", "directory_path": "/sharedsecrets"}, "jobs may see '/shared' and below"),
        ({"file_system": "corpora", "directory_path": "/"}, "jobs may see '/shared' and below"),
        ({"file_system": "corpora", "directory_path": "/shared/../private"}, "must be an absolute path"),
        ({"file_system": "corpora", "directory_path": "/shared/.."}, "must be an absolute path"),
        ({"file_system": "corpora", "directory_path": "/shared//a"}, "must be an absolute path"),
        ({"file_system": "corpora", "directory_path": "shared"}, "must be an absolute path"),
        ({"file_system": "corpora", "directory_path": "/shared\n"}, "must be an absolute path"),
        ({"file_system": "cache", "directory_path": "/fsx"}, "(/a1b2c3d4 is its mount name)"),
        ({"file_system": "corpora", "file_system_access_mode": "rw"}, "this environment's jobs only read corpora"),
        ({"file_system": "corpora", "file_system_type": "FSxLustre"}, "is FSxLustre, and corpora is EFS"),
        ({"file_system": "corpora", "input_mode": "FastFile"}, "a file system has File only"),
        ({"file_system": "corpora", "distribution": "ShardedByS3Key"}, "distribution does not go with a file system"),
        ({"file_system": "corpora", "s3_data": "s3://data/a"}, "s3_data does not go with a file system"),
        ({"s3_data": "s3://data/a", "directory_path": "/a"}, "directory_path needs file_system or file_system_id"),
        ({"directory_path": "/a"}, "or one with file_system or file_system_id"),
    ],
)
def test_what_a_channel_may_not_say_is_named(channel: dict[str, str], words: str) -> None:
    refusal = _refusal(channel)
    assert words in refusal
    assert "channels.train" in refusal


def test_everything_is_told_at_once() -> None:
    refusal = _refusal({"file_system": "corpora", "directory_path": "/private", "file_system_access_mode": "rw"})
    assert "jobs may see" in refusal
    assert "only read" in refusal


def test_an_environment_without_file_systems_says_so() -> None:
    assert "and this environment has none" in _refusal({"file_system": "corpora"}, known=[])


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (
            {"evaluation": {"channel": "train", "metric": "eval_accuracy"}},
            "evaluation.channel is 'train', a file system",
        ),
        ({"preparation": {}}, "channels.train must be an S3 prefix"),
    ],
)
def test_jobs_before_and_after_training_read_none(field: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidTrainingRequest) as caught:
        _job({"file_system": "corpora"}, **field)
    assert words in str(caught.value)
