"""The first state of a training workflow."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from validate_training_request.handler import handle
from validate_training_request.logic import InvalidTrainingRequest

COMMIT = "0123456789abcdef" * 2 + "01234567"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:machine:run-1"


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    """The function looks at what lies in a job's channels."""
    with mock_aws():
        yield


def _defaults(**changes: Any) -> dict[str, Any]:
    return {
        "job_type": "text-classification",
        "environment": "dev",
        "image": "training",
        "images": {"training": "/images/training/digest", "whisper": "/images/whisper/digest"},
        "unfit_images": {"neuron": "It does not fit: instance type ml.g4dn.xlarge must be another."},
        "instance_type": "ml.g4dn.xlarge",
        "instance_types": {"ml.g4dn.xlarge": False, "ml.p3.2xlarge": True},
        "max_instance_count": 2,
        "volume_size": 50,
        "use_spot_instances": True,
        "checkpoints": True,
        "max_run": 3600,
        "max_wait": 7200,
        "metric_definitions": [{"Name": "eval_accuracy", "Regex": "eval_accuracy=([0-9.]+)"}],
        "evaluation": {"metric": "eval_accuracy", "minimum": 0.5},
        "checkpoints_bucket": "checkpoints",
        "data_buckets": ["data", "lake"],
        "models_bucket": "models",
        "volume_key": "arn:aws:kms:us-east-1:123456789012:key/1",
    } | changes


def _request(**changes: Any) -> dict[str, Any]:
    return {"schema_version": "1", "name": "sentiment", "channels": {"train": "s3://data/train"}} | changes


def _run(request: Any, execution: str = EXECUTION) -> dict[str, Any]:
    return handle({"request": request, "defaults": _defaults(), "execution_id": execution}, None)


def _refusal(request: Any) -> str:
    with pytest.raises(InvalidTrainingRequest) as caught:
        _run(request)
    assert "no job was started" in str(caught.value)
    return str(caught.value)


def test_the_shortest_request_takes_the_environments_defaults() -> None:
    job = _run(_request())
    assert job["spot"] is True
    assert job["resources"] == {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50}
    assert (job["max_run"], job["max_wait"]) == (3600, 7200)
    assert job["checkpoint_s3_uri"].startswith("s3://checkpoints/text-classification/dev-sentiment-")
    assert job["evaluation"] == {"metric": "eval_accuracy", "minimum": 0.5}


@pytest.mark.parametrize(("named", "image"), [({}, "training"), ({"image": "whisper"}, "whisper")])
def test_a_request_may_name_an_image_of_the_job_type(named: dict[str, str], image: str) -> None:
    job = _run(_request(**named))
    assert job["image"] == {"name": image, "parameter": f"/images/{image}/digest"}
    assert {"Key": "hf-sagemaker:image", "Value": image} in job["tags"]


@pytest.mark.parametrize("bucket", ["data", "lake", "models", "checkpoints"])
def test_a_job_may_read_the_environments_buckets_and_those_of_its_settings(bucket: str) -> None:
    assert _run(_request(channels={"train": f"s3://{bucket}/train"}))["input_data"]


def test_a_whole_job_says_which_data_it_begins_with() -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="train/1.jsonl", Body=b"{}")
    assert _run(_request())["data"]["train"]["objects"] == 1


def test_a_foreign_bucket_is_named_with_what_to_do() -> None:
    refusal = _refusal(_request(channels={"train": "s3://elsewhere/train"}, source_dir="s3://mine/sourcedir.tar.gz"))
    assert "channels.train is 's3://elsewhere/train'" in refusal
    assert "source_dir is 's3://mine/sourcedir.tar.gz'" in refusal
    assert "data.read_only_buckets" in refusal
    assert "s3://data/" in refusal


