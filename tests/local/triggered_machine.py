"""The training workflow with triggers and a limit, as a stack of its own; and a machine whose runs end at once."""

from typing import Any

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn

from hf_sagemaker.concurrency_limit import ConcurrencyLimit, LimitedRuns
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.training_triggers import OnAlarm, OnNewData, OnSchedule, TrainingTrigger, TrainingTriggers
from tests.local.workflow_machine import ROOT, WorkflowMachine

ALARM = "tests-of-triggers"
REQUEST = {"schema_version": "1", "name": "triggered"}
QUIET_SECONDS = 2


class TriggeredMachine(WorkflowMachine):
    """A schedule starts the workflow, data and an alarm start `Quick`. `Slow` counts as a job type of its own.

    One run goes on at a time, of the workflow and `Slow` together.
    """

    def __init__(self, *, repository: str, bucket: str) -> None:
        limit = ConcurrencyLimit(runs=1, machines_parameter="/tests/triggers/machines", first_pause=1)
        super().__init__(repository=repository, bucket=bucket, limit=limit)
        slow = self._machine("Slow", sfn.Wait(self, "Wait", time=sfn.WaitTime.duration(Duration.minutes(10))))
        quick = self._machine("Quick", sfn.Pass(self, "Pass"))
        assert isinstance(self.validate, lambda_.Function)
        assert self.validate.role
        role = self.validate.role
        LimitedRuns(self, "Limited", limit=limit, machines=[(self.machine, role), (slow, role)])
        key = kms.Key.from_key_arn(self, "Operations", f"arn:aws:kms:us-east-1:{self.account}:key/operations")
        self._topic = sns.Topic(self, "Topic")
        request = {**REQUEST, "channels": {"train": f"s3://{bucket}/triggered/"}}
        data = OnNewData(bucket=self._bucket, prefix="corpus/", quiet=Duration.seconds(QUIET_SECONDS))
        alarm = OnAlarm(alarm_name=ALARM, minimum_interval=Duration.hours(1))
        TrainingTriggers(
            self,
            "Triggers",
            triggers=[
                self._trigger("nightly", self.machine, request, OnSchedule(expression="cron(0 3 * * ? *)")),
                self._trigger("corpus", quick, request, data),
                self._trigger("drift", quick, request, alarm),
            ],
            keys=EnvironmentKeys(**dict.fromkeys(("data", "models", "images", "logs", "operations"), key)),
            function_root=ROOT / "lambda",
        )

    def _trigger(self, name: str, machine: sfn.StateMachine, request: Any, on: Any) -> TrainingTrigger:
        return TrainingTrigger(
            name=name,
            job_type="text",
            state_machine=machine,
            topic=self._topic,
            request=request,
            parameter_name=f"/tests/triggers/{name}",
            on=on,
        )

    def _machine(self, name: str, state: Any) -> sfn.StateMachine:
        machine = sfn.StateMachine(self, name, definition_body=sfn.DefinitionBody.from_chainable(state))
        CfnOutput(self, f"{name}Arn", value=machine.state_machine_arn)
        return machine
