"""Deployment on approval: the decision about a model moves the endpoints that follow its job type."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.dead_letters import QUEUE_RULE, REASON, dead_letters, let_rule, tell_of_letters
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.function import PythonFunction
from hf_sagemaker.place import place_of

_LONGEST = Duration.minutes(5)
"""A hundred stacks take about a minute to ask for."""
_SUCCEEDED = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
_ROLLED_BACK = ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED")


@dataclass(frozen=True, kw_only=True)
class FollowedJobType:
    """A job type whose approved model is served.

    group: its model package group. version_parameter: name of the SSM parameter with the version's number.
    stacks_path: of the SSM parameters that name the stacks which follow it, one each.
    """

    job_type: str
    group: str
    version_parameter: str
    stacks_path: str


class ModelDeployment(Construct):
    """A function that updates the stacks which follow a job type when another version of it is to be served.

    function: looks after each decision about a model, when the parameter of a version was written, and every day; and
        after each update of one of these stacks, at that one. It asks the registry; what an event says does not count.
    dead_letters: what it could not do.

    Which stacks follow, parameters say that are made with them: one more changes nothing here.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        followed: Sequence[FollowedJobType],
        stack_prefix: str,
        read_parameters: Sequence[str],
        further_types: Sequence[str] = (),
        keys: EnvironmentKeys,
        topic: sns.ITopic,
        function_root: Path,
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the function, its rules, and a queue for what it could not do, with an alarm.

        stack_prefix: with which the names of the stacks begin, and of no others: those that may be updated.
        read_parameters: names, with `*`, of the SSM parameters that the stacks' templates read: CloudFormation reads
            them with the rights of whoever asks for an update.
        further_types: of resources that an update may change besides endpoints', since they follow something else that
            the template reads. Omitted: none.
        topic: told when an approved model is not served, or a rejected one is. It must let alarms publish.
        function_root, reserved_concurrency, removal_policy: as `PythonFunction` takes them.
        """
        super().__init__(scope, construct_id)
        self._topic = topic
        self._followed = followed
        self._stack_prefix = stack_prefix
        self._types = sorted([*allow.ENDPOINT_TYPES, *further_types])
        self.dead_letters = dead_letters(self, keys.operations)
        deployer = PythonFunction(
            self,
            "Deployer",
            source_root=function_root,
            package="deploy_model",
            description="Deploys approved models",
            key=keys.logs,
            permissions=self._permissions(read_parameters, keys),
            failures=self.dead_letters,
            acknowledged=False,
            timeout=_LONGEST,
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        )
        acknowledge(self, REASON + deployer.reason, QUEUE_RULE, *deployer.rules)
        self.function = deployer.function
        decided = {"ModelPackageGroupName": [each.group for each in followed]}
        self._rule("Decided", event_pattern=_pattern("aws.sagemaker", "SageMaker Model Package State Change", decided))
        # Somebody else wrote a version: a deployment that changes the parameter's description sets it back to none.
        written = {"name": [each.version_parameter for each in followed], "operation": ["Create", "Update"]}
        self._rule("Written", event_pattern=_pattern("aws.ssm", "Parameter Store Change", written))
        # Whatever was decided while a stack was busy; and on its first day, what was approved before.
        self._rule("Updated", of_stack=True, event_pattern=self._ends(_SUCCEEDED))
        self._rule("RolledBack", of_stack=True, failed=True, event_pattern=self._ends(_ROLLED_BACK))
        # Events of SageMaker are best effort.
        self._rule("Daily", schedule_expression="rate(1 day)")
        tell_of_letters(
            self,
            "Undeployed",
            queue=self.dead_letters,
            description="An approved model could not be deployed: the log of the function that deploys says why",
            topics=[topic],
        )

    def _permissions(self, read_parameters: Sequence[str], keys: EnvironmentKeys) -> list[allow.Permission]:
        place = place_of(self)
        own = [place.arn("ssm", f"parameter{each.version_parameter}") for each in self._followed]
        read = [place.arn("ssm", f"parameter{name}") for name in read_parameters]
        return [
            allow.update_stack(self, f"{self._stack_prefix}*", self._types),
            allow.allow(
                ["sagemaker:ListModelPackages"],
                *(allow.sagemaker_arn(self, f"model-package/{each.group}/*") for each in self._followed),
                why_wildcards="Versions of one model package group: SageMaker numbers them.",
            ),
            allow.allow(["ssm:GetParameter", "ssm:PutParameter"], *own),
            allow.allow(
                ["ssm:GetParametersByPath"],
                *(place.arn("ssm", f"parameter{each.stacks_path}") for each in self._followed),
            ),
            allow.allow(
                ["ssm:GetParameters"],
                *own,
                *read,
                why_wildcards="The parameters of images, which the stack's template names, all below one path.",
            ),
            allow.allow(["sns:Publish"], self._topic.topic_arn),
            allow.allow(["sqs:SendMessage"], self.dead_letters.queue_arn),
            allow.use_key_through(self, keys.operations, "sns", "sqs"),
        ]

    def _ends(self, statuses: Sequence[str]) -> dict[str, Any]:
        """Of updates of the stacks."""
        ours = place_of(self).arn("cloudformation", f"stack/{self._stack_prefix}")
        detail = {"stack-id": [{"prefix": ours}], "status-details": {"status": list(statuses)}}
        return _pattern("aws.cloudformation", "CloudFormation Stack Status Change", detail)

    def _rule(self, construct_id: str, *, failed: bool = False, of_stack: bool = False, **when: Any) -> None:
        rule = events.CfnRule(
            self,
            construct_id,
            targets=[
                events.CfnRule.TargetProperty(
                    arn=self.function.function_arn,
                    id="Deployer",
                    **self._input(failed=failed, of_stack=of_stack),
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self.dead_letters.queue_arn),
                )
            ],
            **when,
        )
        self.dead_letters.add_to_resource_policy(let_rule("sqs:SendMessage", self.dead_letters.queue_arn, rule))
        lambda_.CfnPermission(
            self,
            f"{construct_id}Permission",
            action="lambda:InvokeFunction",
            function_name=self.function.function_arn,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )

    def _input(self, *, failed: bool, of_stack: bool) -> dict[str, Any]:
        """As `deploy_model.handler.handle` reads it. Constant but for the stack to look at, which CloudFormation names:
        an event's sender has no say in what is deployed."""
        content = {
            **({"stack": "<stack>"} if of_stack else {}),
            "resource_types": self._types,
            "topic": self._topic.topic_arn,
            "failed": failed,
            "models": [
                {
                    "job_type": each.job_type,
                    "group": each.group,
                    "parameter": each.version_parameter,
                    "stacks": each.stacks_path,
                }
                for each in self._followed
            ],
        }
        text = Stack.of(self).to_json_string(content)
        if not of_stack:
            return {"input": text}
        return {
            "input_transformer": events.CfnRule.InputTransformerProperty(
                input_paths_map={"stack": "$.detail.stack-id"}, input_template=text
            )
        }


def _pattern(source: str, kind: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {"source": [source], "detail-type": [kind], "detail": detail}
