"""Makes a target's registration with Application Auto Scaling what its declaration says; again, if need be."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from scale_endpoint.declaration import Target

_AT_ONCE = 50
"""Resource ids that DescribeScalableTargets takes."""
_IDENTITY = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_KINDS_OF_SCALING = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


@dataclass(frozen=True, kw_only=True)
class Clients:
    """boto3 clients. scaling: of Application Auto Scaling."""

    scaling: Any
    cloudwatch: Any
    sagemaker: Any
    ssm: Any
    cloudformation: Any


def registered(scaling: Any, resource_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Those of the resources that are registered, as DescribeScalableTargets shows them."""
    ids = sorted(set(resource_ids))
    return [
        target
        for first in range(0, len(ids), _AT_ONCE)
        for page in scaling.get_paginator("describe_scalable_targets").paginate(
            ServiceNamespace="sagemaker", ResourceIds=ids[first : first + _AT_ONCE]
        )
        for target in page["ScalableTargets"]
    ]


def deregister(scaling: Any, found: Mapping[str, Any]) -> None:
    """With its policies and scheduled actions, which go with it. found: of `registered`."""
    _unless_gone(scaling.deregister_scalable_target, **{name: found[name] for name in _IDENTITY})
    print(f"deregistered {found['ResourceId']}")


def suspend(scaling: Any, found: Mapping[str, Any]) -> None:
    """Until it is registered again, nothing scales it: SageMaker refuses an update while a scaling activity goes on.

    found: of `registered`.
    """
    state = dict.fromkeys(_KINDS_OF_SCALING, True)
    scaling.register_scalable_target(**{name: found[name] for name in _IDENTITY}, SuspendedState=state)
    print(f"suspended {found['ResourceId']}")


def alarm_name(resource_id: str) -> str:
    """Of the alarm that leads it out of zero. It begins with the endpoint's or the component's name."""
    names = resource_id.split("/")[1::2]
    return "-".join([*names, "from-zero"])


def remove_alarms(cloudwatch: Any, resource_ids: Iterable[str]) -> None:
    """Those that `register` made. One at a time: CloudWatch deletes none of several when one is not there."""
    for each in sorted(set(resource_ids)):
        _unless_gone(cloudwatch.delete_alarms, AlarmNames=[alarm_name(each)])


def register(clients: Clients, target: Target, now: datetime) -> None:
    """Registers it with its policies, scheduled actions and alarm, and removes whatever else it has.

    What is there already is left alone, so that a look changes nothing where nothing is wrong.
    """
    least, most = target.bounds(now)
    scales = dict.fromkeys(_KINDS_OF_SCALING, False)
    wanted = {**target.identity, "MinCapacity": least, "MaxCapacity": most, "SuspendedState": scales}
    there = registered(clients.scaling, [target.resource_id])
    if not any(_holds(each, wanted) for each in there):
        clients.scaling.register_scalable_target(**wanted)
        print(f"registered {target.resource_id} with {least} to {most}")
    for each in there:
        if each["ScalableDimension"] != target.dimension:
            deregister(clients.scaling, each)
    policies = _put_policies(clients.scaling, target)
    _put_actions(clients.scaling, target)
    if target.alarm is None:
        remove_alarms(clients.cloudwatch, [target.resource_id])
    else:
        alarm = {name: value for name, value in target.alarm.items() if name != "Policy"}
        _put_alarm(clients.cloudwatch, target.resource_id, alarm, policies[target.alarm["Policy"]])


def _put_policies(scaling: Any, target: Target) -> dict[str, str]:
    """ARN by name."""
    pages = scaling.get_paginator("describe_scaling_policies").paginate(**target.identity)
    before = {each["PolicyName"]: each for page in pages for each in page["ScalingPolicies"]}
    arns = {}
    for policy in target.policies:
        name = policy["PolicyName"]
        there = before.pop(name, None)
        if there is None or not _holds(there, policy):
            there = scaling.put_scaling_policy(**target.identity, **policy)
        arns[name] = there["PolicyARN"]
    for name in before:
        _unless_gone(scaling.delete_scaling_policy, **target.identity, PolicyName=name)
    return arns


def _put_actions(scaling: Any, target: Target) -> None:
    pages = scaling.get_paginator("describe_scheduled_actions").paginate(**target.identity)
    before = {each["ScheduledActionName"]: each for page in pages for each in page["ScheduledActions"]}
    for action in target.actions:
        wanted = {name: value for name, value in action.items() if name != "Week"}
        there = before.pop(action["ScheduledActionName"], None)
        if there is None or not _holds(there, wanted):
            scaling.put_scheduled_action(**target.identity, **wanted)
    for name in before:
        _unless_gone(scaling.delete_scheduled_action, **target.identity, ScheduledActionName=name)


def _put_alarm(cloudwatch: Any, resource_id: str, alarm: Mapping[str, Any], policy_arn: str) -> None:
    """The ARN of a policy is known only when it is there, and another one after each registration."""
    wanted = {"AlarmName": alarm_name(resource_id), "AlarmActions": [policy_arn], **alarm}
    there = cloudwatch.describe_alarms(AlarmNames=[wanted["AlarmName"]])["MetricAlarms"]
    if not any(_holds(each, wanted) for each in there):
        cloudwatch.put_metric_alarm(**wanted)


def _holds(there: Any, wanted: Any) -> bool:
    """Whether what is there says all that is wanted. What it says besides, AWS has added."""
    if isinstance(wanted, Mapping):
        return all(name in there and _holds(there[name], value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return len(there) == len(wanted) and all(map(_holds, there, wanted))
    return bool(there == wanted)


def _unless_gone(delete: Callable[..., object], **request: Any) -> None:
    """Another run of this function may have been faster."""
    try:
        delete(**request)
    except ClientError as error:
        said = error.response["Error"]
        gone = ("ObjectNotFoundException", "ResourceNotFound", "ResourceNotFoundException")
        if said["Code"] not in gone and not said.get("Message", "").startswith(("No scal", "No scheduled")):
            raise
