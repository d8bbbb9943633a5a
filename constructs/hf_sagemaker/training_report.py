"""What a training run cost, saved and lost: a report, metrics and one message, however the run has ended."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.alarms import let_alarms_publish
from hf_sagemaker.buckets import EnvironmentBuckets
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.dead_letters import QUEUE_RULE, REASON, dead_letters, let_rule, tell_of_letters
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.function import PythonFunction
from hf_sagemaker.job_kinds import tuning_prefix
from hf_sagemaker.place import place_of
from hf_sagemaker.prices import Price

_ENDS = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
_FROM_EVENT = {
    "execution": "$.detail.executionArn",
    "machine": "$.detail.stateMachineArn",
    "status": "$.detail.status",
    "redrives": "$.detail.redriveCount",
}


@dataclass(frozen=True, kw_only=True)
class ReportedWorkflow:
    """A state machine whose runs are reported. topic: told of each run's end."""

    job_type: str
    state_machine: sfn.StateMachine
    topic: sns.Topic


class TrainingReport(Construct):
    """A rule on the ends of all runs of an environment, and the function that reports them.

    function: writes `reports/<job type>/<execution>.json` to the models bucket, once; counts; tells the run's topic.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        workflows: Sequence[ReportedWorkflow],
        prices: Mapping[str, Price],
        role: iam.Role,
        keys: EnvironmentKeys,
        buckets: EnvironmentBuckets,
        function_root: Path,
        alarm_topic: sns.ITopic | None = None,
        tracking_server_arn: str | None = None,
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates function, rule, a queue for what could not be reported, and an alarm on that queue.

        prices: of the instance types on which runs may run. Of others, reports have no sum.
        role: of the function, `ExecutionRoles.reporting`, which may write reports.
        alarm_topic: told when something lies in the queue: another topic than those of runs, since it is there when one
            of those is gone. Omitted: the topics of runs.
        tracking_server_arn: of a SageMaker managed MLflow tracking server, which gets to know of every run. Omitted:
            none does.
        function_root, reserved_concurrency, removal_policy: as `PythonFunction` takes them.
        """
        super().__init__(scope, construct_id)
        queue = dead_letters(self, keys.operations)
        reporter = PythonFunction(
            self,
            "Reporter",
            source_root=function_root,
            package="report_training",
            description="Reports how training runs ended",
            key=keys.logs,
            role=role,
            permissions=[
                *_permissions(self, environment, workflows, queue, keys),
                *([allow.log_to_mlflow(tracking_server_arn)] if tracking_server_arn else []),
            ],
            # It waits for a job that is stopped with its execution.
            timeout=Duration.minutes(5),
            failures=queue,
            acknowledged=False,
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        )
        acknowledge(self, REASON + reporter.reason, QUEUE_RULE, *reporter.rules)
        self.function = reporter.function
        rule = self._rule(environment, workflows, prices, queue, buckets, tracking_server_arn)
        queue.add_to_resource_policy(let_rule("sqs:SendMessage", queue.queue_arn, rule))
        lambda_.CfnPermission(
            self,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=self.function.function_arn,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )
        self._watch(queue, [alarm_topic] if alarm_topic else self._topics_that_take_alarms(workflows))

    def _rule(
        self,
        environment: str,
        workflows: Sequence[ReportedWorkflow],
        prices: Mapping[str, Price],
        queue: sqs.Queue,
        buckets: EnvironmentBuckets,
        tracking_server_arn: str | None,
    ) -> events.CfnRule:
        document = {
            **{name: f"<{name}>" for name in _FROM_EVENT},
            "environment": environment,
            "bucket": buckets.models.bucket_name,
            "prices": {name: _as_input(price) for name, price in sorted(prices.items())},
            "machines": {
                each.state_machine.state_machine_arn: {"job_type": each.job_type, "topic": each.topic.topic_arn}
                for each in workflows
            },
            **({"tracking_server": tracking_server_arn} if tracking_server_arn else {}),
        }
        return events.CfnRule(
            self,
            "Ended",
            description="Reports training runs that have ended",
            event_pattern={
                "source": ["aws.states"],
                "detail-type": ["Step Functions Execution Status Change"],
                "detail": {
                    "status": list(_ENDS),
                    "stateMachineArn": [each.state_machine.state_machine_arn for each in workflows],
                },
            },
            targets=[
                events.CfnRule.TargetProperty(
                    arn=self.function.function_arn,
                    id="Reporter",
                    # Of the event only what names the run, never its input: the rest is the environment's.
                    input_transformer=events.CfnRule.InputTransformerProperty(
                        input_paths_map=_FROM_EVENT, input_template=Stack.of(self).to_json_string(document)
                    ),
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=queue.queue_arn),
                )
            ],
        )

    def _watch(self, queue: sqs.Queue, topics: Sequence[sns.ITopic]) -> None:
        """What lies in the queue is a run of whose end nobody was told."""
        tell_of_letters(
            self,
            "Unreported",
            queue=queue,
            description="Training runs have ended and could not be reported: the dead letters name them",
            topics=topics,
        )

    def _topics_that_take_alarms(self, workflows: Sequence[ReportedWorkflow]) -> list[sns.ITopic]:
        for each in workflows:
            let_alarms_publish(each.topic)
        return [each.topic for each in workflows]


def _as_input(price: Price) -> dict[str, Any]:
    """As `report_training.logic.Subject` reads it."""
    return {name: value for name, value in asdict(price).items() if name != "source"}


def _permissions(
    scope: Construct,
    environment: str,
    workflows: Sequence[ReportedWorkflow],
    queue: sqs.Queue,
    keys: EnvironmentKeys,
) -> list[allow.Permission]:
    place = place_of(scope)
    log_group = place.arn("logs", "log-group:/aws/sagemaker/TrainingJobs")
    prefixes = list(dict.fromkeys([environment, tuning_prefix(environment)]))
    return [
        allow.allow(
            ["states:DescribeExecution", "states:GetExecutionHistory"],
            *(place.arn("states", f"execution:{each.state_machine.state_machine_name}:*") for each in workflows),
            why_wildcards="Executions of the reported state machines: whoever starts them names them.",
        ),
        allow.allow(
            ["sagemaker:DescribeTrainingJob"],
            *(allow.sagemaker_arn(scope, f"training-job/{name}-*") for name in prefixes),
            why_wildcards="Jobs' names hold their executions' hashes; all begin with the environment's name.",
        ),
        allow.allow(
            ["sagemaker:ListTrainingJobsForHyperParameterTuningJob"],
            allow.sagemaker_arn(scope, f"hyper-parameter-tuning-job/{prefixes[-1]}-*"),
            why_wildcards="Jobs' names hold their executions' hashes; all begin with the environment's name.",
        ),
        allow.allow(
            ["logs:DescribeLogStreams", "logs:FilterLogEvents"],
            log_group,
            f"{log_group}:log-stream:*",
            why_wildcards="Log streams are named by SageMaker.",
        ),
        allow.allow(["sns:Publish"], *(each.topic.topic_arn for each in workflows)),
        allow.allow(["sqs:SendMessage"], queue.queue_arn),
        allow.use_key_through(scope, keys.operations, "sns", "sqs", "states"),
    ]
