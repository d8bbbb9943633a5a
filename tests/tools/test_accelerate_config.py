"""`hfsm train --accelerate-config`: accelerate's file is a training request; and the other way round."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

# As accelerate writes it after its questions: one machine, half precision.
WRITTEN = {
    "base_job_name": "accelerate-sagemaker-1",
    "compute_environment": "AMAZON_SAGEMAKER",
    "debug": False,
    "distributed_type": "NO",
    "ec2_instance_type": "ml.g4dn.xlarge",
    "enable_cpu_affinity": False,
    "gpu_ids": "all",
    "iam_role_name": "accelerate_sagemaker_execution_role",
    "mixed_precision": "fp16",
    "num_machines": 1,
    "profile": "default",
    "py_version": "py38",
    "pytorch_version": "1.10.2",
    "region": "us-east-1",
    "transformers_version": "4.17.0",
    "use_cpu": False,
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes accelerate's file, its two tables, data and a script into the current folder; arguments replace fields."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text('{"text": "good", "label": 1}\n')
    (tmp_path / "inputs.tsv").write_text("channel_name\tdata_location\ntrain\tdata\ntest\ts3://dev-data/test/\n")
    (tmp_path / "metrics.tsv").write_text("metric_name\tmetric_regex\nf1\tf1=([0-9.]+)\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "run.py").write_text("print()\n")

    def make(**fields: Any) -> Path:
        path = tmp_path / "sagemaker.yaml"
        tables = {"sagemaker_inputs_file": "inputs.tsv", "sagemaker_metrics_file": "metrics.tsv"}
        path.write_text(yaml.safe_dump(WRITTEN | tables | fields))
        return path

    return make


def started(aws: Any) -> dict[str, Any]:
    """The request with which the one execution was started."""
    client = aws.client("stepfunctions")
    machine = client.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    [execution] = client.list_executions(stateMachineArn=machine)["executions"]
    request: dict[str, Any] = json.loads(client.describe_execution(executionArn=execution["executionArn"])["input"])
    return request


def test_a_file_of_accelerate_is_a_training_request(hfsm: Any, deploy: Any, write: Callable[..., Path]) -> None:
    # Given an environment, and a file as accelerate writes it, with arguments for the estimator
    aws = deploy()
    additional = {
        "max_run": 7200,
        "use_spot_instances": True,
        "tags": [{"Key": "team", "Value": "nlp"}],
        "role": "mine",
    }
    path = write(additional_args=additional)
    # When the script is trained with it
    arguments = ("--epochs", "3", "--lr", "5e-5", "--fp16", "--model=tiny", "--offset", "-1")
    result = hfsm("train", "--accelerate-config", path, "code/run.py", "--", *arguments)
    # Then the request says what accelerate would have told the SDK
    assert result.code == 0, result.err
    request = started(aws)
    assert request["name"] == "accelerate-sagemaker"
    assert request["entry_point"] == "run.py"
    assert request["source_dir"].startswith("s3://dev-models/sources/")
    assert request["hyperparameters"] == {"epochs": 3, "lr": 5e-5, "fp16": True, "model": "tiny", "offset": -1}
    assert (request["instance_type"], request["instance_count"]) == ("ml.g4dn.xlarge", 1)
    assert (request["max_run"], request["use_spot_instances"]) == (7200, True)
    assert request["tags"] == {"team": "nlp"}
    assert request["environment"]["ACCELERATE_MIXED_PRECISION"] == "fp16"
    assert request["metric_definitions"] == [{"Name": "f1", "Regex": "f1=([0-9.]+)"}]
    assert request["channels"]["test"] == "s3://dev-data/test/"
    assert request["channels"]["train"].startswith("s3://dev-data/channels/")
    # And it is told what of the file is the environment's to decide
    assert "The environment decides the image and the training role" in result.out
    assert "AWS_PROFILE and AWS_REGION" in result.out


def test_what_no_longer_exists_is_told_with_what_is_there_today(
    hfsm: Any, aws: Any, write: Callable[..., Path]
) -> None:
    path = write(distributed_type="MODEL_PARALLEL", ec2_instance_type="ml.p3.16xlarge", mixed_precision="fp8")
    result = hfsm("train", "--accelerate-config", path, "code/run.py")
    assert result.code == 2
    assert "ml.p3.16xlarge, which SageMaker has no longer: ml.g5.48xlarge does its work today" in result.err
    assert "smdistributed v1" in result.err
    assert "FSDP or DeepSpeed" in result.err
    assert "use bf16 or fp16" in result.err


def test_data_parallelism_is_the_distribution_that_accelerate_asks_for(
    hfsm: Any, deploy: Any, write: Callable[..., Path]
) -> None:
    aws = deploy()
    path = write(distributed_type="DATA_PARALLEL", num_machines=2, ec2_instance_type="ml.p4d.24xlarge")
    hfsm("train", "--accelerate-config", path, "code/run.py")
    assert started(aws)["distribution"] == {"smdistributed": {"dataparallel": {"enabled": True}}}
    assert started(aws)["instance_count"] == 2


def test_every_problem_of_file_tables_and_arguments_is_told_at_once(
    hfsm: Any, aws: Any, write: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "inputs.tsv").write_text("channel_name\tdata_location\ntrain\n")
    path = write(sagemaker_metrics_file="none.tsv", additional_args={"use_spot_instance": True})
    result = hfsm("train", "--accelerate-config", path, "code/none.py", "--", "loose")
    assert result.code == 2
    assert "inputs.tsv, line 2: two columns" in result.err
    assert "none.tsv cannot be read" in result.err
    assert "Did you mean use_spot_instances?" in result.err
    assert "none.py is no Python file" in result.err
    assert "'loose' follows no --name" in result.err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("compute_environment: LOCAL_MACHINE\n", "must be AMAZON_SAGEMAKER"),
        ("[1", "neither YAML nor JSON"),
        (
            "compute_environment: AMAZON_SAGEMAKER\nnum_machines: many\n",
            "num_machines: Input should be a valid integer",
        ),
        ("compute_environment: AMAZON_SAGEMAKER\nnum_machine: 2\n", "num_machine: Extra inputs are not permitted"),
    ],
)
def test_a_file_of_another_kind_is_refused(hfsm: Any, tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    result = hfsm("train", "--accelerate-config", path, "run.py")
    assert result.code == 2
    assert told in result.err


def test_arguments_of_a_script_need_the_configuration(hfsm: Any, request_file: Callable[..., Path]) -> None:
    result = hfsm("train", request_file(), "--", "--epochs", "3")
    assert result.code == 2
    assert "needs --accelerate-config" in result.err


@pytest.fixture
def described(deploy: Any, put_parameters: Any) -> Any:
    """An environment whose stacks tell all that a training job needs."""
    aws = deploy()
    put_parameters(
        {
            "training/text-classification/image": "training",
            "training/text-classification/instance-types": "ml.g5.xlarge,ml.g4dn.xlarge",
            "training/text-classification/subnets": "subnet-1,subnet-2",
            "training/text-classification/security-groups": "sg-1",
            "guardrails/isolation": "true",
            "roles/training-arn": "arn:aws:iam::123456789012:role/teams/dev-training",
            "data/models-key-arn": "arn:aws:kms:us-east-1:123456789012:key/1",
        }
    )
    return aws


def test_a_configuration_of_an_environment_is_one_of_accelerate(
    hfsm: Any, described: Any, put_parameters: Any, tmp_path: Path, write: Callable[..., Path]
) -> None:
    # Given an environment whose image is built
    put_parameters({"images/training/digest": "1.dkr.ecr.us-east-1.amazonaws.com/training@sha256:abc"})
    # When its configuration is written
    result = hfsm("accelerate-config")
    # Then it is one of accelerate's
    assert result.code == 0, result.err
    path = tmp_path / "environment.yaml"
    path.write_text(result.out)
    # By its class: its own reader adds num_processes to a file without data parallelism, and then refuses it.
    program = (
        "import json, sys, yaml; from accelerate.commands.config.config_args import SageMakerConfig\n"
        "print(json.dumps(SageMakerConfig(**yaml.safe_load(open(sys.argv[1]))).to_dict()))"
    )
    command = [os.environ["HFSM_TRAINING_PYTHON"], "-c", program, str(path)]
    read = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    assert read["iam_role_name"] == "dev-training"
    assert read["image_uri"].endswith("training@sha256:abc")
    assert read["ec2_instance_type"] == "ml.g5.xlarge"
    assert read["additional_args"]["subnets"] == ["subnet-1", "subnet-2"]
    assert read["additional_args"]["enable_network_isolation"] is True
    # And so does hfsm
    assert hfsm("train", "--accelerate-config", path, "code/run.py").code == 0


def test_an_image_that_was_never_built_is_told(hfsm: Any, described: Any, put_parameters: Any) -> None:
    put_parameters({"images/training/digest": "none"})
    result = hfsm("accelerate-config")
    assert result.code == 1
    assert "hfsm build training --env dev" in result.err
