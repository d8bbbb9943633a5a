"""What is read out of an execution's history and a training job's log."""

import json
import time
from typing import Any

from hfsm.cloud import Cloud
from hfsm.execution import Execution, _failed_state, _training_job, _tuning_job, execution_name, readable_cause
from hfsm.training_log import LogTail, TrainingProgress


def entered(name: str, kind: str = "TaskStateEntered") -> dict[str, Any]:
    return {"type": kind, "stateEnteredEventDetails": {"name": name}}


def scheduled(job: str) -> dict[str, Any]:
    details = {"resource": "createTrainingJob.sync", "parameters": json.dumps({"TrainingJobName": job})}
    return {"type": "TaskScheduled", "taskScheduledEventDetails": details}


def test_the_newest_training_job_is_the_one_that_runs() -> None:
    events = [entered("TrainOnSpot"), scheduled("spot"), {"type": "TaskFailed"}, entered("x"), scheduled("demand")]
    assert _training_job(events) == "demand"
    assert _training_job(events[:1]) is None


def test_the_state_to_blame_is_not_the_one_that_reports_it() -> None:
    # Given spot that failed, on-demand that succeeded, an evaluation that failed, and the task that fails a run
    events = [
        entered("TrainOnSpot"),
        {"type": "TaskFailed"},
        entered("TrainOnDemand"),
        {"type": "TaskSucceeded"},
        entered("Evaluate"),
        {"type": "TaskFailed"},
        entered("Explain", "PassStateEntered"),
        entered("Failed"),
        {"type": "TaskScheduled", "taskScheduledEventDetails": {"resourceType": "aws-sdk:sfn"}},
        {"type": "TaskFailed"},
        {"type": "ExecutionFailed"},
    ]
    # Then Evaluate is to blame
    assert _failed_state(events) == "Evaluate"
    assert _failed_state([entered("Only", "FailStateEntered"), {"type": "ExecutionFailed"}]) == "Only"


def test_the_sentence_for_people_is_taken_out_of_a_cause() -> None:
    assert readable_cause('{"errorMessage": "no such field", "errorType": "E"}') == "no such field"
    assert readable_cause('{"FailureReason": "exit code 1", "TrainingJobName": "x"}') == "exit code 1"
    assert readable_cause("plain words") == "plain words"
    assert readable_cause('["other"]') == '["other"]'


def test_a_name_is_fit_for_a_training_job_and_never_the_same() -> None:
    names = {execution_name("My sentiment, v2 " + "x" * 80) for _ in range(500)}
    assert len(names) == 500
    for name in names:
        assert name.startswith("My-sentiment-v2-")
        assert len(name) <= 40
        assert name.replace("-", "").isalnum()


def test_the_log_of_a_training_is_understood() -> None:
    # Given the log of a script that was interrupted once
    progress = TrainingProgress()
    lines = [
        "hfsm.start resumed_from_step=0 total_steps=300 save_steps=50 train_rows=80 test_rows=20",
        "hfsm.step step=140 loss=0.69",
        "hfsm.interrupted step=143 checkpoint_step=143",
        "some other line",
        "hfsm.start resumed_from_step=143 total_steps=300 save_steps=50 train_rows=80 test_rows=20",
        "hfsm.step step=300 loss=0.2",
        "hfsm.result eval_accuracy=0.8 majority_baseline=0.5 eval_loss=0.4 final_step=300",
    ]
    # When it is read
    understood = [progress.read(line) for line in lines]
    # Then everything in it is known
    assert understood == [True, True, True, False, True, True, True]
    assert progress.resumed_from == [0, 143]
    assert progress.interruptions == [143]
    assert progress.result["eval_accuracy"] == 0.8
    assert progress.sentence == "step 300 of 300, loss 0.2000"


def test_a_line_in_another_form_does_not_stop_the_follower() -> None:
    assert TrainingProgress().read("hfsm.step step=many loss=few") is False


def test_new_lines_of_every_stream_are_read_once(aws: Cloud) -> None:
    # Given a job that writes to one stream, and after an interruption to another
    logs = aws.client("logs")
    logs.create_log_group(logGroupName="group")

    def write(stream: str, *lines: str) -> None:
        events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
        logs.put_log_events(logGroupName="group", logStreamName=stream, logEvents=events)

    tail = LogTail(logs, "group", "job/")
    assert tail.new_lines() == []
    logs.create_log_stream(logGroupName="group", logStreamName="job/algo-1-1")
    write("job/algo-1-1", "one", "two")
    # When it is looked at again and again, then each line comes once
    assert tail.new_lines() == ["one", "two"]
    assert tail.new_lines() == []
    write("job/algo-1-1", "three")
    logs.create_log_stream(logGroupName="group", logStreamName="job/algo-1-2")
    logs.create_log_stream(logGroupName="group", logStreamName="other/algo-1-2")
    write("job/algo-1-2", "four")
    write("other/algo-1-2", "of another job")
    assert tail.new_lines() == ["three", "four"]


def test_a_group_that_does_not_exist_yet_has_no_lines(aws: Cloud) -> None:
    assert LogTail(aws.client("logs"), "/aws/sagemaker/TrainingJobs", "job/").new_lines() == []


class _Searching:
    """SageMaker with one tuning job, and no logs yet."""

    def __init__(self, **described: Any) -> None:
        self.described = described

    def describe_hyper_parameter_tuning_job(self, **_: str) -> dict[str, Any]:
        return self.described


def test_a_search_says_how_far_it_is() -> None:
    counts = {"Completed": 2, "InProgress": 1, "NonRetryableError": 1, "Stopped": 0}
    best = {"FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "eval_accuracy", "Value": 0.81234}}
    limits = {"MaxNumberOfTrainingJobs": 8, "MaxParallelTrainingJobs": 2}
    sagemaker = _Searching(
        TrainingJobStatusCounters=counts,
        HyperParameterTuningJobConfig={"ResourceLimits": limits},
        BestTrainingJob=best,
    )
    cloud: Any = type("Cloud", (), {"client": lambda self, name: sagemaker})()
    said = Execution(cloud, "arn:run")._search_status("dev-search")
    assert said == "3 of 8 training jobs have ended, the best with eval_accuracy = 0.8123"
    # And before any has ended, and in a grid
    sagemaker.described |= {"BestTrainingJob": None, "TrainingJobStatusCounters": {}}
    limits.pop("MaxNumberOfTrainingJobs")
    assert Execution(cloud, "arn:run")._search_status("dev-search") == "0 training jobs have ended"


def test_the_newest_tuning_job_is_followed_too() -> None:
    parameters = json.dumps({"HyperParameterTuningJobName": "dev-search"})
    details = {"resource": "createHyperParameterTuningJob.sync", "parameters": parameters}
    events = [scheduled("other"), {"type": "TaskScheduled", "taskScheduledEventDetails": details}]
    assert _tuning_job(events) == "dev-search"
    assert _training_job(events) == "other"