def test_hyperparameters_become_json_text_with_explicit_booleans() -> None:
    job = _run(_request(hyperparameters={"epochs": 3, "fp16": False, "lr": 1e-4, "note": "a b"}))
    assert job["hyper_parameters"] == {"epochs": "3", "fp16": "false", "lr": "0.0001", "note": '"a b"'}


def test_a_source_archive_becomes_a_channel_of_its_own() -> None:
    # Given code of one's own
    job = _run(_request(source_dir="s3://models/sources/1/sourcedir.tar.gz", entry_point="train.py"))
    # Then it arrives as data, so that the isolated job needs no network
    assert {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"] for c in job["input_data"]} == {
        "train": "s3://data/train",
        "code": "s3://models/sources/1/sourcedir.tar.gz",
    }
    submit = json.loads(job["hyper_parameters"]["sagemaker_submit_directory"])
    assert submit == "/opt/ml/input/data/code/sourcedir.tar.gz"
    assert json.loads(job["hyper_parameters"]["sagemaker_program"]) == "train.py"


def test_the_volume_key_is_left_out_where_the_storage_is_local() -> None:
    assert "VolumeKmsKeyId" not in _run(_request(instance_type="ml.g4dn.xlarge"))["resources"]
    assert "VolumeKmsKeyId" in _run(_request(instance_type="ml.p3.2xlarge"))["resources"]


def test_a_retry_means_the_same_job_and_another_execution_another_one() -> None:
    first, again, other = _run(_request()), _run(_request()), _run(_request(), execution=EXECUTION + "2")
    assert first["spot_job_name"] == again["spot_job_name"]
    assert first["spot_job_name"] != other["spot_job_name"]
    assert first["checkpoint_s3_uri"] != other["checkpoint_s3_uri"]


def test_job_names_stay_within_sagemakers_63_characters() -> None:
    job = _run(_request(name="a" * 31))
    assert max(len(job["spot_job_name"]), len(job["on_demand_job_name"])) <= 63


def test_both_attempts_share_the_checkpoints_and_not_the_name() -> None:
    job = _run(_request())
    assert job["spot_job_name"] != job["on_demand_job_name"]
    assert isinstance(job["checkpoint_s3_uri"], str)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"max_run": 100, "max_wait": 99}, "max_wait is 99 s, below max_run (100 s)"),
        ({"checkpoint_s3_uri": None}, "use_spot_instances needs checkpoints"),
        ({"checkpoint_s3_uri": "s3://other/x"}, "must be below s3://checkpoints/"),
        ({"instance_type": "ml.g4dn.3xlarge"}, "this environment allows ml.g4dn.xlarge, ml.p3.2xlarge"),
        ({"image": "whispr"}, "image is 'whispr'; this job type allows training, whisper."),
        ({"image": "neuron"}, "It does not fit: instance type ml.g4dn.xlarge must be another."),
        ({"image": "1.dkr.ecr.us-east-1.amazonaws.com/mine:1"}, "this job type allows training, whisper."),
        ({"image": ["training"]}, "image is ['training']: it must be the name of a training image"),
        ({"instance_count": 3}, "allows at most 2"),
        ({"instance_count": True}, "instance_count is True"),
        ({"channels": {"test": "s3://data/test"}}, "must hold 'train'"),
        ({"channels": {"train": "./here"}}, "channels.train is './here': it must be s3://bucket/prefix"),
        ({"use_spot": True}, "Did you mean use_spot_instances?"),
        ({"metric_definitions": [{"Name": "a", "Regex": "("}]}, "valid regular expression"),
        ({"evaluation": {"metric": "f1"}}, "evaluation.metric is 'f1'"),
        ({"hyperparameters": {"layers": [1]}}, "hyperparameters.layers is [1]: it must be a text, a number"),
        ({"environment": {"HF_TOKEN": "hf_" + "a" * 34}}, "environment.HF_TOKEN looks like an access token"),
        ({"job_type": "other"}, "this state machine runs 'text-classification'"),
        ({"schema_version": "2"}, 'must be "1"'),
        ({"entry_point": "/etc/passwd"}, "entry_point"),
        ({"source_dir": "src"}, "source_dir is 'src': without git_config it must be s3://"),
        ({"input_mode": "Stream"}, "must be File, FastFile or Pipe"),
        ({"input_mode": "Pipe"}, "channels.train has input_mode Pipe, and the image's own code reads files"),
        ({"channels": {"train": {"s3_uri": "s3://data/"}}}, "an object with s3_data, or one with file_system"),
        ({"channels": {"train": {"s3_data": "s3://data/", "input": 1}}}, "Did you mean input_mode?"),
        (
            {"channels": {"train": {"s3_data": "s3://data/a", "s3_data_type": "AugmentedManifestFile"}}},
            "needs input_mode Pipe, and this is File",
        ),
        ({"channels": {"train": {"s3_data": "s3://elsewhere/a"}}}, "channels.train.s3_data is 's3://elsewhere/a'"),
        ({"enable_network_isolation": False}, "this environment gives containers no network"),
        ({"keep_alive_period_in_seconds": 600}, "keeps instances on demand only"),
        ({"keep_alive_period_in_seconds": 7200}, "this job type allows at most 3600"),
        ({"max_retry_attempts": 31}, "must be a whole number, 1 to 30"),
    ],
)
def test_a_wrong_field_is_named_with_the_reason(change: dict[str, Any], words: str) -> None:
    assert words in _refusal(_request(**change))


