"""Requests whose data is prepared by a job before training."""

from typing import Any

import pytest

from tests.functions.test_tuning_request import EXECUTION, METRICS
from validate_training_request.defaults import Defaults
from validate_training_request.logic import InvalidTrainingRequest, training_job

CHANNELS = {"train": "s3://data/train/", "test": "s3://data/test/", "notes": "s3://data/notes/"}


def _job(preparation: dict[str, Any], *, commit: str | None = None, processing: bool = True, **request: Any) -> Any:
    defaults = Defaults(
        job_type="text",
        environment="dev",
        image="training",
        images={"training": "/digest"},
        unfit_images={},
        instance_type="ml.g4dn.xlarge",
        instance_types={"ml.g4dn.xlarge": False},
        max_instance_count=1,
        volume_size=50,
        use_spot_instances=True,
        checkpoints=True,
        max_run=3600,
        max_wait=7200,
        metric_definitions=[{"Name": name, "Regex": f"{name}=([0-9.]+)"} for name in METRICS],
        evaluation={"metric": "eval_accuracy", "minimum": 0.5},
        checkpoints_bucket="checkpoints",
        data_buckets=["data"],
        models_bucket="models",
        volume_key="key",
        git_repositories=["https://git/*"],
        processing=processing,
    )
    whole = {"schema_version": "1", "name": "sentiment", "channels": CHANNELS, "preparation": preparation} | request
    return training_job(whole, defaults, EXECUTION, commit)


def _inputs(job: dict[str, Any]) -> dict[str, str]:
    assert all(
        each["S3Input"]["LocalPath"] == f"/opt/ml/processing/input/{each['InputName']}"
        for each in job["preparation"]["inputs"]
    )
    return {each["InputName"]: each["S3Input"]["S3Uri"] for each in job["preparation"]["inputs"]}


def _channels(job: dict[str, Any]) -> dict[str, str]:
    return {each["ChannelName"]: each["DataSource"]["S3DataSource"]["S3Uri"] for each in job["input_data"]}


def test_training_gets_what_is_prepared_and_all_else_as_it_is() -> None:
    job = _job({})
    output = job["preparation"]["s3_output"]
    # Given a place of the run's own, that no checkpoint lies in
    assert output.startswith("s3://checkpoints/prepared/text/dev-sentiment-")
    assert not output.startswith(job["checkpoint_s3_uri"])
    # Then the job before reads the files, and training what is made of them
    assert _inputs(job) == {"train": "s3://data/train/", "test": "s3://data/test/"}
    assert _channels(job) == {
        "train": f"{output}/train/",
        "test": f"{output}/test/",
        "notes": "s3://data/notes/",
    }
    assert job["preparation"]["arguments"] == ["--channels", "train,test"]


def test_what_tokenising_depends_on_holds_for_both() -> None:
    job = _job({}, hyperparameters={"max_length": 64, "epochs": 3}, channels={"train": "s3://data/train/"})
    assert job["preparation"]["arguments"] == ["--channels", "train", "--max_length", "64"]


def test_the_model_to_start_from_is_there_for_its_tokenizer() -> None:
    model = f"hub/team/small@{'a' * 40}"
    folder = f"s3://models/hub/team--small/{'a' * 40}/"
    assert _inputs(_job({}, model=model))["model"] == folder
    assert _inputs(_job({}, channels=CHANNELS | {"model": "s3://data/m/"}))["model"] == "s3://data/m/"


def test_code_of_ones_own_gets_all_channels_and_its_arguments() -> None:
    preparation = {"entry_point": "prepare.py", "hyperparameters": {"level": 3, "fast": True}}
    job = _job(preparation, source_dir="s3://models/sources/1/sourcedir.tar.gz")
    assert _inputs(job)["code"] == "s3://models/sources/1/sourcedir.tar.gz"
    assert job["preparation"]["arguments"] == [
        *("--channels", "train,test,notes", "--entry_point", "prepare.py", "--level", "3", "--fast", "true"),
    ]
    # And training with the image's own code is not given it
    assert "code" not in _channels(job)
    assert "sagemaker_submit_directory" not in job["hyper_parameters"]
    code = {"git_config": {"repo": "https://git/team/code"}, "entry_point": "train.py"}
    git = _job({"entry_point": "p.py"}, **code, commit="b" * 40)
    assert _inputs(git)["code"] == _channels(git)["code"]


def test_an_evaluation_on_a_prepared_channel_reads_its_files() -> None:
    assert _job({}, evaluation={"channel": "test"})["evaluation"]["s3_data"] == "s3://data/test/"


def test_the_jobs_name_fits_whatever_the_request_is_called() -> None:
    assert len(f"{_job({}, name='n' * 31)['preparation']['job_name']}-99") <= 63


@pytest.mark.parametrize(
    ("preparation", "request_", "words"),
    [
        ({"channels": ["train", "none"]}, {}, "channels names 'none', which is not among the channels"),
        ({"channels": ["train", "notes"]}, {}, "prepares train and test, not notes: bring an entry_point"),
        ({"channels": ["test"]}, {}, "must hold 'train'"),
        ({"entry_point": "prepare.py"}, {}, "needs source_dir or git_config"),
        ({}, {"input_mode": "Pipe", "entry_point": "t.py"}, "with input_mode File or FastFile"),
        (
            {},
            {"channels": {"train": {"s3_data": "s3://data/l.json", "s3_data_type": "ManifestFile"}}},
            "channels.train must be an S3 prefix",
        ),
        ({"hyperparameters": {"long": "x" * 257}}, {}, "an argument may have 256"),
        ({"hyperparameters": {"nested": {}}}, {}, "preparation.hyperparameters.nested is {}"),
    ],
)
def test_what_cannot_be_prepared_is_said(preparation: dict[str, Any], request_: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidTrainingRequest) as refused:
        _job(preparation, **request_)
    assert words in str(refused.value)


def test_a_job_type_without_instances_for_processing_prepares_nothing() -> None:
    with pytest.raises(InvalidTrainingRequest, match="processing_instance_type"):
        _job({}, processing=False)
