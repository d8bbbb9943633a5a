"""Lambda entry point: of two custom resources around each endpoint, and of the looks that heal what was interrupted."""

import time
from collections.abc import Mapping
from typing import Any

import boto3

from custom_resource.fulfilment import Made, answer
from scale_endpoint import logic
from scale_endpoint.declaration import parsed, read, read_all
from scale_endpoint.registration import Clients

PAUSED, SCALED = "Custom::EndpointScalingPause", "Custom::EndpointScaling"
_ADOPTED = "/adopted"


def handle(event: dict[str, Any], context: Any) -> dict[str, str] | None:
    """Input: CloudFormation's request, or of a rule {declarations: path of SSM parameters, endpoint or stack: whose it
    is. Neither: all}. Output of the second: what was done, by endpoint.
    """
    clients = _clients()
    if "RequestType" in event:
        act = _pause if event["ResourceType"] == PAUSED else _scale
        answer(event, lambda: act(clients, event), log=context.log_stream_name)
        return None
    return _heal(clients, event)


def _pause(clients: Clients, request: Mapping[str, Any]) -> Made:
    """Before the endpoint. Each update answers another physical id: CloudFormation deletes the one from before when the
    deployment is through, and also when it was rolled back. That deletion is the last step of both.
    """
    properties = request["ResourceProperties"]
    if request["RequestType"] == "Delete":
        before = request["PhysicalResourceId"]
        logic.finish(clients, properties, adopted=before.endswith(_ADOPTED))
        return Made(before)
    is_first = request["RequestType"] == "Create"
    was_registered = logic.pause(clients, properties, time.sleep, suspends=not is_first)
    adopts = is_first and was_registered
    return Made(f"{properties['EndpointName']}/{request['RequestId']}{_ADOPTED if adopts else ''}")


def _scale(clients: Clients, request: Mapping[str, Any]) -> Made:
    """After the endpoint."""
    properties = request["ResourceProperties"]
    declaration = parsed(properties["Document"])
    ids = [each.resource_id for each in declaration.targets]
    if request["RequestType"] == "Delete":
        before = request["PhysicalResourceId"]
        if not before.endswith(_ADOPTED):
            logic.remove(clients, ids)
        return Made(before)
    old = request.get("OldResourceProperties", properties)
    also = [each.resource_id for each in parsed(old["Document"]).targets]
    logic.make_true(clients, declaration, also=also, strict=True)
    if request["RequestType"] == "Update":
        return Made(request["PhysicalResourceId"])
    return Made(declaration.endpoint + (_ADOPTED if properties["Pause"].endswith(_ADOPTED) else ""))


def _heal(clients: Clients, event: Mapping[str, str]) -> dict[str, str]:
    """Raises the last of the errors, when every other endpoint has been looked at."""
    path, endpoint, stack = event["declarations"], event.get("endpoint"), event.get("stack")
    if endpoint:
        said = read(clients.ssm, f"{path}/{endpoint}")
        declarations = [said] if said else []
    else:
        declarations = [each for each in read_all(clients.ssm, path) if stack in (None, each.stack)]
    done, failed = {}, None
    for each in declarations:
        try:
            done[each.endpoint] = logic.heal(clients, each)
        except Exception as error:
            print(f"{each.endpoint}: {error!r}")
            failed = error
    print(done)
    if failed:
        raise failed
    return done


def _clients() -> Clients:
    return Clients(
        scaling=boto3.client("application-autoscaling"),
        **{name: boto3.client(name) for name in ("cloudwatch", "sagemaker", "ssm", "cloudformation")},
    )