def test_spot_is_refused_where_the_job_type_keeps_no_checkpoints() -> None:
    defaults = _defaults(checkpoints=False, use_spot_instances=False)
    with pytest.raises(InvalidTrainingRequest, match="use_spot_instances needs checkpoints"):
        handle({"request": _request(use_spot_instances=True), "defaults": defaults, "execution_id": EXECUTION}, None)


def test_a_token_is_never_repeated() -> None:
    token = "hf_" + "a" * 34
    assert token not in _refusal(_request(environment={"HF_TOKEN": token}))


def test_all_problems_are_told_at_once() -> None:
    text = _refusal({"name": "Not A Name", "channels": {"train": "x"}, "colour": 1})
    for words in ("schema_version is missing", "name is 'Not A Name'", "channels.train is", "colour is not a field"):
        assert words in text


@pytest.mark.parametrize("request_", [None, [], "text", 3])
def test_what_is_no_object_is_refused(request_: Any) -> None:
    assert "must be a JSON object" in _refusal(request_)


def test_a_channel_may_say_how_its_data_comes() -> None:
    # Given a request whose data is read while the script reads it, but for one channel that is dealt out
    shares = {
        "s3_data": "s3://data/parts.json",
        "s3_data_type": "ManifestFile",
        "distribution": "ShardedByS3Key",
        "input_mode": "File",
        "content_type": "application/jsonlines",
    }
    channels = {"train": "s3://data/train", "parts": shares}
    job = _run(_request(channels=channels, input_mode="FastFile", source_dir="s3://models/1/sourcedir.tar.gz"))
    # Then SageMaker is told so, and code is copied as ever
    train, parts, code = job["input_data"]
    assert (train["InputMode"], code["InputMode"]) == ("FastFile", "File")
    assert parts == {
        "ChannelName": "parts",
        "InputMode": "File",
        "ContentType": "application/jsonlines",
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "ManifestFile",
                "S3Uri": "s3://data/parts.json",
                "S3DataDistributionType": "ShardedByS3Key",
            }
        },
    }


