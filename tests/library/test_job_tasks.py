"""The states that run jobs: what they ask of SageMaker, what they need of IAM, what they refuse."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import aws_stepfunctions as sfn
from botocore.session import get_session
from botocore.validate import ParamValidator

from hf_sagemaker.job_task import InvalidJobError, JobInstances, JobName, JobTask
from hf_sagemaker.processing_job_task import ProcessingInput, ProcessingJobTask, ProcessingOutput
from hf_sagemaker.state_input import FromInput, formatted, rendered
from hf_sagemaker.training_job import TrainingJob
from hf_sagemaker.training_job_task import TrainingJobPlace, TrainingJobTask
from hf_sagemaker.transform_job_task import Batches, TransformJobTask
from hf_sagemaker.tuning import ParameterRange, Strategy, Tuning, WarmStart
from hf_sagemaker.tuning_job_task import TuningJobTask

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/training@sha256:0"
INSTANCES = JobInstances(type="ml.m5.xlarge")
NAME = JobName.of_execution("dev-text")
JOB = TrainingJob(
    max_run=3600,
    max_wait=7200,
    channels={"train": "s3://data/train/"},
    hyperparameters={"epochs": 3, "fp16": False, "model": FromInput("$.model")},
    checkpoint_s3_uri="s3://checkpoints/text/1",
    metric_definitions={"loss": "loss=([0-9.]+)"},
    environment={"LEVEL": "info"},
    tags={"team": "nlp"},
)
TUNING = Tuning(
    metric="loss",
    maximize=False,
    ranges={
        "learning_rate": ParameterRange.continuous(1e-5, 1e-3, scaling="Logarithmic"),
        "layers": ParameterRange.integer(2, 6),
        "optimizer": ParameterRange.categorical("adamw", "sgd"),
    },
    max_jobs=8,
    max_parallel=2,
)


def place(stack: Any) -> TrainingJobPlace:
    return TrainingJobPlace(
        role=stack.role, placement=stack.placement, key=stack.key, models_bucket=stack.bucket, prefix="trained/"
    )


def training(stack: Any, **changes: Any) -> TrainingJobTask:
    given = {"image": IMAGE, "spot": True, "job": JOB, "name": NAME, "instances": INSTANCES, **changes}
    return TrainingJobTask(stack, "Train", place=place(stack), **given)


def tuning(stack: Any, **changes: Any) -> TuningJobTask:
    given = {"image": IMAGE, "spot": True, "job": JOB, "instances": INSTANCES, "tuning": TUNING, **changes}
    return TuningJobTask(stack, "Tune", place=place(stack), **given)


def processing(stack: Any, **changes: Any) -> ProcessingJobTask:
    given = {
        "image": IMAGE,
        "name": NAME,
        "instances": INSTANCES,
        "max_run": 600,
        "entry_point": ["python3", "/opt/ml/processing/code/run.py"],
        "arguments": ["--rows", FromInput("$.rows")],
        "inputs": {"code": ProcessingInput(uri="s3://data/code/", path="/opt/ml/processing/code")},
        "outputs": {"rows": ProcessingOutput(uri="s3://data/rows/", path="/opt/ml/processing/rows")},
        **changes,
    }
    return ProcessingJobTask(stack, "Process", place=place(stack), **given)


def transform(stack: Any, **changes: Any) -> TransformJobTask:
    given = {
        "model": FromInput("$.model"),
        "key": stack.key,
        "name": NAME,
        "instances": INSTANCES,
        "source": "s3://data/rows/",
        "destination": "s3://data/answers/",
        "content_type": "application/json",
        **changes,
    }
    return TransformJobTask(stack, "Transform", **given)


Make = Callable[..., JobTask]
TASKS: dict[str, tuple[Make, str]] = {
    "training": (training, "CreateTrainingJob"),
    "tuning": (tuning, "CreateHyperParameterTuningJob"),
    "processing": (processing, "CreateProcessingJob"),
    "transform": (transform, "CreateTransformJob"),
}


def state(stack: Any, task: JobTask) -> dict[str, Any]:
    """As the definition has it."""
    graph = sfn.StateGraph(task.start_state, "one state")
    (found,) = stack.resolve(graph.to_graph_json())["States"].values()
    answer: dict[str, Any] = found
    return answer


def constant(value: Any) -> Any:
    """The parameters as SageMaker gets them, with some text for each value that is read from the input."""
    if isinstance(value, dict):
        return {key.removesuffix(".$"): _read(key, item) for key, item in value.items()}
    return [constant(item) for item in value] if isinstance(value, list) else value


def _read(key: str, item: Any) -> Any:
    if not key.endswith(".$"):
        return constant(item)
    return ["text"] if str(item).startswith("States.Array(") else "text"


@pytest.mark.parametrize("kind", TASKS)
def test_sagemaker_understands_the_request(stack: Any, kind: str) -> None:
    make, operation = TASKS[kind]
    found = state(stack, make(stack))
    assert found["Resource"].endswith(f":states:::sagemaker:{operation[0].lower()}{operation[1:]}.sync")
    shape = get_session().get_service_model("sagemaker").operation_model(operation).input_shape
    report = ParamValidator().validate(constant(found["Parameters"]), shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("kind", TASKS)
def test_retries_are_patient_and_never_of_a_failed_job(stack: Any, kind: str) -> None:
    found = state(stack, TASKS[kind][0](stack))
    assert found["TimeoutSeconds"] > 600
    assert found["Retry"]
    for retry in found["Retry"]:
        assert retry["JitterStrategy"] == "FULL"
        assert not {"States.ALL", "States.TaskFailed"} & set(retry["ErrorEquals"])


@pytest.mark.parametrize(
    ("kind", "api", "resource", "rule"),
    [
        ("training", "TrainingJob", "training-job/dev-text-*", "TrainingJobs"),
        ("tuning", "HyperParameterTuningJob", "hyper-parameter-tuning-job/*", "TuningJobs"),
        ("processing", "ProcessingJob", "processing-job/dev-text-*", "ProcessingJobs"),
        ("transform", "TransformJob", "transform-job/dev-text-*", "TransformJobs"),
    ],
)
def test_permissions_are_all_that_the_state_needs(stack: Any, kind: str, api: str, resource: str, rule: str) -> None:
    statements = [each for permission in TASKS[kind][0](stack).permissions for each in permission.statements]
    allowed = {action: each for each in statements for action in each["Action"]}

    # Step Functions creates, follows and stops the job, with its tags
    for action in (f"Create{api}", f"Describe{api}", f"Stop{api}", "AddTags", "ListTags"):
        assert allowed[f"sagemaker:{action}"]["Resource"] == [f"arn:aws:sagemaker:us-east-1:123456789012:{resource}"]
    # And learns of its end by the managed rule of this kind of job
    managed = f"arn:aws:events:us-east-1:123456789012:rule/StepFunctionsGetEventsForSageMaker{rule}Rule"
    for action in ("DescribeRule", "PutRule", "PutTargets"):
        assert allowed[f"events:{action}"]["Resource"] == [managed]
    # And hands the role to SageMaker only; a transform job has its model's
    assert ("iam:PassRole" in allowed) is (kind != "transform")
    if kind != "transform":
        assert allowed["iam:PassRole"]["Condition"] == {
            "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
        }
    assert "kms:CreateGrant" in allowed


@pytest.mark.parametrize(
    ("kind", "volume"),
    [
        ("training", lambda job: job["ResourceConfig"]),
        ("tuning", lambda job: job["TrainingJobDefinition"]["ResourceConfig"]),
        ("processing", lambda job: job["ProcessingResources"]["ClusterConfig"]),
        ("transform", lambda job: job["TransformResources"]),
    ],
)
@pytest.mark.parametrize(("instance", "takes_key"), [("ml.m5.xlarge", True), ("ml.g4dn.xlarge", False)])
def test_a_volume_gets_a_key_where_it_takes_one(
    stack: Any, kind: str, volume: Callable[[Any], Any], instance: str, takes_key: bool
) -> None:
    parameters = state(stack, TASKS[kind][0](stack, instances=JobInstances(type=instance)))["Parameters"]
    assert ("VolumeKmsKeyId" in volume(parameters)) is takes_key


@pytest.mark.parametrize("kind", ["training", "tuning"])
def test_jobs_run_in_the_vpc_encrypted_and_isolated(stack: Any, kind: str) -> None:
    parameters = state(stack, TASKS[kind][0](stack))["Parameters"]
    job = parameters.get("TrainingJobDefinition", parameters)
    assert job["VpcConfig"] == {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert job["EnableNetworkIsolation"] is True
    assert job["EnableInterContainerTrafficEncryption"] is True
    assert job["OutputDataConfig"]["KmsKeyId"].endswith("key/team")
    assert job["EnableManagedSpotTraining"] is True
    assert job["CheckpointConfig"] == {"S3Uri": "s3://checkpoints/text/1", "LocalPath": "/opt/ml/checkpoints"}


def test_processing_runs_in_the_vpc_encrypted_and_isolated(stack: Any) -> None:
    parameters = state(stack, processing(stack))["Parameters"]
    network = parameters["NetworkConfig"]
    assert network["VpcConfig"] == {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert network["EnableNetworkIsolation"] is True
    assert network["EnableInterContainerTrafficEncryption"] is True
    assert parameters["ProcessingOutputConfig"]["KmsKeyId"].endswith("key/team")
    assert parameters["AppSpecification"]["ContainerArguments.$"] == "States.Array('--rows', $.rows)"


def test_a_training_job_has_what_the_cdks_own_task_cannot_say(stack: Any) -> None:
    parameters = state(
        stack,
        training(
            stack,
            spot=False,
            entry_point=["python3", "/opt/start.py"],
            retry_attempts=3,
            keep_alive_period_in_seconds=1800,
            session_tag_chaining=True,
        ),
    )["Parameters"]
    assert parameters["RetryStrategy"] == {"MaximumRetryAttempts": 3}
    assert parameters["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 1800
    assert parameters["SessionChainingConfig"] == {"EnableSessionTagChaining": True}
    assert parameters["AlgorithmSpecification"]["ContainerEntrypoint"] == ["python3", "/opt/start.py"]
    assert "MaxWaitTimeInSeconds" not in parameters["StoppingCondition"]
    # Values are JSON text, so that a script gets their types back
    assert parameters["HyperParameters"] == {"epochs": "3", "fp16": "false", "model.$": "$.model"}
    assert parameters["Tags"] == [{"Key": "team", "Value": "nlp"}]


def test_a_tuning_job_says_what_is_searched(stack: Any) -> None:
    given = Tuning(
        **{
            **vars(TUNING),
            "early_stopping": True,
            "warm_start": WarmStart(parents=["earlier"], same_data=False),
            "target": 0.1,
            "seed": 5,
        }
    )
    parameters = state(stack, tuning(stack, tuning=given))["Parameters"]
    config = parameters["HyperParameterTuningJobConfig"]
    assert config["Strategy"] == "Bayesian"
    assert config["HyperParameterTuningJobObjective"] == {"Type": "Minimize", "MetricName": "loss"}
    assert config["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 8, "MaxParallelTrainingJobs": 2}
    assert config["ParameterRanges"] == {
        "IntegerParameterRanges": [{"Name": "layers", "MinValue": "2", "MaxValue": "6", "ScalingType": "Auto"}],
        "ContinuousParameterRanges": [
            {"Name": "learning_rate", "MinValue": "1e-05", "MaxValue": "0.001", "ScalingType": "Logarithmic"}
        ],
        "CategoricalParameterRanges": [{"Name": "optimizer", "Values": ['"adamw"', '"sgd"']}],
    }
    assert config["TrainingJobEarlyStoppingType"] == "Auto"
    assert config["TuningJobCompletionCriteria"] == {"TargetObjectiveMetricValue": 0.1}
    assert config["RandomSeed"] == 5
    assert parameters["WarmStartConfig"] == {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "earlier"}],
        "WarmStartType": "TransferLearning",
    }


def test_hyperband_and_grid_have_their_own_limits(stack: Any, new_stack: Any) -> None:
    hyperband = Tuning(**{**vars(TUNING), "strategy": Strategy.hyperband(min_resource=1, max_resource=9)})
    config = state(stack, tuning(stack, tuning=hyperband))["Parameters"]["HyperParameterTuningJobConfig"]
    assert config["StrategyConfig"] == {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}

    other = new_stack()
    ranges = {"optimizer": ParameterRange.categorical("adamw", "sgd")}
    grid = Tuning(metric="loss", ranges=ranges, strategy=Strategy.grid(), max_parallel=2)
    config = state(other, tuning(other, tuning=grid))["Parameters"]["HyperParameterTuningJobConfig"]
    assert config["ResourceLimits"] == {"MaxParallelTrainingJobs": 2}
    assert "StrategyConfig" not in config


@pytest.mark.parametrize(
    ("kind", "changes", "problem"),
    [
        ("training", {"keep_alive_period_in_seconds": 60}, "a warm pool keeps instances on demand only"),
        (
            "training",
            {"spot": False, "keep_alive_period_in_seconds": 21601},
            "keep_alive_period_in_seconds is 21601, and must be between 1 and 21600",
        ),
        ("training", {"retry_attempts": 31}, "retry_attempts is 31, and must be between 1 and 30"),
        ("training", {"checkpoints": False}, "it needs checkpoint_s3_uri"),
        ("training", {"job": TrainingJob(**{**vars(JOB), "max_wait": 10})}, "max_wait is 10, and must be at least"),
        ("training", {"instances": JobInstances(type="ml.g4dn.3xlarge")}, r"'ml\.g4dn\.3xlarge' is not an instance"),
        ("training", {"name": JobName.of_execution("x" * 31)}, "its name has 64 characters, and SageMaker takes 63"),
        ("tuning", {"name": JobName.of_execution("dev")}, "its name has 36 characters, and SageMaker takes 32"),
        ("tuning", {"tuning": Tuning(**{**vars(TUNING), "metric": "f1"})}, "its objective 'f1' is not among"),
        ("tuning", {"tuning": Tuning(**{**vars(TUNING), "max_jobs": 1})}, "max_jobs is 1, and must be at least"),
        (
            "tuning",
            {"tuning": Tuning(**{**vars(TUNING), "max_jobs": None, "strategy": Strategy.grid()})},
            "a grid takes categorical ranges only, and learning_rate, layers is none",
        ),
        (
            "tuning",
            {
                "tuning": Tuning(
                    **{**vars(TUNING), "early_stopping": True, "strategy": Strategy.hyperband(min_resource=1)}
                )
            },
            "Hyperband stops children by itself",
        ),
        (
            "tuning",
            {"tuning": Tuning(**{**vars(TUNING), "strategy": Strategy.hyperband(min_resource=9, max_resource=3)})},
            r"max_resource of Hyperband is 3, and must be at least min_resource \(9\)",
        ),
        (
            "tuning",
            {"tuning": Tuning(**{**vars(TUNING), "ranges": {"epochs": ParameterRange.integer(1, 5)}})},
            "epochs is given a value and a range",
        ),
        (
            "tuning",
            {
                "tuning": Tuning(
                    **{**vars(TUNING), "ranges": {"dropout": ParameterRange.continuous(0, 1, scaling="Logarithmic")}}
                )
            },
            "dropout begins at 0, and Logarithmic scaling takes only values above 0",
        ),
        ("processing", {"max_run": 777601}, "max_run is 777601, and must be between 1 and 777600"),
        (
            "processing",
            {"inputs": {"code": ProcessingInput(uri="s3://a/", path="/tmp/code")}},
            "the path of input code is '/tmp/code', and must begin with /opt/ml/processing/",
        ),
        (
            "transform",
            {"batches": Batches(max_payload_mb=60, max_concurrent=2)},
            r"times max_concurrent \(2\) is above",
        ),
        ("transform", {"batches": Batches(split="None", strategy="MultiRecord")}, "puts lines together"),
    ],
)
def test_what_sagemaker_would_refuse_is_refused_at_synth(
    stack: Any, kind: str, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidJobError, match=problem):
        TASKS[kind][0](stack, **changes)


def test_all_problems_come_at_once(stack: Any) -> None:
    with pytest.raises(InvalidJobError) as refused:
        training(stack, keep_alive_period_in_seconds=99999, retry_attempts=0, checkpoints=False)
    for problem in ("on demand only", "21600", "retry_attempts is 0", "checkpoint_s3_uri"):
        assert problem in str(refused.value)


def test_a_name_is_the_executions_own_in_each_redrive() -> None:
    hashed = "States.Format('{}/{}/{}', $$.Execution.Id, $$.State.Name, $$.Execution.RedriveCount)"
    assert NAME.value.path == f"States.Format('dev-text-{{}}', States.Hash({hashed}, 'MD5'))"
    assert JobName.of_execution().length == 32
    with pytest.raises(InvalidJobError, match="letters and digits"):
        JobName.of_execution("dev_text")


def test_values_of_the_input_are_written_as_the_language_has_them() -> None:
    given = {
        "plain": 1,
        "read": FromInput("$.a"),
        "nested": [{"Name": FromInput("$.b"), "none": None}],
        "list": ["it's {here}", FromInput("$.c")],
        "text": formatted("s3://{}/x's", FromInput("$.d")),
    }
    assert json.loads(json.dumps(rendered(given))) == {
        "plain": 1,
        "read.$": "$.a",
        "nested": [{"Name.$": "$.b"}],
        "list.$": r"States.Array('it\'s \{here\}', $.c)",
        "text.$": r"States.Format('s3://{}/x\'s', $.d)",
    }
    # And what the CDK knows only when a stack is deployed is left for it to find
    assert formatted("s3://${Token[TOKEN.12]}/{}", FromInput("$.d")).path == (
        "States.Format('s3://${Token[TOKEN.12]}/{}', $.d)"
    )
    with pytest.raises(ValueError, match="only texts"):
        rendered({"list": [1, FromInput("$.a")]})
