"""What a run's report says, and that people are told once, whatever is delivered twice or fails in between."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from report_training import message, metrics, reading
from report_training.handler import handle
from report_training.logic import LONGEST_CAUSE, Subject, make_report
from report_training.searches import Search

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:text"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:text:sentiment-1"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/dev-text/1"
PRICE = {"per_hour": 0.72, "as_of": "2026-11-21"}
BEGAN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = "hf_" + "a" * 30


def _event(status: str = "SUCCEEDED", **changes: Any) -> dict[str, Any]:
    machines = {MACHINE: {"job_type": "text", "topic": "arn:aws:sns:us-east-1:123456789012:runs"}}
    return {
        "execution": EXECUTION,
        "machine": MACHINE,
        "status": status,
        "redrives": "0",
        "environment": "dev",
        "bucket": "models",
        "prices": {"ml.g4dn.xlarge": PRICE},
        "machines": machines,
    } | changes


def _job(
    name: str = "dev-spot", trained: int | None = 1000, billed: int | None = 300, **changes: Any
) -> dict[str, Any]:
    """A job on spot, done. changes: of the description."""
    described = {
        "TrainingJobName": name,
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "EnableManagedSpotTraining": True,
        "ResourceConfig": {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1},
        "CheckpointConfig": {"S3Uri": "s3://checkpoints/1"},
        "HyperParameters": {"password": "correct horse"},
        "Environment": {"TOKEN": "battery staple"},
        "SecondaryStatusTransitions": _transitions("Starting", "Training", "Completed"),
        "FinalMetricDataList": [{"MetricName": "eval_accuracy", "Value": 0.81}],
        "TrainingTimeInSeconds": trained,
        "BillableTimeInSeconds": billed,
    } | changes
    return {member: value for member, value in described.items() if value is not None}


def _transitions(*statuses: str, begin: int = 0) -> list[dict[str, Any]]:
    """One begins each minute, from the minute `begin` on."""
    return [{"Status": each, "StartTime": BEGAN + timedelta(minutes=begin + i)} for i, each in enumerate(statuses)]


def _execution(**changes: Any) -> dict[str, Any]:
    output = {"evaluation": {"metric": "eval_accuracy", "value": 0.81, "minimum": 0.6}, "model_package_arn": PACKAGE}
    done = {"output": json.dumps(output), "input": '{"name": "correct horse"}'}
    return {"startDate": BEGAN, "stopDate": BEGAN + timedelta(hours=1), **done} | changes


def _report(*jobs: dict[str, Any], event: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    attempts = changes.pop("attempts", {})
    lines = changes.pop("lines", ())
    return make_report(Subject.from_input(event or _event()), _execution(**changes), jobs, attempts, lines)


def _metrics(report: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(metrics.line(report))
    return found


def test_a_run_on_spot_says_what_it_cost_and_saved() -> None:
    report = _report(_job())
    assert (report["training_seconds"], report["billable_seconds"], report["savings_percent"]) == (1000, 300, 70.0)
    assert report["money"] == {
        "currency": "USD",
        "cost": 0.06,
        "without_spot": 0.2,
        "saved": 0.14,
        "prices_as_of": "2026-11-21",
    }
    said = message.text(report, "s3://models/reports/text/sentiment-1.json")
    assert "saved 70.0 %. Cost: 0.06 USD in place of 0.20 on demand, so 0.14 saved (prices of 2026-11-21)" in said
    assert "eval_accuracy is 0.81; at least 0.6 was asked for" in said
    assert f"approve it for deployment or reject it: {PACKAGE}" in said


def test_a_run_that_a_trigger_has_started_says_so() -> None:
    report = _report(_job(), event=_event(execution=f"{EXECUTION.rpartition(':')[0]}:nightly_schedule_20261121T0300"))
    assert report["started_by"] == {"trigger": "nightly", "kind": "schedule"}
    assert "succeeded. The trigger nightly has started it (its time had come)." in message.text(report, "s3://b/k")
    # And nothing is said of any other
    assert _report(_job())["started_by"] is None
    assert "trigger" not in message.text(_report(_job()), "s3://b/k")


def test_two_instances_are_billed_twice() -> None:
    report = _report(_job(ResourceConfig={"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 2}))
    assert report["billable_seconds"] == 600
    assert report["money"]["cost"] == 0.12


def test_a_fallback_counts_both_jobs_and_the_way_between_them() -> None:
    # Given a run whose spot instances went in minute 2, and that waited for others until it went on on demand
    spot = _job(
        trained=600,
        billed=200,
        TrainingJobStatus="Stopped",
        FinalMetricDataList=None,
        SecondaryStatusTransitions=_transitions("Starting", "Training", "Interrupted", "MaxWaitTimeExceeded"),
    )
    on_demand = _job(
        "dev-on-demand",
        400,
        400,
        EnableManagedSpotTraining=False,
        SecondaryStatusTransitions=_transitions("Starting", "Training", "Completed", begin=10),
    )
    # When its report is made
    lines = ["hfsm.start resumed_from_step=0", "hfsm.step step=40", "hfsm.start resumed_from_step=20 total_steps=60"]
    report = _report(spot, on_demand, lines=lines)
    # Then both are in it, and the time and the steps that were lost
    assert (report["training_seconds"], report["billable_seconds"], report["savings_percent"]) == (1000, 600, 40.0)
    assert (report["interruptions"], report["seconds_to_recover"], report["steps_lost"]) == (1, [540.0], 20)
    assert report["metrics"] == {"eval_accuracy": 0.81}
    said = message.text(report, "s3://r")
    assert "Trained 1000 s on spot, then on demand, billed 600 s" in said
    assert "taken away once; training went on after 540 s; 20 steps were done twice" in said


def test_every_interruption_has_its_recovery() -> None:
    transitions = ("Starting", "Training", "Interrupted", "Starting", "Downloading", "Training")
    report = _report(_job(SecondaryStatusTransitions=_transitions(*transitions, "Interrupted", "Training")))
    assert (report["interruptions"], report["seconds_to_recover"]) == (2, [180.0, 60.0])
    assert _metrics(report)["SecondsToRecover"] == [180.0, 60.0]


def test_nothing_is_lost_where_sigterm_reached_the_script() -> None:
    lines = ["hfsm.start resumed_from_step=0", "hfsm.step step=40", "hfsm.interrupted step=43"]
    assert _report(_job(), lines=[*lines, "hfsm.start resumed_from_step=43"])["steps_lost"] == 0
    assert _report(_job(), lines=["epoch 1"])["steps_lost"] is None


def test_without_a_price_seconds_and_percent_stay_and_it_says_why() -> None:
    report = _report(_job(ResourceConfig={"InstanceType": "ml.p5.48xlarge", "InstanceCount": 1}))
    assert report["savings_percent"] == 70.0
    assert "no price is known for ml.p5.48xlarge in this region" in message.text(report, "s3://r")
    assert "CostUSD" not in _metrics(report)
    assert _metrics(report)["BillableSeconds"] == 300


@pytest.mark.parametrize(
    ("status", "words"),
    [("FAILED", "redrive-execution"), ("TIMED_OUT", "took longer than a run may"), ("ABORTED", "Somebody stopped")],
)
def test_a_run_that_did_not_succeed_says_why_and_how_to_go_on(status: str, words: str) -> None:
    failed = _job(TrainingJobStatus="Failed" if status == "FAILED" else "Stopped")
    cause = f"ValueError: no column `stars`, token {SECRET}" if status == "FAILED" else None
    report = _report(failed, event=_event(status), output=None, error="TrainingJobFailed", cause=cause)
    said = message.text(report, "s3://r")
    assert words in said
    assert '"checkpoint_s3_uri": "s3://checkpoints/1"' in said
    assert ("ValueError: no column `stars`" in said) is (status == "FAILED")
    assert _metrics(report)["Failures"] == 1
    assert report["model_package_arn"] is None


def test_a_request_that_was_refused_costs_nothing() -> None:
    report = _report(event=_event("FAILED"), output=None, error="InvalidRequest", cause="max_wait is below max_run")
    said = message.text(report, "s3://r")
    assert "No training job was started, so no training is billed" in said
    assert "Cost" not in said
    assert (report["training_jobs"], report["savings_percent"]) == ([], None)


def test_a_job_that_has_not_ended_has_no_cost_yet() -> None:
    report = _report(_job(trained=None, billed=None, TrainingJobStatus="Stopping"), event=_event("ABORTED"))
    assert "Cost: not known, since a training job has not ended yet" in message.text(report, "s3://r")
    assert "BillableSeconds" not in _metrics(report)


def test_a_redrive_counts_no_job_again() -> None:
    jobs = [_job("first", 100, 100), _job("second", 50, 50)]
    report = _report(*jobs, event=_event(redrives="1"), attempts={"first": 0, "second": 1})
    assert report["training_seconds"] == 150
    assert _metrics(report)["TrainingSeconds"] == 50


def test_jobs_are_found_in_the_history_whatever_the_states_are_called() -> None:
    def scheduled(resource: str, **parameters: str) -> dict[str, Any]:
        details = {"resource": resource, "parameters": json.dumps(parameters)}
        return {"type": "TaskScheduled", "taskScheduledEventDetails": details}

    events = [
        {"type": "ExecutionStarted"},
        scheduled("createModelPackage", ModelPackageGroupName="dev-text"),
        scheduled("createTrainingJob.sync", TrainingJobName="first"),
        scheduled("createTrainingJob.sync", TrainingJobName="first"),  # tried again
        {"type": "ExecutionRedriven"},
        scheduled("createTrainingJob.sync", TrainingJobName="second"),
    ]
    assert reading.started(events, "TrainingJob") == {"first": 0, "second": 1}


@pytest.mark.parametrize(
    ("partition", "region", "console"),
    [
        ("aws", "eu-west-1", "https://eu-west-1.console.aws.amazon.com/"),
        ("aws-cn", "cn-north-1", "https://cn-north-1.console.amazonaws.cn/"),
        ("aws-us-gov", "us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/"),
    ],
)
def test_links_lead_to_the_console_of_the_partition(partition: str, region: str, console: str) -> None:
    execution = EXECUTION.replace("arn:aws:", f"arn:{partition}:").replace("us-east-1", region)
    found = _report(_job(), event=_event(execution=execution))["links"]
    assert set(found) == {"execution", "training_job", "logs"}
    assert all(url.startswith(console) for url in found.values())


def test_neither_report_nor_message_hold_what_the_run_was_given() -> None:
    report = _report(_job(), event=_event("FAILED"), output=None, cause=f"{SECRET} " + "x" * 20_000)
    report["text"] = message.text(report, "s3://r")
    told = json.dumps(report) + json.dumps(message.parts(report, "s3://r")) + metrics.line(report)
    for secret in ("correct horse", "battery staple", SECRET):
        assert secret not in told
    assert len(report["cause"]) == LONGEST_CAUSE


def test_the_longest_message_is_one_that_sns_takes() -> None:
    report = _report(*[_job()] * 4, event=_event("FAILED"), output=None, cause="\U0001f917" * 20_000)
    report["text"] = message.text(report, "s3://r")
    parts = message.parts(report, "s3://r")
    assert len(parts["Message"].encode()) < 256 * 1024
    assert len(parts["Subject"]) < 100


class _Aws:
    """Step Functions, SageMaker and CloudWatch Logs with one finished run; S3, SNS and SQS are moto's."""

    def __init__(self) -> None:
        self.real = {name: boto3.client(name, region_name="us-east-1") for name in ("s3", "sns", "sqs")}
        self.real["s3"].create_bucket(Bucket="models")
        self.topic = self.real["sns"].create_topic(Name="runs")["TopicArn"]
        self.queue = self.real["sqs"].create_queue(QueueName="people")["QueueUrl"]
        arn = self.real["sqs"].get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]
        self.real["sns"].subscribe(
            TopicArn=self.topic, Protocol="sqs", Endpoint=arn["QueueArn"], Attributes={"RawMessageDelivery": "true"}
        )

    def client(self, name: str) -> Any:
        return self.real.get(name, self)

    def describe_execution(self, **_: str) -> dict[str, Any]:
        return _execution()

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: str) -> Iterator[dict[str, Any]]:
        details = {"resource": "createTrainingJob.sync", "parameters": '{"TrainingJobName": "dev-spot"}'}
        yield {"events": [{"type": "TaskScheduled", "taskScheduledEventDetails": details}]}

    def describe_training_job(self, **_: str) -> dict[str, Any]:
        return _job()

    def report(self) -> dict[str, Any]:
        answer = self.real["s3"].get_object(Bucket="models", Key="reports/text/sentiment-1.json")
        found: dict[str, Any] = json.load(answer["Body"])
        return found

    def told(self) -> list[dict[str, Any]]:
        found = self.real["sqs"].receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        return [json.loads(each["Body"]) for each in found.get("Messages", [])]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Aws]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        made = _Aws()
        monkeypatch.setattr("report_training.handler.boto3.client", made.client)
        yield made


