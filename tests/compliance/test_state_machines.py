"""The training workflow as the template has it: judged by a validator of its language, and run to each of its ends."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from hf_sagemaker.controls.state_machines import request_defaults, state_machines
from hf_sagemaker.controls.templates import Templates
from hf_sagemaker.controls.verdict import verdict
from hf_sagemaker.controls.workflow_states import CONTROLS
from localcloud.settings import LocalCloud
from localcloud.stepfunctions import install
from validate_training_request.defaults import Defaults
from validate_training_request.logic import InvalidTrainingRequest, training_job

ROOT = Path(__file__).parents[2]
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:training:first"
REQUEST = {
    "schema_version": "1",
    "job_type": "text-classification",
    "name": "a" * 31,
    "channels": {"train": "s3://data-bucket/train/"},
}
Definition = dict[str, Any]
Run = tuple[Any, set[str]]
"""An execution when it has ended, and the states that it entered."""


def _definition(templates: Templates) -> Definition:
    """The training workflow of an environment; ARNs of functions as they will look, other references as names."""
    (machine,) = [each for each in state_machines(templates) if request_defaults(each)]
    text = re.sub(
        r"\$\{[^}]*Function[^}]*\.Arn\}",
        "arn:aws:lambda:us-east-1:123456789012:function:f",
        json.dumps(machine.definition),
    )
    definition: Definition = json.loads(re.sub(r"\$\{[^}]*/(\w+)\.\w+\}", r"\1", text))
    return definition


@pytest.fixture(params=["dev", "prod"])
def definition(request: pytest.FixtureRequest, full_environments: dict[str, Templates]) -> Definition:
    """The workflow of each environment."""
    return _definition(full_environments[request.param])


# --- The language ---


def _validator_says(definition: Definition, folder: Path) -> str:
    """What asl-validator has against a definition; empty when it is valid."""
    file = folder / "definition.json"
    file.write_text(json.dumps(definition))
    done = subprocess.run(
        ["node", ROOT / "node_modules/asl-validator/dist/bin/asl-validator.js", "--json-path", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_definition_is_valid(definition: Definition, tmp_path: Path) -> None:
    assert _validator_says(definition, tmp_path) == ""


def _dangling(definition: Definition) -> None:
    definition["States"]["Evaluate"]["Next"] = "Nowhere"


def _unreached(definition: Definition) -> None:
    definition["States"]["Forgotten"] = {"Type": "Succeed"}


def _neither_next_nor_end(definition: Definition) -> None:
    definition["States"]["Done"].pop("End")


def _in_circles(definition: Definition) -> None:
    definition["States"]["Done"].pop("End")
    definition["States"]["Done"]["Next"] = "Done"


@pytest.mark.parametrize("break_", [_dangling, _unreached, _neither_next_nor_end])
def test_both_judges_refuse_the_same_faults(
    definition: Definition, tmp_path: Path, break_: Callable[[Definition], None]
) -> None:
    # Given a definition with a fault
    break_(definition)
    # Then the validator refuses it, and so does our own check, which needs no Node
    assert _validator_says(definition, tmp_path)
    assert _breaks_61(definition)


def test_our_check_also_sees_ways_without_an_end(definition: Definition) -> None:
    assert not _breaks_61(definition)
    _in_circles(definition)
    assert _breaks_61(definition)


def _breaks_61(definition: Definition) -> bool:
    (control,) = (control for control in CONTROLS if control.number == 61)
    found = verdict(control, _templates(definition))
    assert not found.missing
    return bool(found.breaches)


def _templates(definition: Definition) -> Templates:
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"DefinitionString": json.dumps(definition)},
    }
    return Templates(
        "dev", account="123456789012", region="us-east-1", stacks={"dev-Training": {"Resources": {"Machine": machine}}}
    )


# --- What the function makes of a request (58, 62) ---


def _defaults(definition: Definition, environment: str = "dev") -> Defaults:
    (limits,) = request_defaults(state_machines(_templates(definition))[0])
    return Defaults(**{**limits, "environment": environment, "data_buckets": ["data-bucket"]})


def test_names_of_jobs_are_unique_and_short_enough(definition: Definition) -> None:
    # Given the longest names that an environment and a request may have
    defaults = _defaults(definition, environment="e" * 12)
    # When two executions ask for the same
    jobs = [training_job(dict(REQUEST), defaults, f"{EXECUTION}-{i}") for i in range(2)]
    names = [job[attempt] for job in jobs for attempt in ("spot_job_name", "on_demand_job_name")]
    # Then each attempt of each has a name that SageMaker takes
    assert len(set(names)) == len(names)
    # And so it is after the 99th redrive, whose number follows
    assert all(re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", name) and len(f"{name}-99") <= 63 for name in names), names


def test_the_longest_request_fits_into_an_execution_and_a_longer_one_is_refused(definition: Definition) -> None:
    # Given a request that is nearly as long as one may be
    long = {**REQUEST, "hyperparameters": {f"parameter_{i}": '"' * 500 for i in range(22)}}
    job = training_job(long, _defaults(definition), EXECUTION)
    # When its job fails, and the state carries it in every form
    description = {"HyperParameters": job["hyper_parameters"], "Environment": {}, "FailureReason": "x" * 1024}
    failure = {"Error": "States.TaskFailed", "Cause": json.dumps(description)}
    carried = {**long, "job": job, "training": description, "failure": failure, "cause": {"json": description}}
    # Then Step Functions can still carry it
    assert len(json.dumps(carried)) < 256 * 1024
    # And a longer one is refused before it costs anything
    longer = {**long, "environment": {"VARIABLE": "x" * 2048}}
    with pytest.raises(InvalidTrainingRequest, match="24 KiB"):
        training_job(longer, _defaults(definition), EXECUTION)


# --- Every way through it (59, 63), in the interpreter of the embedded AWS ---

DIGEST = "sha256:" + "1" * 64
IMAGE = {"name": "training", "parameter": "/images/training/digest"}
JOB = {
    "spot": True,
    "image": IMAGE,
    "code": {},
    "evaluation": {"metric": "eval_accuracy", "minimum": 0.5},
    "data": {},
    "resources": {"InstanceType": "ml.g4dn.xlarge"},
}
TRAINED = {"TrainingJobName": "job", "TrainingJobStatus": "Completed", "SecondaryStatus": "Completed"}
STOPPED = {"TrainingJobName": "job", "TrainingJobStatus": "Stopped", "SecondaryStatus": "Stopped"}
WAITED = STOPPED | {"SecondaryStatus": "MaxWaitTimeExceeded"}
RESULT = {
    "training": {"job_name": "job", "training_seconds": 60, "billable_seconds": 20, "model_data": "s3://models/m"},
    "evaluation": {"metric": "eval_accuracy", "value": 0.9, "minimum": 0.5, "passed": True},
    "registration": {
        "approval_status": "PendingManualApproval",
        "description": "Trained by job",
        "metadata": {"gate": "eval_accuracy 0.9 minimum 0.5"},
        "card": "{}",
    },
}
POOR = RESULT | {"evaluation": {"metric": "eval_accuracy", "value": 0.1, "minimum": 0.5, "passed": False}}
PREPARED = {"ProcessingJobName": "prepared", "ProcessingJobStatus": "Completed"}
SCORED = {"ProcessingJobName": "scored", "ProcessingJobStatus": "Completed", "ExitMessage": '{"eval_accuracy": 0.9}'}
TUNED = {
    "HyperParameterTuningJobName": "search",
    "HyperParameterTuningJobStatus": "Completed",
    "BestTrainingJob": {"TrainingJobName": "best"},
}
NO_BEST = {key: value for key, value in TUNED.items() if key != "BestTrainingJob"}
WORKS = {
    "Validate": JOB,
    "TrainOnSpot": TRAINED,
    "TrainOnDemand": TRAINED,
    "DescribeSpotJob": TRAINED,
    "DescribeOnDemandJob": TRAINED,
    "Evaluate": RESULT,
    "Register": {"ModelPackageArn": "arn:package"},
    "PrepareData": PREPARED,
    "DescribePreparationJob": PREPARED,
    "ScoreModel": SCORED,
    "DescribeScoringJob": SCORED,
    "DescribeBest": TRAINED,
    **{f"TuneOn{kind}": TUNED for kind in ("Spot", "Demand")},
    **{f"TuneWarmOn{kind}": TUNED for kind in ("Spot", "Demand")},
    **{f"DescribeTuning{kind}Job": TUNED for kind in ("Spot", "OnDemand", "WarmSpot", "WarmOnDemand")},
}


def _failure(error: str, cause: str | None = None) -> dict[str, str]:
    return {"Error": error} | ({} if cause is None else {"Cause": cause})


def _failed(reason: str) -> dict[str, str]:
    return {"TrainingJobName": "job", "TrainingJobStatus": "Failed", "FailureReason": reason}


def _job_failure(reason: str) -> dict[str, str]:
    return _failure("States.TaskFailed", json.dumps(_failed(reason)))


REFUSED = _failure("InvalidTrainingRequest", json.dumps({"errorMessage": "max_run is wrong", "errorType": "E"}))
NO_ROOM = _job_failure("CapacityError: Unable to provision requested ML compute capacity.")
BAD_SCRIPT = _job_failure("AlgorithmError: no such file")
TIMEOUT = _failure("States.Timeout")
UNREADABLE = _failure("Ssm.SsmException", "not authorized")
DENIED = _failure("SageMaker.SageMakerException", "not authorized")
IN_USE = _failure("SageMaker.ResourceInUseException", "The job exists.")
QUOTA = _failure("SageMaker.ResourceLimitExceededException", "The account-level service limit is 0 Instances.")
TOO_LONG = STOPPED | {"SecondaryStatus": "MaxRuntimeExceeded"}

NAMES = dict.fromkeys(("spot", "on_demand", "warm_spot", "warm_on_demand"), "name")
TO_SCORE = JOB | {"evaluation": {"metric": "eval_accuracy", "minimum": 0.5, "s3_data": "s3://d/", "job_name": "score"}}
TO_PREPARE = JOB | {"preparation": {"inputs": [], "arguments": [], "s3_output": "s3://c/", "job_name": "prep"}}
TO_TUNE = JOB | {"tuning": {"config": {}, "names": NAMES}}
WARM = JOB | {"tuning": {"config": {}, "names": NAMES, "warm_start_config": {}}}
ON_DEMAND = {"spot": False}


def _processing_failure(**said: str) -> dict[str, str]:
    job = {"ProcessingJobName": "processed", "ProcessingJobStatus": "Failed", **said}
    return _failure("States.TaskFailed", json.dumps(job))


def _tuning_failure(**said: str) -> dict[str, str]:
    job = {**TUNED, "HyperParameterTuningJobStatus": "Failed", **said}
    return _failure("States.TaskFailed", json.dumps(job))


# What tasks answer or how they fail, when not as in WORKS; the way it ends: an error, or None; a word of its cause.
WAYS: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "all works": ({}, None, ""),
    "on demand because the request says so": ({"Validate": JOB | {"spot": False}}, None, ""),
    "a wrong request": ({"Validate": REFUSED}, "InvalidTrainingRequest", "max_run is wrong"),
    "no training image yet": ({"ReadTrainingImage": {"uri": "none"}}, "ImageNotBuilt", "run hfsm build"),
    "no inference image yet": ({"ReadInferenceImage": {"uri": "none"}}, "ImageNotBuilt", "run hfsm build"),
    "an image of somebody else's": ({"ReadTrainingImage": {"uri": f"other@{DIGEST}"}}, "ImageNotBuilt", "other@"),
    "an image that is not nameable": (
        {"Validate": JOB | {"image": IMAGE | {"name": "whisper"}}},
        "ImageNotBuilt",
        "/images/training/digest",
    ),
    "the digest cannot be read": ({"ReadTrainingImage": UNREADABLE}, "Ssm.SsmException", "not authorized"),
    "the validation takes too long": ({"Validate": TIMEOUT}, "States.Timeout", "no cause"),
    "no spot capacity": ({"TrainOnSpot": NO_ROOM}, None, ""),
    "waited too long for spot": ({"TrainOnSpot": WAITED}, None, ""),
    "no capacity at all": ({"TrainOnSpot": NO_ROOM, "TrainOnDemand": NO_ROOM}, "NoCapacity", "another instance_type"),
    "no quota for spot": ({"TrainOnSpot": QUOTA}, None, ""),
    "no quota at all": (
        {"TrainOnSpot": QUOTA, "TrainOnDemand": QUOTA},
        "QuotaUsedUp",
        "Amazon SageMaker, `ml.g4dn.xlarge for training job usage`",
    ),
    "the spot job exists already": ({"TrainOnSpot": IN_USE}, None, ""),
    "the job on demand exists already": ({"TrainOnSpot": NO_ROOM, "TrainOnDemand": IN_USE}, None, ""),
    "the spot job exists already and waited too long": ({"TrainOnSpot": IN_USE, "DescribeSpotJob": WAITED}, None, ""),
    "the job on demand exists already and failed": (
        {"TrainOnSpot": QUOTA, "TrainOnDemand": IN_USE, "DescribeOnDemandJob": _failed("AlgorithmError: no such file")},
        "TrainingJobFailed",
        "no such file",
    ),
    "the spot job exists already and cannot be seen": (
        {"TrainOnSpot": IN_USE, "DescribeSpotJob": DENIED},
        "SageMaker.SageMakerException",
        "not authorized",
    ),
    "the kernel kills the script": (
        {"TrainOnSpot": _job_failure("AlgorithmError: , exit code: 137")},
        "TrainingOutOfMemory",
        "gradient_checkpointing",
    ),
    "the kernel kills the script under the toolkit": (
        {
            "TrainOnSpot": _job_failure(
                "AlgorithmError: The script was ended by SIGKILL, most often because memory ran out"
            )
        },
        "TrainingOutOfMemory",
        "gradient_checkpointing",
    ),
    "no memory left on the GPU": (
        {"TrainOnSpot": _job_failure("AlgorithmError: torch.OutOfMemoryError: CUDA out of memory, exit code: 1")},
        "TrainingOutOfMemory",
        "CUDA out of memory",
    ),
    "the image cannot be pulled": (
        {"TrainOnSpot": _job_failure("ClientError: Cannot pull algorithm container. It does not exist.")},
        "TrainingImageRefused",
        "hfsm build",
    ),
    "a channel is empty": (
        {"TrainOnSpot": _job_failure("ClientError: Data download failed:No S3 objects found under S3 URL")},
        "TrainingDataNotRead",
        "channel",
    ),
    "a file system cannot be mounted": (
        {"TrainOnSpot": _job_failure("ClientError: Unable to mount file system: fs-0a1b2c3d, directory path: /a.")},
        "TrainingDataNotRead",
        "admits the security group of jobs",
    ),
    "the job runs too long": ({"TrainOnSpot": TOO_LONG}, "TrainingRanTooLong", "max_run"),
    "the job runs too long, which is an error": (
        {"TrainOnSpot": _failure("States.TaskFailed", json.dumps(TOO_LONG))},
        "TrainingRanTooLong",
        "max_run",
    ),
    "a bad script on spot": ({"TrainOnSpot": BAD_SCRIPT}, "TrainingJobFailed", "no such file"),
    "a bad script on demand": (
        {"TrainOnSpot": WAITED, "TrainOnDemand": BAD_SCRIPT},
        "TrainingJobFailed",
        "no such file",
    ),
    "spot fails without a cause": ({"TrainOnSpot": TIMEOUT}, "States.Timeout", "no cause"),
    "on demand fails without a cause": ({"TrainOnSpot": NO_ROOM, "TrainOnDemand": TIMEOUT}, "States.Timeout", ""),
    "somebody stops the spot job": ({"TrainOnSpot": STOPPED}, "TrainingJobStopped", "checkpoint"),
    "somebody stops the job on demand": (
        {"Validate": JOB | {"spot": False}, "TrainOnDemand": STOPPED},
        "TrainingJobStopped",
        "checkpoint",
    ),
    "the evaluation fails": (
        {"Evaluate": _failure("MetricMissing", json.dumps({"errorMessage": "no metric"}))},
        "MetricMissing",
        "no metric",
    ),
    "the evaluation takes too long": ({"Evaluate": TIMEOUT}, "States.Timeout", "no cause"),
    "a poor model": ({"Evaluate": POOR}, "EvaluationGateFailed", "0.1"),
    "evaluated on data": ({"Validate": TO_SCORE}, None, ""),
    "evaluated on data on demand": ({"Validate": TO_SCORE | ON_DEMAND}, None, ""),
    "the evaluating job exists already": ({"Validate": TO_SCORE, "ScoreModel": IN_USE}, None, ""),
    "the evaluating job exists already and failed": (
        {
            "Validate": TO_SCORE,
            "ScoreModel": IN_USE,
            "DescribeScoringJob": SCORED | {"ProcessingJobStatus": "Failed", "ExitMessage": "no labels"},
        },
        "ProcessingJobFailed",
        "no labels",
    ),
    "the evaluating job says nothing": (
        {"Validate": TO_SCORE, "ScoreModel": PREPARED},
        "NoScores",
        "said nothing",
    ),
    "the data cannot be read": (
        {"Validate": TO_SCORE, "ScoreModel": _processing_failure(FailureReason="ClientError: no objects")},
        "ProcessingJobFailed",
        "no objects",
    ),
    "somebody stops the evaluating job": (
        {"Validate": TO_SCORE, "ScoreModel": _processing_failure()},
        "ProcessingJobStopped",
        "Redrive",
    ),
    "prepared": ({"Validate": TO_PREPARE}, None, ""),
    "prepared for a search": ({"Validate": TO_PREPARE | TO_TUNE}, None, ""),
    "the preparing job exists already": ({"Validate": TO_PREPARE, "PrepareData": IN_USE}, None, ""),
    "the preparing job exists already and was stopped": (
        {
            "Validate": TO_PREPARE,
            "PrepareData": IN_USE,
            "DescribePreparationJob": PREPARED | {"ProcessingJobStatus": "Stopped"},
        },
        "ProcessingJobStopped",
        "prepared",
    ),
    "the data cannot be prepared": (
        {"Validate": TO_PREPARE, "PrepareData": _processing_failure(ExitMessage="line 3 is empty")},
        "ProcessingJobFailed",
        "line 3 is empty",
    ),
    "a search": ({"Validate": TO_TUNE}, None, ""),
    "a search on demand": ({"Validate": TO_TUNE | ON_DEMAND}, None, ""),
    "a search that begins warm": ({"Validate": WARM}, None, ""),
    "a search that begins warm on demand": ({"Validate": WARM | ON_DEMAND}, None, ""),
    "a search whose best is evaluated on data": ({"Validate": TO_SCORE | TO_TUNE}, None, ""),
    "no quota for a search on spot": ({"Validate": TO_TUNE, "TuneOnSpot": QUOTA}, None, ""),
    "no quota for a warm search on spot": ({"Validate": WARM, "TuneWarmOnSpot": QUOTA}, None, ""),
    "no quota for a search at all": (
        {"Validate": TO_TUNE, "TuneOnSpot": QUOTA, "TuneOnDemand": QUOTA},
        "QuotaUsedUp",
        "Service Quotas",
    ),
    **{
        f"a tuning job exists already: {state}": (
            {"Validate": job, state: IN_USE, f"DescribeTuning{kind}Job": TUNED},
            None,
            "",
        )
        for state, kind, job in (
            ("TuneOnSpot", "Spot", TO_TUNE),
            ("TuneOnDemand", "OnDemand", TO_TUNE | ON_DEMAND),
            ("TuneWarmOnSpot", "WarmSpot", WARM),
            ("TuneWarmOnDemand", "WarmOnDemand", WARM | ON_DEMAND),
        )
    },
    **{
        f"a tuning job exists already and was stopped: {state}": (
            {
                "Validate": job,
                state: IN_USE,
                f"DescribeTuning{kind}Job": NO_BEST | {"HyperParameterTuningJobStatus": "Stopped"},
            },
            "TuningJobStopped",
            "warm_start_config",
        )
        for state, kind, job in (
            ("TuneOnSpot", "Spot", TO_TUNE),
            ("TuneOnDemand", "OnDemand", TO_TUNE | ON_DEMAND),
            ("TuneWarmOnSpot", "WarmSpot", WARM),
            ("TuneWarmOnDemand", "WarmOnDemand", WARM | ON_DEMAND),
        )
    },
    "a search that fails": (
        {"Validate": TO_TUNE, "TuneOnSpot": _tuning_failure(FailureReason="No training job succeeded.")},
        "TuningJobFailed",
        "No training job succeeded.",
    ),
    "a search that finds nothing": (
        {"Validate": TO_TUNE, "TuneOnSpot": NO_BEST},
        "NoTrainingJobCompleted",
        "objective_metric_name",
    ),
    "the best of a search cannot be seen": (
        {"Validate": TO_TUNE, "DescribeBest": DENIED},
        "SageMaker.SageMakerException",
        "not authorized",
    ),
    "the registry refuses": ({"Register": DENIED}, "SageMaker.SageMakerException", "not authorized"),
    "the registry takes too long": ({"Register": TIMEOUT}, "States.Timeout", "no cause"),
}


def _with_answers(definition: Definition, answers: dict[str, Any]) -> Definition:
    """The definition with each task's answer in place of the task, or with its error where the task catches it."""
    acted = deepcopy(definition)
    for name, state in acted["States"].items():
        if name == "Failed":
            # What it does needs the service to answer; tests/local has that.
            acted["States"][name] = {"Type": "Fail", "ErrorPath": "$.outcome.Error", "CausePath": "$.outcome.Cause"}
        elif state["Type"] == "Task":
            way = _catch(state, answers[name]["Error"]) if "Error" in answers[name] else state
            acted["States"][name] = {
                "Type": "Pass",
                "Result": answers[name],
                "ResultPath": way["ResultPath"],
                "Next": way["Next"],
            }
    return acted