def test_records_of_an_augmented_manifest_come_as_streams() -> None:
    channel = {
        "s3_data": "s3://data/a.manifest",
        "s3_data_type": "AugmentedManifestFile",
        "attribute_names": ["source-ref", "label"],
        "record_wrapping": "RecordIO",
        "input_mode": "Pipe",
    }
    code = {"source_dir": "s3://models/1/sourcedir.tar.gz", "entry_point": "mine.py"}
    made = _run(_request(channels={"train": channel}, **code))["input_data"][0]
    assert made["DataSource"]["S3DataSource"]["AttributeNames"] == ["source-ref", "label"]
    assert (made["InputMode"], made["RecordWrapperType"]) == ("Pipe", "RecordIO")


def test_instances_on_demand_may_be_kept_for_the_next_job() -> None:
    job = _run(_request(use_spot_instances=False, keep_alive_period_in_seconds=600.0))
    assert job["resources"]["KeepAlivePeriodInSeconds"] == 600
    assert isinstance(job["resources"]["KeepAlivePeriodInSeconds"], int)


@pytest.mark.parametrize(
    ("isolated", "asked", "becomes"), [(True, {}, True), (False, {}, False), (False, {"isolation": True}, True)]
)
def test_a_request_may_only_be_stricter_than_the_environment(
    isolated: bool, asked: dict[str, bool], becomes: bool
) -> None:
    request = _request(**({"enable_network_isolation": asked["isolation"]} if asked else {}))
    event = {"request": request, "defaults": _defaults(isolated=isolated), "execution_id": EXECUTION}
    assert handle(event, None)["enable_network_isolation"] is becomes


def test_sagemaker_starts_again_once_after_an_error_of_its_own_or_as_often_as_asked() -> None:
    assert _run(_request())["max_retry_attempts"] == 1
    assert _run(_request(max_retry_attempts=7))["max_retry_attempts"] == 7


def test_what_is_told_of_an_environment_variable_is_never_its_value() -> None:
    token = "hf_" + "a" * 34
    assert token not in _refusal(_request(environment={"HF_TOKEN": [token]}))


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Puts keys into the models bucket."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="models")
        yield lambda key: s3.put_object(Bucket="models", Key=key, Body=b"{}")


def test_a_mirrored_model_becomes_a_channel(mirror: Callable[[str], None]) -> None:
    # Given a model that is in the mirror, whole
    mirror(f"hub/team--small/{COMMIT}.json")
    # When a request names it
    job = _run(_request(model=f"hub/team/small@{COMMIT}"))
    # Then the job gets its files
    channels = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"] for c in job["input_data"]}
    assert channels == {"train": "s3://data/train", "model": f"s3://models/hub/team--small/{COMMIT}/"}


@pytest.mark.parametrize(
    "change",
    [
        {"model": f"hub/team/small@{COMMIT}"},
        {"channels": {"train": "s3://data/train", "model": f"s3://models/hub/team--small/{COMMIT}/"}},
        {"channels": {"train": "s3://data/train", "model": f"s3://models/hub/team--small/{COMMIT}/sub/"}},
    ],
)
def test_half_a_model_is_refused(mirror: Callable[[str], None], change: dict[str, Any]) -> None:
    mirror(f"hub/team--small/{COMMIT}/model.safetensors")
    assert "is not in the mirror of the Hub, or not whole" in _refusal(_request(**change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "team/small"}, "model is 'team/small': it must be hub/<namespace>/<name>@<commit>"),
        ({"model": "hub/team/small@main"}, "it must be hub/<namespace>/<name>@<commit>"),
        ({"model": f"hub/team/../x@{COMMIT}"}, "it must be hub/<namespace>/<name>@<commit>"),
        (
            {"model": f"hub/team/small@{COMMIT}", "channels": {"train": "s3://data/train", "model": "s3://data/m/"}},
            "model and channels.model are both given",
        ),
        (
            {"channels": {"train": "s3://data/train", "model": f"s3://models/hub/team--small/{COMMIT}"}},
            "which is no model of the mirror",
        ),
        ({"channels": {"train": "s3://data/train", "model": "s3://models/hub/"}}, "which is no model of the mirror"),
    ],
)
def test_a_model_that_is_named_wrongly(change: dict[str, Any], words: str) -> None:
    assert words in _refusal(_request(**change))


