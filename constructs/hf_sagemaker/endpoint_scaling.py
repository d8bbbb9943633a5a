"""Scaling that outlives every update of its endpoint: registered by a function, not by CloudFormation's resources.

SageMaker refuses an update that changes the instance type of a registered variant, or takes it away. CloudFormation can
change an endpoint only before what depends on it, so that its own scalable targets are always registered at that time.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aws_cdk import CfnResource, CustomResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.dead_letters import QUEUE_RULE, REASON, dead_letters, let_rule, tell_of_letters
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.endpoint_parts import EndpointMode, EndpointPart
from hf_sagemaker.function import PythonFunction
from hf_sagemaker.place import place_of
from hf_sagemaker.scaling_policies import EndpointScaling, declared

PAUSE_TYPE, SCALING_TYPE = "Custom::EndpointScalingPause", "Custom::EndpointScaling"
"""Of the resources before and after an endpoint."""
_LONGEST = Duration.minutes(15)
"""As long as Lambda lets a function run: it waits for scaling activities."""
_LONGEST_PARAMETER = 8192
_ENDED = (
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_FAILED",
)
"""After which a stack's endpoint is looked at. A creation that fails leaves none, and a deletion too."""


class ScalingFunction(Construct):
    """One per environment: the function behind the scaling of all its endpoints, and what makes it look at them.

    function: acts in deployments, and heals what they left when they were interrupted: after each change of an
        endpoint, after each end of a deployment, and every day.
    declarations: path of the SSM parameters that say what is registered.
    dead_letters: what it could not do.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        declarations: str,
        keys: EnvironmentKeys,
        topic: sns.ITopic,
        function_root: Path,
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the function, its rules, and a queue for what it could not do, with an alarm.

        environment: the names of its endpoints, components and stacks begin with it.
        declarations: path of SSM parameters, without a slash at the end, for example `/hf-sagemaker/dev/scaling`.
        topic: told when an endpoint could not be registered. It must let alarms publish.
        function_root: folder with the packages `scale_endpoint` and `custom_resource`.
        reserved_concurrency, removal_policy: as `PythonFunction` takes them.
        """
        super().__init__(scope, construct_id)
        self.declarations = declarations
        self.dead_letters = dead_letters(self, keys.operations)
        place = place_of(self)
        scaler = PythonFunction(
            self,
            "Scaler",
            source_root=function_root,
            package="scale_endpoint",
            shared=["custom_resource"],
            description="Registers endpoints for scaling, around updates that SageMaker refuses meanwhile",
            key=keys.logs,
            permissions=[
                allow.look_at_endpoints(self, environment),
                allow.scale_endpoints(self, environment),
                allow.look_at_stacks(self, f"{environment}-*"),
                allow.read_parameters(self, declarations.removeprefix("/")),
                allow.allow(["sqs:SendMessage"], self.dead_letters.queue_arn),
                allow.use_key_through(self, keys.operations, "sqs"),
            ],
            timeout=_LONGEST,
            failures=self.dead_letters,
            acknowledged=False,
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        )
        acknowledge(self, REASON + scaler.reason, QUEUE_RULE, *scaler.rules)
        self.function = scaler.function
        self._rule(
            "EndpointChanged",
            {"endpoint": "$.detail.EndpointName"},
            event_pattern=_pattern(
                "aws.sagemaker", "SageMaker Endpoint State Change", {"EndpointName": [{"prefix": f"{environment}-"}]}
            ),
        )
        stacks = place.arn("cloudformation", f"stack/{environment}-")
        self._rule(
            "StackDeployed",
            {"stack": "$.detail.stack-id"},
            event_pattern=_pattern(
                "aws.cloudformation",
                "CloudFormation Stack Status Change",
                {"stack-id": [{"prefix": stacks}], "status-details": {"status": list(_ENDED)}},
            ),
        )
        # Events of SageMaker are best effort, and a change by hand of the registration sends none.
        self._rule("Daily", {}, schedule_expression="rate(1 day)")
        tell_of_letters(
            self,
            "Unregistered",
            queue=self.dead_letters,
            description="An endpoint could not be registered for scaling: the log of the function that scales says why",
            topics=[topic],
        )

    def _rule(self, construct_id: str, paths: dict[str, str], **when: Any) -> None:
        """paths: what of an event the function is told, by name. It reads nothing but declarations with it."""
        said = ", ".join([f'"declarations": "{self.declarations}"', *(f'"{name}": <{name}>' for name in paths)])
        rule = events.CfnRule(
            self,
            construct_id,
            targets=[
                events.CfnRule.TargetProperty(
                    arn=self.function.function_arn,
                    id="Scaler",
                    input=None if paths else f"{{{said}}}",
                    input_transformer=(
                        events.CfnRule.InputTransformerProperty(input_template=f"{{{said}}}", input_paths_map=paths)
                        if paths
                        else None
                    ),
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


class ScaledEndpoint(Construct):
    """One per endpoint, also per one that does not scale: what is before and after each of its updates.

    Declared is what the parts say. Whatever a deployment does, at its end the registration is that: a part that is no
    longer declared is deregistered, and with no parts at all the endpoint keeps the number that it has.

    pause: what is before the endpoint.
    """

    pause: CustomResource

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: ScalingFunction,
        endpoint_name: str,
        mode: EndpointMode,
        parts: Sequence[tuple[EndpointPart, EndpointScaling]],
    ) -> None:
        """Declares it; `guard` then puts it around the endpoint.

        parts: which of its variants or components scale, and how. Empty: none.

        Raises ValueError with all problems of a part, and when there are more parts than a parameter can hold.
        """
        super().__init__(scope, construct_id)
        self._function, self._endpoint_name = function, endpoint_name
        document = {
            "Endpoint": endpoint_name,
            "Stack": Stack.of(self).stack_id,
            "Targets": [declared(mode, part, scaling) for part, scaling in parts],
        }
        size = len(json.dumps(document))
        if size > _LONGEST_PARAMETER:
            raise ValueError(
                f"{endpoint_name}: the scaling of {len(parts)} parts takes {size} characters, and a parameter holds "
                f"{_LONGEST_PARAMETER}: put some of them on another endpoint, or leave out their schedules."
            )
        self._targets = [part.resource_id for part, _ in parts]
        self._document = Stack.of(self).to_json_string(document)
        self._name = f"{function.declarations}/{endpoint_name}"

    def guard(self, endpoint: sagemaker.CfnEndpoint, *components: CfnResource, strategy: str | None = None) -> None:
        """Puts the pause before the endpoint and the registration after it, and after its components.

        strategy: of the endpoint's updates, when it demands that variants keep their names. Omitted: they may change.
        """
        self.pause = pause = CustomResource(
            self,
            "Pause",
            resource_type=PAUSE_TYPE,
            service_token=self._function.function.function_arn,
            service_timeout=Duration.minutes(20),
            properties={
                "EndpointName": self._endpoint_name,
                # Another one with each update of the endpoint: so the pause comes before each.
                "EndpointConfigName": endpoint.endpoint_config_name,
                "Declaration": self._name,
                "Targets": self._targets,
                **({"Strategy": strategy} if strategy else {}),
            },
        )
        endpoint.node.add_dependency(pause)
        declaration = ssm.CfnParameter(
            self,
            "Declaration",
            name=self._name,
            type="String",
            tier="Intelligent-Tiering",  # beyond 4096 characters, which several components take
            value=self._document,
        )
        registration = CustomResource(
            self,
            "Registration",
            resource_type=SCALING_TYPE,
            service_token=self._function.function.function_arn,
            service_timeout=Duration.minutes(20),
            properties={"Document": self._document, "Pause": pause.ref},
        )
        # An endpoint that is there on a condition has its declaration before: approvals may change no parameter, and
        # what is there always cannot wait for what is not.
        if endpoint.cfn_options.condition is None:
            declaration.node.add_dependency(endpoint)
        registration.node.add_dependency(endpoint, declaration, *components)


def _pattern(source: str, kind: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {"source": [source], "detail-type": [kind], "detail": detail}
