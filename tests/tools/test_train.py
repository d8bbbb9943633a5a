"""`hfsm train`: what is wrong is told before anything is uploaded; what runs is followed to its end."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfsm.execution import Execution, Failure
from hfsm.train import what_to_do


def uploaded(aws: Any, bucket: str = "dev-data") -> list[str]:
    return [entry["Key"] for entry in aws.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]


def executions(aws: Any) -> list[dict[str, Any]]:
    step_functions = aws.client("stepfunctions")
    machine = step_functions.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    listed = step_functions.list_executions(stateMachineArn=machine)["executions"]
    return [step_functions.describe_execution(executionArn=entry["executionArn"]) for entry in listed]


def test_a_request_that_is_no_json_is_told_with_line_and_column(hfsm: Any, tmp_path: Path) -> None:
    # Given a request with a comma too many
    path = tmp_path / "request.json"
    path.write_text('{"name": "sentiment",\n "channels": {"train": "data",}}')
    # When it is trained
    result = hfsm("train", path)
    # Then nothing is started, and the place is named
    assert result.code == 2
    assert "line 2, column" in result.err
    assert str(path) in result.err


def test_a_request_that_does_not_exist_is_wrong_use(hfsm: Any, tmp_path: Path) -> None:
    result = hfsm("train", tmp_path / "none.json")
    assert result.code == 2
    assert "none.json cannot be read" in result.err


def test_a_broken_line_of_data_is_named_and_nothing_is_uploaded(
    hfsm: Any, deploy: Any, request_file: Callable[..., Path], tmp_path: Path
) -> None:
    # Given data whose third and fifth line are broken
    aws = deploy()
    data = tmp_path / "data" / "train.jsonl"
    lines = data.read_text().splitlines()
    lines[2], lines[4] = '{"text": "no end', '{"text": "no label"}'
    data.write_text("\n".join(lines) + "\n")
    # When it is trained
    result = hfsm("train", request_file())
    # Then both lines are named, and nothing has happened
    assert result.code == 2
    assert f"{data}, line 3: not JSON" in result.err
    assert f"{data}, line 5: field label must be an integer" in result.err
    assert uploaded(aws) == []
    assert executions(aws) == []


def test_all_problems_of_a_request_are_told_at_once(
    hfsm: Any, request_file: Callable[..., Path], tmp_path: Path
) -> None:
    result = hfsm("train", request_file(channels={"train": "nowhere", "test": 3}, source_dir="no-code"))
    assert result.code == 2
    assert "channels.train" in result.err
    assert "channels.test must be an S3 URI or a folder, found 3" in result.err
    assert "source_dir must be an S3 URI or a folder, found 'no-code'" in result.err


def test_local_data_and_code_are_uploaded_and_the_outcome_is_printed(
    hfsm: Any, deploy: Any, request_file: Callable[..., Path], tmp_path: Path
) -> None:
    # Given an environment, and a request with a folder of data, one in S3, and a folder of code
    aws = deploy()
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("print()\n")
    channels = {"train": "data", "test": "s3://elsewhere/test/"}
    path = request_file(channels=channels, source_dir="code", entry_point="main.py")
    # When it is trained
    result = hfsm("train", path, "--env", "dev")
    # Then the state machine got S3 URIs of what was uploaded
    assert result.code == 0, result.err
    [execution] = executions(aws)
    request = json.loads(execution["input"])
    [key] = uploaded(aws)
    assert request["channels"]["train"] == f"s3://dev-data/{key.removesuffix('train.jsonl')}"
    assert request["channels"]["test"] == "s3://elsewhere/test/"
    assert request["source_dir"] == f"s3://dev-models/{uploaded(aws, 'dev-models')[0]}"
    body = aws.client("s3").get_object(Bucket="dev-data", Key=key)["Body"].read()
    assert body == (tmp_path / "data" / "train.jsonl").read_bytes()
    # And what came out is printed
    assert "eval_accuracy 0.81, at least 0.6 asked for" in result.out
    assert "model-package/dev-text-classification/1" in result.out
    assert execution["name"].startswith("sentiment-")


def test_a_channel_of_a_file_system_is_passed_on_as_it_is(
    hfsm: Any, deploy: Any, request_file: Callable[..., Path]
) -> None:
    aws = deploy()
    mounted = {"file_system": "corpora", "directory_path": "/shared/reviews"}
    assert hfsm("train", request_file(channels={"train": "data", "corpus": mounted})).code == 0
    [execution] = executions(aws)
    assert json.loads(execution["input"])["channels"]["corpus"] == mounted


def test_a_path_that_leads_up_in_a_file_system_is_told_before_anything_is_uploaded(
    hfsm: Any, deploy: Any, request_file: Callable[..., Path]
) -> None:
    aws = deploy()
    mounted = {"file_system": "corpora", "directory_path": "/shared/../private"}
    result = hfsm("train", request_file(channels={"train": "data", "corpus": mounted}))
    assert result.code == 2
    assert "channels.corpus.directory_path is '/shared/../private'" in result.err
    assert uploaded(aws) == []


def test_the_same_data_is_uploaded_once(hfsm: Any, deploy: Any, request_file: Callable[..., Path]) -> None:
    aws = deploy()
    path = request_file()
    hfsm("train", path)
    before = aws.client("s3").list_objects_v2(Bucket="dev-data")["Contents"]
    result = hfsm("train", path)
    assert "train.jsonl is there already" in result.out
    assert aws.client("s3").list_objects_v2(Bucket="dev-data")["Contents"] == before


def test_a_failure_shows_state_error_cause_and_what_to_do(
    hfsm: Any, deploy: Any, request_file: Callable[..., Path]
) -> None:
    # Given a training that fails with the script's own last lines as its cause
    cause = "The training script failed.\nValueError: the labels are all alike"
    deploy({"Failed": {"Type": "Fail", "Error": "TrainingFailed", "Cause": cause}})
    # When it is followed
    result = hfsm("train", request_file())
    # Then the script's words reach the screen
    assert result.code == 1
    assert "failed in state Failed: TrainingFailed" in result.out
    assert "ValueError: the labels are all alike" in result.out
    assert "redrive-execution --execution-arn arn:" in result.out


def test_a_failed_training_job_can_go_on_from_its_checkpoints(aws: Any) -> None:
    # Given a training job that kept checkpoints
    checkpoints = {"S3Uri": "s3://dev-checkpoints/sentiment", "LocalPath": "/opt/ml/checkpoints"}
    aws.client("sagemaker").create_training_job(
        TrainingJobName="dev-sentiment-spot",
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::123456789012:role/dev",
        InputDataConfig=[
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://dev-data/"}},
            }
        ],
        OutputDataConfig={"S3OutputPath": "s3://dev-models/"},
        ResourceConfig={"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        CheckpointConfig=checkpoints,
    )
    failure = Failure("FAILED", "TrainOnSpot", "TrainingJobFailed", "", "dev-sentiment-spot")
    # it is told what to do, then with its log and its checkpoints
    told = what_to_do(Execution(aws, "arn:execution"), failure)
    assert "--log-stream-name-prefix dev-sentiment-spot/" in told
    assert '"checkpoint_s3_uri": "s3://dev-checkpoints/sentiment"' in told


def test_without_waiting_it_says_how_to_follow_and_stop(
    hfsm: Any, deploy: Any, request_file: Callable[..., Path]
) -> None:
    deploy({"Wait": {"Type": "Wait", "Seconds": 1, "End": True}})
    result = hfsm("train", request_file(), "--no-wait")
    assert result.code == 0
    assert "aws --endpoint-url http://localhost" in result.out
    assert "stop-execution --execution-arn arn:" in result.out


def test_the_image_of_the_command_stands_over_that_of_the_request(
    hfsm: Any, deploy: Any, request_file: Callable[..., Path]
) -> None:
    aws = deploy()
    assert hfsm("train", request_file(image="training"), "--image", "whisper", "--no-wait").code == 0
    (run,) = executions(aws)
    assert json.loads(run["input"])["image"] == "whisper"


def test_an_interrupted_follower_leaves_the_execution_running(
    hfsm: Any, deploy: Any, request_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a training that takes long, and someone who presses Ctrl-C
    aws = deploy({"Wait": {"Type": "Wait", "Seconds": 3, "End": True}})

    def press(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hfsm.train.time.sleep", press)
    # When it is followed
    result = hfsm("train", request_file())
    # Then it goes on, and the command to stop it is printed
    assert result.code == 1
    assert "the execution goes on" in result.out
    assert "stop-execution --execution-arn arn:" in result.out
    assert [execution["status"] for execution in executions(aws)] == ["RUNNING"]


def test_an_unknown_job_type_is_told_with_those_that_exist(
    hfsm: Any, deploy: Any, request_file: Callable[..., Path]
) -> None:
    deploy()
    result = hfsm("train", request_file(job_type="translation"))
    assert result.code == 2
    assert "job_type is 'translation'; environment 'dev' has text-classification" in result.err


def test_an_environment_that_is_not_deployed_is_told(hfsm: Any, aws: Any, request_file: Callable[..., Path]) -> None:
    result = hfsm("train", request_file(), "--env", "staging")
    assert result.code == 2
    assert "/hf-sagemaker/staging/training/" in result.err
    assert "make deploy ENV=staging" in result.err


def test_an_aws_that_does_not_answer_is_one_paragraph(
    hfsm: Any, aws: Any, request_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:9")
    monkeypatch.setattr("hfsm.cloud.Config", lambda retries: None)
    result = hfsm("train", request_file())
    assert result.code == 1
    assert "Nothing answers at http://localhost:9" in result.err
    assert "Traceback" not in result.err
