"""State machines, functions and the model registry."""

from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker.job_kinds import TRAINING, JobKind
from hf_sagemaker.permissions.jobs import sagemaker_arn
from hf_sagemaker.permissions.permission import Permission, allow, statement
from hf_sagemaker.place import place_of

STEP_FUNCTIONS_LOG_DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)
XRAY_WRITE = (
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)

LOG_TO_MLFLOW = (
    "sagemaker-mlflow:CreateExperiment",
    "sagemaker-mlflow:CreateRun",
    "sagemaker-mlflow:GetExperimentByName",
    "sagemaker-mlflow:LogBatch",
    "sagemaker-mlflow:SearchRuns",
    "sagemaker-mlflow:UpdateRun",
)


def run_jobs(scope: Construct, kind: JobKind, name_pattern: str) -> Permission:
    """What Step Functions needs to run jobs of this kind, with names of that pattern, to their end (`.sync`).

    The managed rule tells it when a job has ended. A job's role must be passed besides, see `pass_role`.
    """
    place = place_of(scope)
    return Permission(
        [
            statement(
                actions=[
                    "sagemaker:AddTags",
                    f"sagemaker:Create{kind.api}",
                    f"sagemaker:Describe{kind.api}",
                    "sagemaker:ListTags",
                    f"sagemaker:Stop{kind.api}",
                ],
                resources=[sagemaker_arn(scope, f"{kind.resource}/{name_pattern}")],
            ),
            statement(
                actions=["events:DescribeRule", "events:PutRule", "events:PutTargets"],
                resources=[place.arn("events", f"rule/{kind.rule}")],
            ),
        ],
        f"A {kind.resource.replace('-', ' ')}'s name holds its execution's hash; all begin with the environment's name."
        if name_pattern != "*"
        else "The names of these jobs are hashes of their executions, or come from a state's input, without prefix.",
    )


def run_training_jobs(scope: Construct, name_pattern: str) -> Permission:
    """What Step Functions needs for `createTrainingJob.sync`, for training jobs of that name pattern."""
    return run_jobs(scope, TRAINING, name_pattern)


def register_models(scope: Construct, group: str) -> Permission:
    """Create versions in one model package group."""
    return allow(["sagemaker:CreateModelPackage"], *_group(scope, group), why_wildcards=_VERSIONS)


def approve_models(scope: Construct, group: str) -> Permission:
    """Approve or reject versions of one model package group."""
    return allow(["sagemaker:UpdateModelPackage"], *_group(scope, group), why_wildcards=_VERSIONS)


_VERSIONS = "Versions of one model package group: SageMaker numbers them."


def _group(scope: Construct, group: str) -> tuple[str, str]:
    return sagemaker_arn(scope, f"model-package-group/{group}"), sagemaker_arn(scope, f"model-package/{group}/*")


def fail_own_tasks() -> Permission:
    """Hand in the token of a task as failed, as the last state of an execution does with its own."""
    return allow(
        ["states:SendTaskFailure"],
        "*",
        why_wildcards="states:SendTaskFailure knows no resource types; only a task knows its token.",
    )


def step_functions_telemetry() -> Permission:
    """Log delivery and tracing of a state machine."""
    return allow(
        [*STEP_FUNCTIONS_LOG_DELIVERY, *XRAY_WRITE],
        "*",
        why_wildcards="Log delivery and X-Ray know no resource types.",
    )


def function_telemetry(log_group: logs.ILogGroup) -> Permission:
    """Logs and traces of a Lambda function."""
    return Permission(
        [
            statement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]),
            statement(actions=["xray:PutTelemetryRecords", "xray:PutTraceSegments"], resources=["*"]),
        ],
        "X-Ray's write actions know no resource types; a log group's ARN ends in `:*` to mean its streams.",
    )


def start_executions(state_machine: sfn.StateMachine) -> Permission:
    """Start executions of one state machine, and follow them."""
    return _executions(state_machine, ["states:DescribeStateMachine", "states:ListExecutions", "states:StartExecution"])


def stop_executions(state_machine: sfn.StateMachine) -> Permission:
    """Stop executions of one state machine, start failed ones again where they failed, and follow them."""
    return _executions(
        state_machine,
        ["states:DescribeStateMachine", "states:ListExecutions"],
        "states:RedriveExecution",
        "states:StopExecution",
    )


def _executions(state_machine: sfn.StateMachine, on_machine: list[str], *on_execution: str) -> Permission:
    place = place_of(state_machine)
    executions = place.arn("states", f"execution:{state_machine.state_machine_name}:*")
    return Permission(
        [
            statement(actions=on_machine, resources=[state_machine.state_machine_arn]),
            statement(
                actions=["states:DescribeExecution", "states:GetExecutionHistory", *on_execution],
                resources=[executions],
            ),
        ],
        "Executions of one state machine: whoever starts them names them.",
    )


def log_to_mlflow(tracking_server_arn: str) -> Permission:
    """Log runs on one tracking server: find or make an experiment, find or make a run, add to it, end it."""
    return allow(LOG_TO_MLFLOW, tracking_server_arn)
