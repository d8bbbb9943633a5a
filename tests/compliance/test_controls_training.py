"""Controls 53 to 63, where the mutants do not reach: small state machines written by hand."""

import json
from typing import Any

import pytest

from hf_sagemaker.job_task import JobName
from tests.compliance.small_templates import KEY, Resources, problems, resource

JOB: dict[str, Any] = {
    "TrainingJobName.$": "States.Format('dev-{}', States.UUID())",
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    "ResourceConfig": {"InstanceType": "ml.g5.xlarge"},
    "OutputDataConfig": {"KmsKeyId": KEY},
}
SPOT = JOB | {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
    "CheckpointConfig": {"S3Uri": "s3://checkpoints/", "LocalPath": "/opt/ml/checkpoints"},
}
LIMITS = {
    "instance_type": "ml.g5.xlarge",
    "instance_types": {"ml.g5.xlarge": False, "ml.m5.xlarge": True},
    "volume_key": KEY,
    "use_spot_instances": True,
    "checkpoints": True,
    "max_run": 60,
    "max_wait": 120,
}
RETRY = {"IntervalSeconds": 1, "MaxAttempts": 3, "JitterStrategy": "FULL"}
TRAINING = {"ErrorEquals": ["SageMaker.AmazonSageMakerException", "SageMaker.ResourceLimitExceededException"]} | RETRY
TOLD = {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Next": "Failed"}
FAILED = {"Type": "Fail"}


def _training(job: dict[str, Any], **state: Any) -> dict[str, Any]:
    resource_ = "arn:aws:states:::sagemaker:createTrainingJob.sync"
    return {"Type": "Task", "Resource": resource_, "Parameters": job, "End": True, **state}


def _machine(*states: dict[str, Any], **more: dict[str, Any]) -> Resources:
    """Begins with the first of the states, which are called A, B, …"""
    named = {chr(ord("A") + i): state for i, state in enumerate(states)}
    definition = {"StartAt": "A", "States": named | more}
    return {"Machine": resource("StepFunctions::StateMachine", DefinitionString=json.dumps(definition))}


def _with_limits(**changes: Any) -> Resources:
    """A function makes the job of a request, within limits that the definition holds."""
    validate = {
        "Type": "Task",
        "Resource": "arn:aws:lambda:us-east-1:123456789012:function:validate",
        "Parameters": {"execution_id.$": "$$.Execution.Id", "defaults": LIMITS | changes},
        "ResultPath": "$.job",
        "Next": "B",
    }
    job = {key: value for key, value in JOB.items() if key != "ResourceConfig"} | {
        "ResourceConfig.$": "$.job.resources",
        "TrainingJobName.$": "$.job.name",
    }
    return _machine(validate, _training(job))


def test_another_kind_of_job_is_refused_until_somebody_decides_how_it_is_judged() -> None:
    labelling = {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createLabelingJob.sync", "End": True}
    assert "no control judges" in problems(53, _machine(labelling))[0]


def test_jobs_inside_of_a_parallel_state_are_judged_too() -> None:
    branch = {"StartAt": "Inner", "States": {"Inner": _training(JOB)}}
    assert "state Inner" in problems(54, _machine({"Type": "Parallel", "Branches": [branch], "End": True}))[0]


@pytest.mark.parametrize(
    ("volume", "word"),
    [
        ({"InstanceType": "ml.g5.xlarge"}, None),
        ({"InstanceType": "ml.m5.xlarge", "VolumeKmsKeyId": KEY}, None),
        ({"InstanceType": "ml.m5.xlarge"}, "takes a volume key and gets none"),
        ({"InstanceType": "ml.g5.xlarge", "VolumeKmsKeyId": KEY}, "has local NVMe"),
        ({"InstanceType": "ml.m5.xlarge", "VolumeKmsKeyId": "alias/aws/ebs"}, "customer managed key"),
        ({"InstanceType": "ml.g5.tiny"}, "not an instance type"),
    ],
)
def test_volume_keys_of_jobs_that_are_written_out(volume: dict[str, str], word: str | None) -> None:
    found = problems(56, _machine(_training(JOB | {"ResourceConfig": volume})))
    assert (word in found[0]) if word else found == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, None),
        ({"instance_types": {"ml.g5.xlarge": True}}, "has local NVMe"),
        ({"instance_types": {"ml.g5.xlarge": False, "ml.m5.xlarge": False}}, "gets none"),
        ({"instance_types": {}}, "no instance type is allowed"),
        ({"instance_type": "ml.g4dn.xlarge"}, "not among the instance types"),
        ({"volume_key": "alias/aws/ebs"}, "customer managed key"),
    ],
)
def test_volume_keys_of_jobs_that_a_request_decides(change: dict[str, Any], word: str | None) -> None:
    found = problems(56, _with_limits(**change))
    assert (word in found[0]) if word else found == []