def _catch(state: dict[str, Any], error: str) -> dict[str, Any]:
    """The first of a task's catches that takes the error."""
    return next(catch for catch in state["Catch"] if {error, "States.ALL"} & set(catch["ErrorEquals"]))


def _run(interpreter: StepFunctionsParserBackend, definition: Definition) -> Run:
    name = f"machine-{time.monotonic_ns()}"
    machine = interpreter.create_state_machine(name, json.dumps(definition), "arn:aws:iam::123456789012:role/states")
    execution: Any = interpreter.start_execution(machine.arn, name, json.dumps(REQUEST))
    deadline = time.monotonic() + 20
    while execution.exec_status == "RUNNING":
        assert time.monotonic() < deadline, "the execution still runs"
        time.sleep(0.01)
    events = interpreter.get_execution_history(execution.exec_arn)["events"]
    return execution, {e["stateEnteredEventDetails"]["name"] for e in events if "stateEnteredEventDetails" in e}


@pytest.fixture(scope="session")
def runs(full_environments: dict[str, Templates], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Each way, run once: the execution when it has ended, and the states that it entered."""
    folders = {n: tmp_path_factory.mktemp("cloud") / n for n in ("state_dir", "image_store", "requirements_dir")}
    install(LocalCloud(port=1, **folders))
    backend = StepFunctionsParserBackend("us-east-1", "123456789012")
    definition = _definition(full_environments["prod"])
    works = WORKS | _images(definition)
    return {way: _run(backend, _with_answers(definition, works | answers)) for way, (answers, _, _) in WAYS.items()}


def _images(definition: Definition) -> dict[str, Any]:
    """What the parameters say of images that were built, by the states that read them."""
    rules = definition["States"]["ImagesBuilt"]["Choices"][0]["And"]
    built = {rule["Variable"]: rule["StringMatches"].replace("sha256:*", DIGEST) for rule in rules[1:]}
    return {
        "ReadTrainingImage": {"uri": built["$.trainingImage.uri"]},
        "ReadInferenceImage": {"uri": built["$.inferenceImage.uri"]},
    }


@pytest.mark.parametrize("way", WAYS)
def test_each_way_ends_as_specified(runs: dict[str, Run], way: str) -> None:
    # Given what tasks answer, or how they fail, and how the workflow ran then
    _, error, word = WAYS[way]
    execution, entered = runs[way]
    # Then it ended as it should
    assert (execution.error, word in (execution.cause or "")) == (error, True), execution.cause
    assert execution.exec_status == ("FAILED" if error else "SUCCEEDED")
    assert ("Failed" if error else "Done") in entered


def test_all_ways_together_enter_every_state(runs: dict[str, Run], full_environments: dict[str, Templates]) -> None:
    entered = {state for _, states in runs.values() for state in states}
    # Besides what waits for a job that runs, and what a redrive goes on with
    states = _definition(full_environments["prod"])["States"]
    elsewhere = {name for name, state in states.items() if state["Type"] == "Wait"} | {"WhereToGoOn"}
    assert entered | elsewhere == set(states)


def test_a_run_without_trouble_needs_few_transitions(runs: dict[str, Run]) -> None:
    _, entered = runs["all works"]
    assert len(entered) <= 12