def test_what_is_too_long_for_an_execution_is_refused() -> None:
    # Given a request of more than 24 KiB, as JSON writes it
    text = _refusal(_request(hyperparameters={"notes": "é" * 5000}))
    # Then it says how long it may be, and what to do
    assert "24 KiB" in text
    assert "a file in a channel" in text


def test_the_longest_names_make_a_name_that_sagemaker_takes() -> None:
    names = {"name": "n" * 31}
    job = handle(
        {"request": _request(**names), "defaults": _defaults(environment="e" * 20), "execution_id": EXECUTION}, None
    )
    assert max(len(job["spot_job_name"]), len(job["on_demand_job_name"])) <= 63


GIT = {"repo": "https://github.com/team/code.git", "commit": COMMIT}
OF_GIT = {"git_config": GIT, "source_dir": "training/", "entry_point": "train.py"}


def _of_git(request: dict[str, Any], **event: Any) -> dict[str, Any]:
    defaults = _defaults(git_repositories=["https://github.com/team/*"])
    return handle({"request": request, "defaults": defaults, "execution_id": EXECUTION, **event}, None)


def _exported(**values: str) -> dict[str, Any]:
    return {"code": [{"Name": f"CODE_{name.upper()}", "Value": value} for name, value in values.items()]}


def test_code_of_a_branch_is_brought_first(mirror: Callable[[str], None]) -> None:
    # Given a request for what a branch is now
    job = _of_git(_request(**OF_GIT | {"git_config": {**GIT, "branch": "main", "commit": COMMIT}}))
    # Then the build that brings it is told all that it needs
    told = {each["Name"]: each["Value"] for each in job["fetch_code"]}
    archive = told.pop("CODE_ARCHIVE")
    assert archive.startswith("git/")
    assert archive.endswith("/{commit}/sourcedir.tar.gz")
    assert told == {
        "CODE_REPOSITORY": GIT["repo"],
        "CODE_BRANCH": "main",
        "CODE_COMMIT": COMMIT,
        "CODE_FOLDER": "training/",
        "CODE_ENTRY_POINT": "train.py",
    }


def test_with_its_commit_the_code_is_a_channel_and_recorded(mirror: Callable[[str], None]) -> None:
    request = _request(**OF_GIT)
    first = _of_git(request)
    job = _of_git(request, **_exported(resolved=COMMIT, problem=""))
    assert "fetch_code" not in job
    (code,) = [c for c in job["input_data"] if c["ChannelName"] == "code"]
    archive = next(each["Value"] for each in first["fetch_code"] if each["Name"] == "CODE_ARCHIVE")
    assert code["DataSource"]["S3DataSource"]["S3Uri"] == f"s3://models/{archive.replace('{commit}', COMMIT)}"
    assert json.loads(job["hyper_parameters"]["sagemaker_program"]) == "train.py"
    assert job["code"] == {"git-repository": GIT["repo"], "git-branch": "-", "git-commit": COMMIT}
    assert {"Key": "hf-sagemaker:git-commit", "Value": COMMIT} in job["tags"]
    # And everything else is as it was
    same = ("spot_job_name", "resources", "checkpoint_s3_uri", "environment")
    assert {name: job[name] for name in same} == {name: first[name] for name in same}


def test_a_commit_that_is_there_is_not_brought_again(mirror: Callable[[str], None]) -> None:
    request = _request(**OF_GIT)
    archive = next(each["Value"] for each in _of_git(request)["fetch_code"] if each["Name"] == "CODE_ARCHIVE")
    mirror(archive.replace("{commit}", COMMIT))
    job = _of_git(request)
    assert "fetch_code" not in job
    assert job["code"]["git-commit"] == COMMIT