def test_a_job_of_which_nothing_is_known_is_refused() -> None:
    unknown = {key: value for key, value in JOB.items() if key != "ResourceConfig"} | {"ResourceConfig.$": "$.anything"}
    assert "nothing says which volumes" in problems(56, _machine(_training(unknown)))[0]


@pytest.mark.parametrize(
    ("job", "word"),
    [
        (JOB, None),
        (SPOT, None),
        (SPOT | {"StoppingCondition": {"MaxRuntimeInSeconds": 60}}, "needs MaxWaitTimeInSeconds"),
        (SPOT | {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 30}}, "below"),
        (SPOT | {"CheckpointConfig": {"S3Uri": "s3://checkpoints/"}}, "CheckpointConfig"),
        (SPOT | {"EnableManagedSpotTraining": False}, "refuses MaxWaitTimeInSeconds"),
        (JOB | {"EnableManagedSpotTraining.$": "$.spot"}, "decided by the state"),
    ],
)
def test_spot_needs_patience_and_checkpoints(job: dict[str, Any], word: str | None) -> None:
    found = problems(57, _machine(_training(job)))
    assert (word in found[0]) if word else found == []


def test_limits_of_requests_keep_the_same_rules() -> None:
    assert problems(57, _with_limits()) == []
    assert "max_wait is 30" in problems(57, _with_limits(max_wait=30))[0]
    assert "without checkpoints" in problems(57, _with_limits(checkpoints=False))[0]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ({"TrainingJobName.$": "States.Format('dev-{}', States.UUID())"}, None),
        ({"TrainingJobName.$": f"States.Format('{'x' * 30}-{{}}', States.UUID())"}, "more than 63"),
        ({"TrainingJobName.$": JobName.of_execution("dev").value.path}, None),
        ({"TrainingJobName.$": JobName.of_execution().value.path}, None),
        ({"TrainingJobName.$": JobName.of_execution("x" * 31).value.path}, "more than 63"),
        ({"TrainingJobName.$": "$$.Execution.Name"}, "longer than 63"),
        ({"TrainingJobName.$": "$.name"}, "from its input"),
        ({"TrainingJobName": "train"}, "same in every execution"),
    ],
)
def test_names_tell_executions_apart(name: dict[str, str], word: str | None) -> None:
    job = {key: value for key, value in JOB.items() if not key.startswith("TrainingJobName")} | name
    found = problems(58, _machine(_training(job)))
    assert (word in found[0]) if word else found == []


def test_names_of_two_states_differ_where_the_states_name_is_in_them() -> None:
    name = {"TrainingJobName.$": JobName.of_execution("dev").value.path}
    job = {key: value for key, value in JOB.items() if not key.startswith("TrainingJobName")} | name
    assert problems(58, _machine(_training(job), _training(job))) == []


def test_a_name_may_come_from_a_function_that_knows_the_execution() -> None:
    assert problems(58, _with_limits()) == []


def _caught(**changes: Any) -> Resources:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Told"}]
    told = TOLD | {
        "Retry": [{"ErrorEquals": ["SNS.AmazonSNSException", "SNS.ThrottledException"]} | RETRY],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}],
    }
    task = _training(JOB, Retry=[TRAINING], Catch=catch) | changes
    return _machine(task, Told=told, Failed=FAILED)


def test_a_task_that_retries_and_tells_is_accepted() -> None:
    assert problems(59, _caught()) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"Retry": []}, "must retry SageMaker.AmazonSageMakerException"),
        ({"Retry": [{"ErrorEquals": ["States.TaskFailed"]} | RETRY]}, "paid for again"),
        ({"Retry": [TRAINING | {"MaxAttempts": 99999}]}, "MaxAttempts"),
        ({"Retry": [TRAINING | {"JitterStrategy": "NONE"}]}, "JitterStrategy"),
        ({"Catch": []}, "must catch States.ALL"),
    ],
)
def test_a_task_that_gives_up_or_is_not_caught_is_refused(change: dict[str, Any], word: str) -> None:
    assert word in problems(59, _caught(**change))[0]


