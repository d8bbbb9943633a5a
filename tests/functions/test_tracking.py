"""What MLflow gets to know of a run, and that nothing of it can keep a run from being reported."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.credentials import Credentials

from report_training import message, tracking, tracking_server
from report_training.logic import Subject, make_report
from report_training.tracking_server import TrackingServer, address
from tests.functions.mlflow_server import ACCESS_KEY, ARN, SECRET_KEY, MlflowServer, running_server

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:text:sentiment-1"
MACHINE = EXECUTION.replace(":execution:", ":stateMachine:").rpartition(":")[0]
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/dev-text/1"
BEGAN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = "hf_" + "a" * 30
URI = "s3://models/reports/text/sentiment-1.json"


def _subject(status: str, redrives: int = 0) -> Subject:
    return Subject.from_input(
        {
            "execution": EXECUTION,
            "machine": MACHINE,
            "status": status,
            "redrives": str(redrives),
            "environment": "dev",
            "bucket": "models",
            "prices": {"ml.g4dn.xlarge": {"per_hour": 0.72, "as_of": "2026-11-21"}},
            "machines": {MACHINE: {"job_type": "text", "topic": "arn:aws:sns:us-east-1:123456789012:runs"}},
            "tracking_server": ARN,
        }
    )


def _job(**changes: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": "dev-sentiment-spot",
        "TrainingJobStatus": "Completed",
        "EnableManagedSpotTraining": True,
        "AlgorithmSpecification": {"TrainingImage": "123456789012.dkr.ecr/training@sha256:1"},
        "ModelArtifacts": {"S3ModelArtifacts": "s3://models/trained/model.tar.gz"},
        "InputDataConfig": [
            {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://data/train/"}}},
            {
                "ChannelName": "corpus",
                "DataSource": {"FileSystemDataSource": {"FileSystemId": "fs-1", "DirectoryPath": "/shared"}},
            },
        ],
        "ResourceConfig": {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1},
        "FinalMetricDataList": [
            {"MetricName": "eval_accuracy", "Value": 0.81, "Timestamp": BEGAN + timedelta(minutes=30)},
            {"MetricName": "loss", "Value": float("nan"), "Timestamp": BEGAN},
        ],
        "TrainingTimeInSeconds": 1000,
        "BillableTimeInSeconds": 300,
    } | changes


def _execution(status: str = "SUCCEEDED", **changes: Any) -> dict[str, Any]:
    request = {
        "schema_version": "1",
        "name": "sentiment",
        "channels": {"train": "s3://data/train/"},
        "hyperparameters": {"epochs": 3, "fp16": True, "odd name!": "a", "note": f"with {SECRET}", "long": "x" * 9000},
        "instance_type": "ml.g4dn.xlarge",
        "distribution": {"torch_distributed": {"enabled": True}},
    }
    code = {"git-repository": "https://github.com/team/code", "git-commit": "0" * 40}
    output = {"model_package_arn": PACKAGE, "code": code} if status == "SUCCEEDED" else None
    return {
        "input": json.dumps(request),
        **({"output": json.dumps(output)} if output else {}),
        "startDate": BEGAN,
        "stopDate": BEGAN + timedelta(hours=1),
    } | changes


def _logged(status: str = "SUCCEEDED", redrives: int = 0, *jobs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What the report says of it."""
    execution = _execution(status, **changes)
    described = jobs or (_job(),)
    report = make_report(_subject(status, redrives), execution, described, {}, ())
    server = TrackingServer(ARN, Credentials(ACCESS_KEY, SECRET_KEY), pause=0)
    report["mlflow"] = tracking.log(server, report, execution, described, URI)
    return report


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowServer]:
    with running_server() as server:
        monkeypatch.setattr(tracking_server, "address", lambda arn: server.url)
        yield server


def _only_run(mlflow: MlflowServer) -> dict[str, Any]:
    (run,) = mlflow.runs.values()
    return run


def test_the_address_is_the_regions() -> None:
    assert address(ARN.replace("us-east-1", "eu-west-1")) == "https://eu-west-1.experiments.sagemaker.aws"