def test_what_the_build_found_wrong_refuses_the_request(mirror: Callable[[str], None]) -> None:
    with pytest.raises(InvalidTrainingRequest, match="It has no branch"):
        _of_git(_request(**OF_GIT), **_exported(resolved="", problem="It has no branch 'x'."))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"git_config": {"repo": "https://github.com/else/code.git"}}, "this environment allows https://github.com/te"),
        ({"git_config": {"repo": "git@github.com:team/code.git"}}, "git_config.repo must be the https address"),
        ({"git_config": {"repo": "https://github.com/team/../else/code"}}, "git_config.repo must be the https address"),
        ({"git_config": {"branch": "main"}}, "git_config.repo is missing"),
        ({"git_config": {**GIT, "token": "x"}}, "git_config.token is not a field of git_config"),
        ({"git_config": {**GIT, "branch": "--upload-pack=x"}}, "must be the name of a branch or tag"),
        ({"git_config": GIT, "source_dir": "s3://models/1/sourcedir.tar.gz"}, "code comes from one place"),
        ({"git_config": GIT, "source_dir": "../x"}, "or with git_config a folder of the repository"),
        ({"git_config": GIT, "entry_point": None}, "entry_point is None"),
    ],
)
def test_git_code_that_may_not_run_here(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidTrainingRequest) as caught:
        _of_git(_request(**OF_GIT | change))
    assert words in str(caught.value)


def test_a_token_in_an_address_is_not_repeated() -> None:
    with pytest.raises(InvalidTrainingRequest) as caught:
        _of_git(_request(**OF_GIT | {"git_config": {"repo": "https://me:secret-word@github.com/team/code"}}))
    assert "secret-word" not in str(caught.value)


def test_where_no_repository_is_allowed_git_is_refused() -> None:
    assert "this environment allows none" in _refusal(_request(**OF_GIT))


def test_a_channel_to_evaluate_on_is_its_data() -> None:
    channels = {"train": "s3://data/train", "test": "s3://data/test/"}
    evaluation = _run(_request(channels=channels, evaluation={"channel": "test", "minimum": 0.7}))["evaluation"]
    assert (evaluation["metric"], evaluation["minimum"], evaluation["s3_data"]) == (
        "eval_accuracy",
        0.7,
        "s3://data/test/",
    )
    assert len(f"{evaluation['job_name']}-99") <= 63


def test_the_job_that_evaluates_has_a_name_that_fits_whatever_the_request_is_called() -> None:
    evaluation = {"s3_data": "s3://lake/held-out/"}
    longest = _run(_request(name="n" * 31, evaluation=evaluation))["evaluation"]["job_name"]
    assert len(f"{longest}-99") <= 63
    assert longest != _run(_request(name="n" * 31, evaluation=evaluation), EXECUTION + "2")["evaluation"]["job_name"]


@pytest.mark.parametrize(
    ("evaluation", "words"),
    [
        ({"channel": "none"}, "evaluation.channel is 'none', which is not among the channels: train"),
        ({"s3_data": "s3://elsewhere/x/"}, "evaluation.s3_data is 's3://elsewhere/x/'"),
        ({"channel": "train", "s3_data": "s3://data/x/"}, "are both given"),
        ({"channel": "train", "metric": "f1"}, "evaluated on data, a model has the metrics eval_accuracy"),
        ({"s3_data": "/local"}, "evaluation.s3_data is '/local': it must be s3://bucket/prefix"),
    ],
)
def test_data_to_evaluate_on_must_be_there_and_readable(evaluation: dict[str, str], words: str) -> None:
    assert words in _refusal(_request(evaluation=evaluation))


def test_a_job_type_without_instances_for_processing_evaluates_on_no_data() -> None:
    request = _request(evaluation={"channel": "train"})
    event = {"request": request, "defaults": _defaults(processing=False), "execution_id": EXECUTION}
    with pytest.raises(InvalidTrainingRequest, match="processing_instance_type"):
        handle(event, None)