def test_a_task_outlasts_its_function() -> None:
    function = resource("Lambda::Function", Timeout=30)
    call = {"Type": "Task", "Resource": {"Fn::GetAtt": ["Function", "Arn"]}, "TimeoutSeconds": 20, "End": True}
    text = json.dumps({"StartAt": "A", "States": {"A": call}, "TimeoutSeconds": 60})
    text = text.replace('{"Fn::GetAtt": ["Function", "Arn"]}', '"${Function.Arn}"')
    machine = resource("StepFunctions::StateMachine", DefinitionString={"Fn::Sub": text})
    assert "gives up after 20 s" in problems(60, {"Machine": machine, "Function": function})[0]


@pytest.mark.parametrize(
    ("states", "word"),
    [
        ([{"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "B"}]}, FAILED], "no Default"),
        ([{"Type": "Pass", "Next": "A"}], "no way leads from state A"),
        ([{"Type": "Pass", "Next": "B", "End": True}, FAILED], "either Next or End"),
        ([{"Type": "Succeed"}, {"Type": "Succeed"}], "state B is never reached"),
    ],
)
def test_states_that_lead_nowhere_are_refused(states: list[dict[str, Any]], word: str) -> None:
    assert word in problems(61, _machine(*states))[0]


# --- 63: what is written before it is read ---

COMPARES = {"Variable": "$.failure.Cause", "StringMatches": "*x*"}
PRESENT = {"Variable": "$.failure.Cause", "IsPresent": True}


def _choice(rule: dict[str, Any], **last: Any) -> Resources:
    """A task whose error is caught, a choice on the error, and a state behind it."""
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sns:publish",
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "B"}],
        "ResultPath": "$.sent",
        "Next": "C",
    }
    choice = {"Type": "Choice", "Choices": [rule | {"Next": "D"}], "Default": "C"}
    return _machine(task, choice, FAILED, {"Type": "Pass", "End": True, **last})


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        ({"Variable": "$.failure.Error", "StringEquals": "x"}, False),
        (COMPARES, True),
        (PRESENT, False),
        ({"And": [PRESENT, COMPARES]}, False),
        ({"And": [COMPARES, PRESENT]}, True),
        ({"Or": [PRESENT, COMPARES]}, True),
        ({"Not": COMPARES}, True),
        ({"Variable": "$.sent.MessageId", "StringEquals": "x"}, True),
        ({"Variable": "$.input", "StringEquals": "x"}, True),
        ({"Variable": "$$.Execution.Name", "StringEquals": "x"}, False),
        ({"Variable": "$.failure.Error", "StringEqualsPath": "$.expected"}, True),
    ],
)
def test_a_choice_reads_what_is_there(rule: dict[str, Any], refused: bool) -> None:
    assert bool(problems(63, _choice(rule))) is refused


@pytest.mark.parametrize(
    ("rule", "reads", "refused"),
    [
        (PRESENT, {"Parameters": {"text.$": "$.failure.Cause"}}, False),
        ({"And": [PRESENT, COMPARES]}, {"Parameters": {"text.$": "$.failure.Cause"}}, False),
        ({"Variable": "$.failure.Cause", "IsPresent": False}, {"Parameters": {"text.$": "$.failure.Cause"}}, True),
        (PRESENT, {"Parameters": {"inner": {"list": [{"text.$": "States.Format('{}', $.other)"}]}}}, True),
        (PRESENT, {"InputPath": "$.sent"}, True),
        (PRESENT, {"Parameters": {"all.$": "$", "id.$": "$$.Execution.Id"}}, False),
    ],
)
def test_what_a_choice_proves_holds_behind_it(rule: dict[str, Any], reads: dict[str, Any], refused: bool) -> None:
    assert bool(problems(63, _choice(rule, **reads))) is refused


