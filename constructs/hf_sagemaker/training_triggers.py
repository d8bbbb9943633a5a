"""What starts training runs besides people: schedules, new data below a prefix, alarms."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.alarms import let_alarms_publish
from hf_sagemaker.arns import bucket_arn
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.dead_letters import QUEUE_RULE, REASON, dead_letters, let_rule, tell_of_letters
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.function import PythonFunction
from hf_sagemaker.place import place_of

LOOK_EVERY = "rate(5 minutes)"
"""How often a prefix is looked at."""


@dataclass(frozen=True, kw_only=True)
class OnSchedule:
    """expression: EventBridge's, in UTC."""

    expression: str


@dataclass(frozen=True, kw_only=True)
class OnNewData:
    """bucket, prefix: where data comes. quiet: how long nothing more must have come."""

    bucket: s3.IBucket
    prefix: str
    quiet: Duration


@dataclass(frozen=True, kw_only=True)
class OnAlarm:
    """alarm_name: of a CloudWatch alarm of this account and region. minimum_interval: between two runs."""

    alarm_name: str
    minimum_interval: Duration


@dataclass(frozen=True, kw_only=True)
class TrainingTrigger:
    """name: begins the names of its executions, 31 characters at most. request: what they are started with.

    parameter_name: of the SSM parameter that tells function and operators of it. on: what starts a run.
    """

    name: str
    job_type: str
    state_machine: sfn.StateMachine
    topic: sns.Topic
    request: Mapping[str, Any]
    parameter_name: str
    on: OnSchedule | OnNewData | OnAlarm


class TrainingTriggers(Construct):
    """A function that starts runs, and for each trigger a rule that calls it and a parameter that tells it what for.

    function: starts each run once, however often it is called.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        triggers: Sequence[TrainingTrigger],
        keys: EnvironmentKeys,
        function_root: Path,
        alarm_topic: sns.ITopic | None = None,
        look_every: str = LOOK_EVERY,
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates function, rules, parameters, a queue for what could not be started, and an alarm on that queue.

        alarm_topic: told when something lies in the queue. Omitted: the topics of the triggers' runs.
        look_every: a rate; how often prefixes are looked at. Omitted: every five minutes.
        function_root, reserved_concurrency, removal_policy: as `PythonFunction` takes them.
        """
        super().__init__(scope, construct_id)
        self._look_every = look_every
        self._queue = dead_letters(self, keys.operations)
        starter = PythonFunction(
            self,
            "Starter",
            source_root=function_root,
            package="start_training",
            description="Starts training runs that triggers ask for",
            key=keys.logs,
            permissions=_permissions(self, triggers, self._queue, keys),
            # A listing of a million objects takes some two of them.
            timeout=Duration.minutes(5),
            failures=self._queue,
            acknowledged=False,
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        )
        acknowledge(self, REASON + starter.reason, QUEUE_RULE, *starter.rules)
        self.function = starter.function
        for trigger in triggers:
            self._add(trigger)
        tell_of_letters(
            self,
            "NotStarted",
            queue=self._queue,
            description="Triggers could not start training runs: the dead letters name them",
            topics=[alarm_topic] if alarm_topic else self._topics_that_take_alarms(triggers),
        )

    def _add(self, trigger: TrainingTrigger) -> None:
        scope = Construct(self, "".join(word.capitalize() for word in f"{trigger.job_type}-{trigger.name}".split("-")))
        parameter = ssm.CfnParameter(
            scope,
            "Parameter",
            name=trigger.parameter_name,
            type="String",
            value=Stack.of(self).to_json_string(_document(trigger)),
            description=f"What starts {trigger.job_type} runs by itself",
        )
        event = {"trigger": trigger.parameter_name, "time": "<time>"}
        rule = events.CfnRule(
            scope,
            "Rule",
            description=f"Trigger {trigger.name} of {trigger.job_type}",
            targets=[
                events.CfnRule.TargetProperty(
                    arn=self.function.function_arn,
                    id="Starter",
                    # Of the event only its time, which names the execution: its sender has no say in what is started.
                    input_transformer=events.CfnRule.InputTransformerProperty(
                        input_paths_map={"time": "$.time"}, input_template=json.dumps(event)
                    ),
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self._queue.queue_arn),
                )
            ],
            **self._when(trigger),
        )
        rule.node.add_dependency(parameter)
        self._queue.add_to_resource_policy(let_rule("sqs:SendMessage", self._queue.queue_arn, rule))
        lambda_.CfnPermission(
            scope,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=self.function.function_arn,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )

    def _when(self, trigger: TrainingTrigger) -> dict[str, Any]:
        """Members of the rule."""
        match trigger.on:
            case OnSchedule(expression=expression):
                return {"schedule_expression": expression}
            case OnNewData():
                return {"schedule_expression": self._look_every}
            case OnAlarm(alarm_name=name):
                return {
                    "event_pattern": {
                        "source": ["aws.cloudwatch"],
                        "detail-type": ["CloudWatch Alarm State Change"],
                        "resources": [place_of(self).arn("cloudwatch", f"alarm:{name}")],
                        "detail": {"state": {"value": ["ALARM"]}},
                    }
                }

    def _topics_that_take_alarms(self, triggers: Sequence[TrainingTrigger]) -> list[sns.Topic]:
        topics = {trigger.job_type: trigger.topic for trigger in triggers}
        for topic in topics.values():
            let_alarms_publish(topic)
        return list(topics.values())


def _document(trigger: TrainingTrigger) -> dict[str, Any]:
    """As `start_training.logic.Trigger` and `hfsm triggers` read it."""
    own = {
        "name": trigger.name,
        "job_type": trigger.job_type,
        "state_machine": trigger.state_machine.state_machine_arn,
        "request": dict(trigger.request),
    }
    match trigger.on:
        case OnSchedule(expression=expression):
            return {**own, "schedule": {"expression": expression}}
        case OnNewData(bucket=bucket, prefix=prefix, quiet=quiet):
            data = {"bucket": bucket.bucket_name, "prefix": prefix, "quiet_seconds": quiet.to_seconds()}
            return {**own, "new_data": data}
        case OnAlarm(alarm_name=name, minimum_interval=interval):
            return {**own, "alarm": {"name": name, "minimum_interval_seconds": interval.to_seconds()}}


def _permissions(
    scope: Construct, triggers: Sequence[TrainingTrigger], queue: sqs.Queue, keys: EnvironmentKeys
) -> list[allow.Permission]:
    place = place_of(scope)
    machines = {each.job_type: each.state_machine.state_machine_arn for each in triggers}
    looked_at = {
        each.job_type: each.state_machine.state_machine_arn for each in triggers if not isinstance(each.on, OnSchedule)
    }
    data = [each.on for each in triggers if isinstance(each.on, OnNewData)]
    prefixes: dict[str, list[str]] = {}
    for each in data:
        prefixes.setdefault(bucket_arn(each.bucket), []).append(f"{each.prefix}*")
    return [
        allow.allow(["ssm:GetParameter"], *(place.arn("ssm", f"parameter{each.parameter_name}") for each in triggers)),
        allow.allow(["states:StartExecution"], *machines.values()),
        *([allow.allow(["states:ListExecutions"], *looked_at.values())] if looked_at else []),
        *(
            # Which objects there are, and none of them itself.
            allow.allow(["s3:ListBucket"], bucket, conditions={"StringLike": {"s3:prefix": below}})
            for bucket, below in prefixes.items()
        ),
        allow.allow(["sqs:SendMessage"], queue.queue_arn),
        allow.use_key_through(scope, keys.operations, "sqs", "states"),
    ]