def test_an_event_that_comes_twice_tells_and_counts_once(aws: _Aws, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = handle(_event(), None), handle(_event(), None)
    assert (first["told"], second["told"]) == (True, False)
    (told,) = aws.told()
    assert (told["status"], told["report"]) == ("SUCCEEDED", "s3://models/reports/text/sentiment-1.json")
    assert aws.report()["message_id"]
    counted = [line for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    assert len(counted) == 1


def test_where_the_topic_is_gone_the_report_stays_and_the_next_attempt_tells(aws: _Aws) -> None:
    # Given a topic that somebody has deleted
    gone = _event(machines={MACHINE: {"job_type": "text", "topic": f"{aws.topic}-gone"}})
    with pytest.raises(ClientError, match="does not exist"):
        handle(gone, None)
    # Then the report is there, and says that nobody was told
    assert aws.report()["training_seconds"] == 1000
    assert "message_id" not in aws.report()
    # And Lambda's next attempt tells, once the topic is there again
    assert handle(_event(), None)["told"] is True
    assert len(aws.told()) == 1


def test_a_tracking_server_that_is_gone_keeps_nobody_from_being_told(
    aws: _Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an environment that tracks its runs in MLflow, whose server does not answer
    monkeypatch.setattr("report_training.tracking_server.address", lambda arn: "http://127.0.0.1:1")
    server = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/experiments"
    # When a run is reported; then people are told, and the report says what MLflow lacks
    assert handle(_event(tracking_server=server), None)["told"] is True
    (told,) = aws.told()
    assert "does not answer" in told["mlflow"]["problem"]
    assert aws.report()["mlflow"] == told["mlflow"]
    assert "MLflow does not have all of this run" in aws.report()["text"]


def _child(name: str, value: float | None, kind: str = "Maximize") -> dict[str, Any]:
    """As ListTrainingJobsForHyperParameterTuningJob shows it. value: None: it has not said."""
    if value is None:
        return {"TrainingJobName": name, "ObjectiveStatus": "Failed"}
    objective = {"Type": kind, "MetricName": "eval_accuracy", "Value": value}
    return {
        "TrainingJobName": name,
        "ObjectiveStatus": "Succeeded",
        "FinalHyperParameterTuningJobObjectiveMetric": objective,
    }


def _searched(*values: float | None, kind: str = "Maximize") -> Search:
    return Search(name="dev-search", redrive=0, children=[_child(f"c{i}", v, kind) for i, v in enumerate(values)])


def test_a_search_reports_the_cost_of_all_its_jobs_and_names_the_best() -> None:
    # Given a search of three, the second of which was best, and the first of which lost its instance for a minute
    search = _searched(0.7, 0.9, None)
    transitions = _transitions("Starting", "Training", "Interrupted", "Training", "Completed")
    jobs = [
        _job("c0", 100, 100, SecondaryStatusTransitions=transitions),
        _job("c1", 100, 100, FinalMetricDataList=[{"MetricName": "eval_accuracy", "Value": 0.9}]),
        _job("c2", 100, 100, TrainingJobStatus="Failed", FinalMetricDataList=None),
    ]
    report = make_report(Subject.from_input(_event()), _execution(), jobs, dict.fromkeys(search.names, 0), [], [search])
    # Then all are paid for
    assert report["billable_seconds"] == 300
    assert report["money"]["cost"] == 0.06
    # And the best one's metrics are the run's, whatever ended last
    assert report["metrics"] == {"eval_accuracy": 0.9}
    assert "#/jobs/c1" in report["links"]["training_job"]
    best = {"job": "c1", "objective": "eval_accuracy", "value": 0.9}
    assert report["tuning_jobs"] == [{"name": "dev-search", "redrive": 0, "training_jobs": 3, "best": best}]
    said = message.text(report, "s3://r")
    assert "Tuning job dev-search ran 3 training jobs; the best was c1, with eval_accuracy = 0.9." in said
    # And what one job lost, another that ran beside it has not brought back
    assert report["seconds_to_recover"] == [60.0]


def test_the_best_of_a_search_for_less_is_the_least() -> None:
    best = _searched(0.7, 0.2, 0.5, kind="Minimize").best
    assert best
    assert best["job"] == "c1"
    assert _searched(None).best is None


def test_a_search_that_failed_can_go_on_from_what_it_found() -> None:
    jobs, event = [_job("c0")], _event("FAILED")
    report = make_report(Subject.from_input(event), _execution(output=None), jobs, {"c0": 0}, [], [_searched(0.7)])
    assert '"warm_start_config": {"parents": ["dev-search"]}' in report["what_to_do"]
    assert "redrive-execution" in report["what_to_do"]


def test_tuning_jobs_are_found_in_the_history() -> None:
    parameters = json.dumps({"HyperParameterTuningJobName": "dev-search"})
    details = {"resource": "createHyperParameterTuningJob.sync", "parameters": parameters}
    events = [{"type": "ExecutionRedriven"}, {"type": "TaskScheduled", "taskScheduledEventDetails": details}]
    assert reading.started(events, "HyperParameterTuningJob") == {"dev-search": 1}