def test_what_one_of_two_ways_leaves_out_is_absent() -> None:
    # Given a state that is reached with and without $.a
    guard = {"Variable": "$.x", "IsPresent": True}
    start = {"Type": "Choice", "Choices": [guard | {"Next": "B"}], "Default": "C"}
    writes = {"Type": "Pass", "Parameters": {"b": 1}, "ResultPath": "$.a", "Next": "C"}
    reads = {"Type": "Pass", "Parameters": {"text.$": "$.a.b"}, "End": True}
    # Then it may not read it
    assert "$.a.b" in problems(63, _machine(start, writes, reads))[0]
    # And where all ways write it, it may, but only what was written
    both = {"Type": "Pass", "Parameters": {"b": 1}, "ResultPath": "$.a", "Next": "B"}
    assert problems(63, _machine(both, reads)) == []
    assert "$.a.c" in problems(63, _machine(both, {"Type": "Pass", "InputPath": "$.a.c", "End": True}))[0]


def test_an_answer_that_replaces_everything_leaves_nothing_known() -> None:
    writes = {"Type": "Pass", "Parameters": {"b": 1}, "ResultPath": "$.a", "Next": "B"}
    replaces = {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Next": "C"}
    reads = {"Type": "Pass", "Parameters": {"text.$": "$.a.b"}, "End": True}
    assert problems(63, _machine(writes, replaces, reads))


NETWORK = {
    "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    "EnableNetworkIsolation": True,
    "EnableInterContainerTrafficEncryption": True,
}
OTHER_JOBS: dict[str, dict[str, Any]] = {
    "ProcessingJob": {
        "NetworkConfig": NETWORK,
        "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.xlarge", "VolumeKmsKeyId": KEY}},
        "ProcessingOutputConfig": {"KmsKeyId": KEY},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    },
    "HyperParameterTuningJob": {"TrainingJobDefinition": {**SPOT, **NETWORK}},
    "TransformJob": {
        "TransformResources": {"InstanceType": "ml.g4dn.xlarge"},
        "TransformOutput": {"KmsKeyId": KEY},
    },
}


def _other(api: str, prefix: str = "", **changes: Any) -> Resources:
    """A machine with one job of another kind, as this library's tasks make it."""
    request = {f"{api}Name.$": JobName.of_execution(prefix).value.path, **OTHER_JOBS[api], **changes}
    resource_ = f"arn:aws:states:::sagemaker:create{api}.sync"
    return _machine({"Type": "Task", "Resource": resource_, "Parameters": request, "End": True, "TimeoutSeconds": 9})


@pytest.mark.parametrize(
    ("api", "controls"),
    [
        ("ProcessingJob", [54, 55, 56, 58, 60]),
        ("HyperParameterTuningJob", [54, 55, 56, 57, 58, 60]),
        # Its network is its model's.
        ("TransformJob", [56, 58, 60]),
    ],
)
def test_other_jobs_are_judged_by_the_same_rules(api: str, controls: list[int]) -> None:
    for control in controls:
        assert [each for each in problems(control, _other(api)) if "executions need" not in each] == []


@pytest.mark.parametrize(
    ("control", "api", "changes", "word"),
    [
        (
            54,
            "ProcessingJob",
            {"NetworkConfig": {**NETWORK, "EnableNetworkIsolation": False}},
            "EnableNetworkIsolation",
        ),
        (55, "HyperParameterTuningJob", {"TrainingJobDefinition": SPOT}, "EnableInterContainerTrafficEncryption"),
        (56, "TransformJob", {"TransformOutput": {}}, "OutputDataConfig.KmsKeyId"),
        (
            56,
            "ProcessingJob",
            {"ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.xlarge"}}},
            "takes a volume key",
        ),
        (
            57,
            "HyperParameterTuningJob",
            {"TrainingJobDefinition": {**SPOT, "CheckpointConfig": {}}},
            "CheckpointConfig needs",
        ),
        (60, "ProcessingJob", {"StoppingCondition": {}}, "MaxRuntimeInSeconds"),
    ],
)
def test_faults_of_other_jobs_are_found(control: int, api: str, changes: dict[str, Any], word: str) -> None:
    assert any(word in problem for problem in problems(control, _other(api, **changes)))


def test_a_tuning_jobs_name_is_shorter() -> None:
    assert "more than 32" in problems(58, _other("HyperParameterTuningJob", "dev"))[0]
