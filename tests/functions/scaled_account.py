"""An account with one endpoint, its registration, and its stack's deployments, as the scaling function sees them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from scale_endpoint import handler
from tests.functions.waiting_stack import LOG, request_of

STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/dev-EndpointText/1"
PATH = "/hf-sagemaker/dev/scaling"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"


def refused(code: str, message: str, operation: str = "Operation") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def variant(name: str = "AllTraffic") -> str:
    return f"endpoint/dev-text/variant/{name}"


def target(name: str = "AllTraffic", **others: Any) -> dict[str, Any]:
    """As a declaration says it."""
    policy = {
        "PolicyName": "Target",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 5},
    }
    said = {"ResourceId": variant(name), "ScalableDimension": DIMENSION, "MinCapacity": 1, "MaxCapacity": 4}
    return {**said, "Policies": [policy], "Actions": [], **others}


def document(*targets: dict[str, Any]) -> str:
    return json.dumps({"Endpoint": "dev-text", "Stack": STACK, "Targets": list(targets)})


class Paginated:
    """Clients whose paginators answer in one page."""

    def get_paginator(self, name: str) -> Any:
        return SimpleNamespace(paginate=lambda **request: [getattr(self, name)(**request)])


@dataclass
class Account(Paginated):
    """All clients in one. calls: what changed something, in order.

    configs: by name: types by variant. load: scaling in begins with each look at the endpoint, unless it is suspended.
    activity: how often DescribeEndpoint still says that the endpoint changes.
    """

    configs: dict[str, dict[str, str]]
    serving: str | None = None
    activity: int = 0
    load: bool = False
    status: str = "UPDATE_IN_PROGRESS"
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    actions: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    components: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    exceptions = SimpleNamespace(ParameterNotFound=KeyError)

    # SageMaker

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803 the API's name
        if self.serving is None:
            raise refused("ValidationException", f'Could not find endpoint "{EndpointName}".')
        self.activity -= self.activity > 0
        status = "Updating" if self.activity else "InService"
        if self.load and any(not any(each.get("SuspendedState", {}).values()) for each in self.targets.values()):
            self.activity = self.activity or 1  # as soon as somebody has seen it in service
        return {
            "EndpointConfigName": self.serving,
            "EndpointStatus": status,
            "ProductionVariants": [{"VariantName": name} for name in self.configs[self.serving]],
        }

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:  # noqa: N803
        if EndpointConfigName not in self.configs or EndpointConfigName.startswith("deleted"):
            raise refused("ValidationException", f'Could not find endpoint configuration "{EndpointConfigName}".')
        variants = self.configs[EndpointConfigName].items()
        return {"ProductionVariants": [{"VariantName": name, "InstanceType": each} for name, each in variants]}

    def describe_inference_component(self, InferenceComponentName: str) -> dict[str, Any]:  # noqa: N803
        if InferenceComponentName not in self.components:
            raise refused("ValidationException", "Could not find inference component")
        return {"InferenceComponentStatus": "InService"}

    def update_endpoint(self, config: str) -> None:
        """As SageMaker: not while it changes, and no registered variant may lose its type."""
        assert self.serving is not None
        if self.activity:
            raise refused("ValidationException", "Cannot update in-progress endpoint")
        for name, instance_type in self.configs[self.serving].items():
            if variant(name) in self.targets and self.configs[config].get(name) != instance_type:
                raise refused("ValidationException", f"Variant {name} is registered for scaling")
        self.calls.append(f"update {config}")
        self.serving = config

    # Application Auto Scaling

    def describe_scalable_targets(self, ServiceNamespace: str, ResourceIds: list[str]) -> dict[str, Any]:  # noqa: N803
        assert ResourceIds, "without ids all of the account are meant"
        return {"ScalableTargets": [self.targets[each] for each in ResourceIds if each in self.targets]}

    def register_scalable_target(self, **request: Any) -> None:
        does = "suspend" if any(request.get("SuspendedState", {}).values()) else "register"
        self.calls.append(f"{does} {request['ResourceId'].rpartition('/')[2]}")
        self.targets[request["ResourceId"]] = {**self.targets.get(request["ResourceId"], {}), **request}

    def deregister_scalable_target(self, **request: Any) -> None:
        resource = request["ResourceId"]
        if resource not in self.targets:
            raise refused("ObjectNotFoundException", "No scalable target found")
        self.calls.append(f"deregister {resource.rpartition('/')[2]}")
        del self.targets[resource]
        for kept in (self.policies, self.actions):
            for key in [key for key in kept if key[0] == resource]:
                del kept[key]

    def put_scaling_policy(self, **request: Any) -> dict[str, Any]:
        name = request["PolicyName"]
        self.calls.append(f"policy {name}")
        arn = {"PolicyARN": f"arn:policy/{len(self.calls)}"}
        self.policies[request["ResourceId"], name] = {**request, **arn}
        return arn

    def describe_scaling_policies(self, **request: Any) -> dict[str, Any]:
        return {"ScalingPolicies": self._of(self.policies, request)}

    def delete_scaling_policy(self, **request: Any) -> None:
        del self.policies[request["ResourceId"], request["PolicyName"]]

    def put_scheduled_action(self, **request: Any) -> None:
        self.calls.append(f"action {request['ScheduledActionName']}")
        self.actions[request["ResourceId"], request["ScheduledActionName"]] = request

    def describe_scheduled_actions(self, **request: Any) -> dict[str, Any]:
        return {"ScheduledActions": self._of(self.actions, request)}

    def delete_scheduled_action(self, **request: Any) -> None:
        del self.actions[request["ResourceId"], request["ScheduledActionName"]]

    def _of(self, kept: dict[tuple[str, str], dict[str, Any]], request: dict[str, Any]) -> list[dict[str, Any]]:
        return [dict(each) for (resource, _), each in kept.items() if resource == request["ResourceId"]]

    # The rest

    def put_metric_alarm(self, **request: Any) -> None:
        self.calls.append(f"alarm {request['AlarmName']}")
        self.alarms[request["AlarmName"]] = request

    def describe_alarms(self, AlarmNames: list[str]) -> dict[str, Any]:  # noqa: N803
        return {"MetricAlarms": [self.alarms[name] for name in AlarmNames if name in self.alarms]}

    def delete_alarms(self, AlarmNames: list[str]) -> None:  # noqa: N803
        if AlarmNames[0] not in self.alarms:
            raise refused("ResourceNotFound", "no such alarm")
        del self.alarms[AlarmNames[0]]

    def get_parameter(self, Name: str) -> dict[str, Any]:  # noqa: N803
        return {"Parameter": {"Value": self.parameters[Name]}}

    def get_parameters_by_path(self, Path: str) -> dict[str, Any]:  # noqa: N803
        return {"Parameters": [{"Value": value} for name, value in self.parameters.items() if name.startswith(Path)]}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        assert StackName == STACK
        return {"Stacks": [{"StackStatus": self.status}]}


class StoppedError(Exception):
    """The test stops the deployment here."""


@dataclass
class Deployments:
    """CloudFormation's way through the stack: forwards, back again where a step fails, and the clean-up after both."""

    account: Account
    waiting: Any
    now: tuple[str, str] | None = None
    pause_id: str | None = None
    registration_id: str | None = None
    obsolete: list[tuple[str, tuple[str, str]]] = field(default_factory=list)
    requests: Iterator[int] = field(default_factory=lambda: iter(range(1000)))
    twice: bool = False

    steps = ("pause", "endpoint", "declaration", "registration")

    def deploy(self, config: str, said: str, *, fails_at: str | None = None, dies_at: str | None = None) -> None:
        """fails_at: the step after which the deployment is rolled back. dies_at: after which nothing comes any more."""
        before, self.account.status = self.now, "UPDATE_IN_PROGRESS"
        done: list[str] = []
        try:
            for step in self.steps:
                getattr(self, f"_{step}")((config, said), before)
                done.append(step)
                if step == dies_at:
                    return
                if step == fails_at:
                    raise StoppedError
            self.now = (config, said)
            self.account.status = "UPDATE_COMPLETE"
        except StoppedError:
            assert before is not None
            self.account.status = "UPDATE_ROLLBACK_IN_PROGRESS"
            for step in [step for step in self.steps if step in done]:
                getattr(self, f"_{step}")(before, (config, said))
            self.account.status = "UPDATE_ROLLBACK_COMPLETE"
        self.clean_up()

    def clean_up(self) -> None:
        for physical_id, properties in self.obsolete:
            self.ask("Custom::EndpointScalingPause", "Delete", physical_id, self.pause_properties(properties))
        self.obsolete.clear()

    def delete(self) -> None:
        assert self.now is not None and self.pause_id and self.registration_id
        self.ask("Custom::EndpointScaling", "Delete", self.registration_id, self.scaling_properties(self.now))
        self.account.parameters.clear()
        self.account.serving = None
        self.ask("Custom::EndpointScalingPause", "Delete", self.pause_id, self.pause_properties(self.now))

    def event(self, **event: str) -> Any:
        """What a rule says."""
        return handler.handle({"declarations": PATH, **event}, None)

    def _pause(self, to: tuple[str, str], before: tuple[str, str] | None) -> None:
        kind = "Update" if self.pause_id else "Create"
        old = {"OldResourceProperties": self.pause_properties(before)} if before else {}
        made = self.ask("Custom::EndpointScalingPause", kind, self.pause_id, self.pause_properties(to), **old)
        if self.pause_id and made != self.pause_id:
            assert before is not None
            self.obsolete.append((self.pause_id, before))
        self.pause_id = made

    def _endpoint(self, to: tuple[str, str], before: object) -> None:
        if self.account.serving is None:
            self.account.serving = to[0]
        elif self.account.serving != to[0]:
            self.account.update_endpoint(to[0])

    def _declaration(self, to: tuple[str, str], before: object) -> None:
        self.account.parameters[f"{PATH}/dev-text"] = to[1]

    def _registration(self, to: tuple[str, str], before: tuple[str, str] | None) -> None:
        kind = "Update" if self.registration_id else "Create"
        old = {"OldResourceProperties": self.scaling_properties(before)} if before else {}
        made = self.ask("Custom::EndpointScaling", kind, self.registration_id, self.scaling_properties(to), **old)
        assert self.registration_id in (None, made)
        self.registration_id = made

    def pause_properties(self, of: tuple[str, str]) -> dict[str, Any]:
        targets = [each["ResourceId"] for each in json.loads(of[1])["Targets"]]
        return {
            "EndpointName": "dev-text",
            "EndpointConfigName": of[0],
            "Declaration": f"{PATH}/dev-text",
            **({"Targets": targets} if targets else {}),
        }

    def scaling_properties(self, of: tuple[str, str]) -> dict[str, Any]:
        return {"Document": of[1], "Pause": self.pause_id}

    def ask(
        self, resource_type: str, kind: str, physical_id: str | None, properties: dict[str, Any], **more: Any
    ) -> str:
        """What the function answers: a physical id. Raises AssertionError with its reason where it fails."""
        request = request_of(
            self.waiting,
            kind,
            ResourceType=resource_type,
            RequestId=f"request-{next(self.requests)}",
            ResourceProperties=properties,
            **({"PhysicalResourceId": physical_id} if physical_id else {}),
            **more,
        )
        for _ in range(2 if self.twice else 1):
            handler.handle(request, SimpleNamespace(log_stream_name=LOG))
        answer = self.waiting.answers[-1][0]
        if answer["Status"] != "SUCCESS":
            raise AssertionError(answer["Reason"])
        return str(answer["PhysicalResourceId"])
