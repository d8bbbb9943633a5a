"""Endpoints of a disposable environment end: people are told, and then they are stopped, and can be started again.

Stopping deletes the SageMaker endpoint and leaves all else with its stack, docs/decisions/0049 says why.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aws_cdk import CfnCondition, CfnResource, CustomResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.dead_letters import QUEUE_RULE, REASON, dead_letters, let_rule, tell_of_letters
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.endpoint_parts import EndpointPart
from hf_sagemaker.function import PythonFunction
from hf_sagemaker.place import place_of

_LONGEST = Duration.minutes(15)
"""As long as Lambda lets a function run."""
_WHY_WILDCARDS = (
    "The endpoints, stacks and parameters of this disposable environment, whose names begin with its own; "
    "CloudFormation names configurations of endpoints by itself."
)


class EndpointKeeper(Construct):
    """Looks every hour, and brings an endpoint back before its stack updates it. One for an environment that is
    disposable; no other has it, and so no other has a role that may delete an endpoint.

    presence: the function behind `Custom::EndpointPresence`. dead_letters: looks that failed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        topic: sns.ITopic,
        keys: EnvironmentKeys,
        function_root: Path,
        people: Sequence[iam.IRole] = (),
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates both functions, the rule, and a queue for looks that failed, with an alarm.

        environment: the names of its endpoints begin with it.
        topic: told of what will be stopped and what was. It must let alarms publish.
        people: roles that may stop, start and extend endpoints by `hfsm endpoints`. Omitted: none.
        function_root, reserved_concurrency, removal_policy: as `PythonFunction` takes them.
        """
        super().__init__(scope, construct_id)
        self._environment, self._keys = environment, keys
        self.dead_letters = dead_letters(self, keys.operations)
        stopping = [*self._looking(), *self._starting(), self._stopping()]
        stopper = PythonFunction(
            self,
            "Stopper",
            source_root=function_root,
            package="keep_endpoints",
            description="Stops endpoints whose time is over",
            key=keys.logs,
            permissions=[
                *stopping,
                allow.allow(["cloudwatch:GetMetricData"], "*", why_wildcards=_WHY_WILDCARDS),
                allow.allow(["sns:Publish"], topic.topic_arn),
                allow.allow(["sqs:SendMessage"], self.dead_letters.queue_arn),
                allow.use_key_through(self, keys.operations, "sns", "sqs"),
            ],
            timeout=Duration.minutes(5),
            failures=self.dead_letters,
            acknowledged=False,
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        )
        self._look_hourly(stopper.function, topic)
        tell_of_letters(
            self,
            "NotKept",
            queue=self.dead_letters,
            description="Endpoints could not be looked after: the log of the function that keeps them says why",
            topics=[topic],
        )
        presence = PythonFunction(
            self,
            "Presence",
            source_root=function_root,
            package="keep_endpoints",
            module="presence",
            shared=["custom_resource"],
            description="Starts an endpoint that was stopped before its stack updates it",
            key=keys.logs,
            permissions=[*self._looking(), *self._starting(), self._forgetting()],
            timeout=_LONGEST,
            acknowledged=False,
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        )
        self.presence = presence.function
        policies = [
            allow.DutyPolicy(self, f"PeoplePolicy{number}", role=role, permissions=stopping, acknowledged=False)
            for number, role in enumerate(people, start=1)
        ]
        wildcards = [rule for policy in policies for rule in policy.wildcards]
        # All of it is asked of the same few things: one answer.
        rules = dict.fromkeys([QUEUE_RULE, *stopper.rules, *presence.rules, *wildcards])
        acknowledge(self, REASON + stopper.reason + " " + presence.reason, *rules)

    @property
    def environment(self) -> str:
        """The environment whose endpoints it keeps."""
        return self._environment

    def _looking(self) -> list[allow.Permission]:
        place = place_of(self)
        return [
            allow.allow(
                ["sagemaker:DescribeEndpoint", "sagemaker:ListTags"],
                allow.sagemaker_arn(self, f"endpoint/{self._environment}-*"),
                why_wildcards=_WHY_WILDCARDS,
            ),
            allow.allow(
                ["ssm:GetParametersByPath"],
                *(
                    place.arn("ssm", f"parameter/hf-sagemaker/{self._environment}/{path}{end}")
                    for path in ("lifetimes", "lifetime-states")
                    for end in ("", "/*")
                ),
                why_wildcards=_WHY_WILDCARDS,
            ),
        ]

    def _starting(self) -> list[allow.Permission]:
        return [
            allow.allow(
                ["sagemaker:AddTags", "sagemaker:CreateEndpoint"],
                allow.sagemaker_arn(self, f"endpoint/{self._environment}-*"),
                allow.sagemaker_arn(self, "endpoint-config/*"),
                why_wildcards=_WHY_WILDCARDS,
            ),
            allow.allow(["ssm:PutParameter"], self._states, why_wildcards=_WHY_WILDCARDS),
            allow.encrypt_volumes(self, self._keys.models),
        ]

    def _stopping(self) -> allow.Permission:
        stacks = place_of(self).arn("cloudformation", f"stack/{self._environment}-*")
        endpoints = allow.sagemaker_arn(self, f"endpoint/{self._environment}-*")
        return allow.Permission(
            [
                allow.statement(actions=["sagemaker:DeleteEndpoint"], resources=[endpoints]),
                allow.statement(actions=["cloudformation:DescribeStacks"], resources=[stacks]),
            ],
            _WHY_WILDCARDS,
        )

    def _forgetting(self) -> allow.Permission:
        return allow.allow(["ssm:DeleteParameters"], self._states, why_wildcards=_WHY_WILDCARDS)

    @property
    def _states(self) -> str:
        return place_of(self).arn("ssm", f"parameter/hf-sagemaker/{self._environment}/lifetime-states/*")

    def _look_hourly(self, function: lambda_.Function, topic: sns.ITopic) -> None:
        document = {"environment": self._environment, "topic": topic.topic_arn}
        rule = events.CfnRule(
            self,
            "Hourly",
            schedule_expression="rate(1 hour)",
            targets=[
                events.CfnRule.TargetProperty(
                    arn=function.function_arn,
                    id="Stopper",
                    input=Stack.of(self).to_json_string(document),
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self.dead_letters.queue_arn),
                )
            ],
        )
        self.dead_letters.add_to_resource_policy(let_rule("sqs:SendMessage", self.dead_letters.queue_arn, rule))
        lambda_.CfnPermission(
            self,
            "HourlyPermission",
            action="lambda:InvokeFunction",
            function_name=function.function_arn,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )


class KeptEndpoint(Construct):
    """Lets one endpoint be stopped and started, and says when it ends.

    It belongs into the endpoint's stack. Its custom resource comes before the endpoint. Its parameter says when the
    endpoint ends; no new model changes it, so that approvals, which may change no parameter, deploy.

    presence: the custom resource that comes before the endpoint, and before whatever looks at it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        keeper: EndpointKeeper,
        name: str,
        endpoint: sagemaker.CfnEndpoint,
        endpoint_name: str,
        parts: Sequence[EndpointPart],
        hours: int | None = None,
        idle_hours: int | None = None,
        deployment: Mapping[str, Any] | None = None,
        exists: CfnCondition | None = None,
    ) -> None:
        """Declares the lifetime.

        keeper: of the environment. It may be in another stack.
        name: of the endpoint in the settings. endpoint_name: in SageMaker.
        endpoint: its properties must be complete: whatever changes one of them starts it first.
        parts: its variants, by whose requests it is idle or not.
        hours: that it lives, from when it was made or started. Omitted: any number.
        idle_hours: without a request, after which it ends. Omitted: it does not end by that.
        deployment: the endpoint's DeploymentConfig, as CloudFormation takes it. Omitted: it has none.
        exists: as the endpoint has it. Omitted: the endpoint is there.
        """
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        config = endpoint.endpoint_config_name
        presence = CustomResource(
            self,
            "Presence",
            resource_type="Custom::EndpointPresence",
            service_token=keeper.presence.function_arn,
            # With some seconds for the answer, and time for Lambda to try again.
            service_timeout=Duration.minutes(35),
            properties={
                "Environment": keeper.environment,
                "Name": name,
                "EndpointName": endpoint_name,
                "EndpointConfigName": config,
                # Not read: but without the change CloudFormation would not ask, and would not find the endpoint.
                **({"Deployment": deployment} if deployment else {}),
            },
        )
        self.presence = presence
        endpoint.node.add_dependency(presence)
        if exists:
            for each in presence.node.find_all():
                if isinstance(each, CfnResource):
                    each.cfn_options.condition = exists
        ssm.CfnParameter(
            self,
            "Lifetime",
            name=f"/hf-sagemaker/{keeper.environment}/lifetimes/{name}",
            type="String",
            value=stack.to_json_string(
                {
                    "endpoint": endpoint_name,
                    "stack": stack.stack_name,
                    "variants": [part.name for part in parts],
                    **({"hours": hours} if hours else {}),
                    **({"idle_hours": idle_hours} if idle_hours else {}),
                }
            ),
        )