def test_a_run_is_logged_with_what_it_was_asked_for_and_what_came_out(mlflow: MlflowServer) -> None:
    # When a run is logged on a server that has no experiment of its job type
    report = _logged()
    # Then the experiment is there, and the run in it has begun and ended as the execution
    (identifier,) = mlflow.runs
    assert report["mlflow"] == {"experiment": "dev-text", "run_id": identifier}
    run = _only_run(mlflow)
    assert run["experiment"] == mlflow.experiments["dev-text"]
    assert (run["name"], run["status"]) == ("sentiment-1", "FINISHED")
    assert (run["start"], run["end"]) == (1795262400000, 1795266000000)
    # And it has parameters, metrics and tags
    assert {"epochs": "3", "fp16": "true", "odd name_": "a", "request/instance_type": "ml.g4dn.xlarge"}.items() <= run[
        "params"
    ].items()
    assert json.loads(run["params"]["request/distribution"]) == {"torch_distributed": {"enabled": True}}
    assert run["metrics"]["eval_accuracy"] == {(1795264200000, 0, 0.81)}
    assert run["metrics"]["run/savings_percent"] == {(1795266000000, 0, 70.0)}
    assert run["metrics"]["run/cost_usd"] == {(1795266000000, 0, 0.06)}
    assert (
        run["tags"].items()
        >= {
            "hf-sagemaker.execution": EXECUTION,
            "hf-sagemaker.training_jobs": "dev-sentiment-spot",
            "hf-sagemaker.image": "123456789012.dkr.ecr/training@sha256:1",
            "hf-sagemaker.channel.train": "s3://data/train/",
            "hf-sagemaker.channel.corpus": "fs-1:/shared",
            "hf-sagemaker.model_package": PACKAGE,
            "hf-sagemaker.report": URI,
            "mlflow.source.name": "https://github.com/team/code",
            "mlflow.source.git.commit": "0" * 40,
        }.items()
    )
    # And people are told where
    assert f"MLflow: run {identifier} of experiment dev-text." in message.text(report, URI)


def test_what_mlflow_would_not_take_is_left_out_or_cut_and_tokens_are_removed(mlflow: MlflowServer) -> None:
    _logged()
    run = _only_run(mlflow)
    assert "loss" not in run["metrics"]  # no number
    assert len(run["params"]["long"]) == 5000
    assert run["params"]["note"] == "with [removed]"


def test_an_execution_is_one_run_however_often_it_is_reported(mlflow: MlflowServer) -> None:
    # Given a run that failed, whose end is delivered twice
    for _ in range(2):
        _logged("FAILED")
    assert _only_run(mlflow)["status"] == "FAILED"
    # When it is redriven and succeeds
    _logged("SUCCEEDED", 1)
    # Then the same run has ended well, and a metric that is the same is there once
    run = _only_run(mlflow)
    assert (run["status"], run["tags"]["hf-sagemaker.redrives"]) == ("FINISHED", "1")
    assert len(run["metrics"]["eval_accuracy"]) == 1


@pytest.mark.parametrize(("status", "mlflows"), [("ABORTED", "KILLED"), ("TIMED_OUT", "FAILED")])
def test_how_a_run_ended_is_said_in_mlflows_words(mlflow: MlflowServer, status: str, mlflows: str) -> None:
    _logged(status)
    assert _only_run(mlflow)["status"] == mlflows


def test_a_request_that_is_none_is_logged_without_parameters(mlflow: MlflowServer) -> None:
    assert "problem" not in _logged("FAILED", input="[1, 2]")["mlflow"]
    assert _only_run(mlflow)["params"] == {}


def test_a_busy_server_is_asked_once_more(mlflow: MlflowServer) -> None:
    mlflow.failures = [(503, {"message": "slow down"})]
    assert "run_id" in _logged()["mlflow"]
    assert mlflow.calls[:2] == ["experiments/get-by-name"] * 2


def test_a_run_is_not_made_twice_where_the_answer_got_lost(mlflow: MlflowServer) -> None:
    _logged()  # the experiment is there
    mlflow.runs.clear()
    mlflow.calls.clear()
    mlflow.failures = [(200, {"experiment": {"experiment_id": "1"}}), (200, {}), (502, {"message": "lost"})]
    assert "runs/create: 502  lost" in _logged()["mlflow"]["problem"]
    assert mlflow.calls.count("runs/create") == 1


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ((403, {"message": "not authorized to perform GetExperimentByName"}), "the reporting role may use it"),
        ((500, {}), "no reason was given"),
        ((200, {"experiment": {}}), "KeyError: 'experiment_id'"),
    ],
)
def test_what_goes_wrong_is_said_and_nothing_else(mlflow: MlflowServer, failure: Any, words: str) -> None:
    mlflow.failures = [failure] * 2
    report = _logged()
    assert words in report["mlflow"]["problem"]
    assert "MLflow does not have all of this run (experiment dev-text)" in message.text(report, URI)


def test_a_signature_with_another_key_is_refused(mlflow: MlflowServer) -> None:
    with pytest.raises(tracking_server.TrackingError, match="403"):
        TrackingServer(ARN, Credentials(ACCESS_KEY, "another"), pause=0).experiment("dev-text")


def test_a_server_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_server, "address", lambda arn: "http://127.0.0.1:1")
    assert "does not answer" in _logged()["mlflow"]["problem"]
