"""Takes every rule from a security group, and tells CloudFormation that it is done, or why not."""

import json
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any

_ATTEMPTS = 6
_PAUSE = 5.0
"""Seconds between attempts: a role's policy that was created a moment ago does not count everywhere yet."""

_REASON = 2000
"""Characters of an error that CloudFormation is told: it refuses an answer of more than 4096 bytes, and EC2's refusals
carry long encoded messages."""


class StillOpen(RuntimeError):  # noqa: N818 (the name is what people see in the stack's events)
    """EC2 did not know a rule that it had just told of, so the group may still have it."""


def fulfil(request: dict[str, Any], close_group: Callable[[str], None], *, log: str) -> None:
    """Does what CloudFormation asks, and always answers: without an answer the stack would hang.

    request: RequestType Create and Update close the group, again if need be; Delete does nothing, since the group goes
        with its VPC.
    close_group: is given the group's id. What it raises becomes the reason of the failure.
    log: name of this run's log stream, which the reason names.

    Raises when the answer itself cannot be delivered: Lambda then runs the request again.
    """
    group_id = request.get("ResourceProperties", {}).get("DefaultSecurityGroupId")
    deleting = request["RequestType"] == "Delete"
    status, reason = "SUCCESS", ""
    try:
        if not deleting:
            if not group_id:
                raise ValueError("the property DefaultSecurityGroupId is missing")
            close_group(group_id)
    except Exception as error:
        status, reason = "FAILED", f"{type(error).__name__}: {str(error)[:_REASON]}. See log stream {log}."
        print(repr(error))
    _put(
        request["ResponseURL"],
        {
            "Status": status,
            "Reason": reason,
            # The group's id, so that another VPC's group is another resource. Delete names what Create did.
            "PhysicalResourceId": request["PhysicalResourceId"] if deleting else group_id or log,
            "StackId": request["StackId"],
            "RequestId": request["RequestId"],
            "LogicalResourceId": request["LogicalResourceId"],
        },
    )


def close(ec2: Any, group_id: str, *, wait: Callable[[float], None] = time.sleep) -> None:
    """Revokes every rule of the group; one without rules stays as it is.

    ec2: a boto3 client. wait: sleeps for so many seconds.

    Raises StillOpen, and what EC2 raises; being refused only after some attempts.
    """
    (group,) = _patiently(partial(ec2.describe_security_groups, GroupIds=[group_id]), ec2, wait)["SecurityGroups"]
    for rules, revoke in (
        (group["IpPermissions"], ec2.revoke_security_group_ingress),
        (group["IpPermissionsEgress"], ec2.revoke_security_group_egress),
    ):
        if not rules:
            continue
        answer = _patiently(partial(revoke, GroupId=group_id, IpPermissions=rules), ec2, wait)
        if unknown := answer.get("UnknownIpPermissions"):
            raise StillOpen(f"{group_id} may still have {json.dumps(unknown)}; update the stack again")


def _patiently(call: Callable[[], Any], ec2: Any, wait: Callable[[float], None]) -> Any:
    for _ in range(_ATTEMPTS - 1):
        try:
            return call()
        except ec2.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "UnauthorizedOperation":
                raise
            wait(_PAUSE)
    return call()


def _put(url: str, answer: dict[str, Any]) -> None:
    # The address is signed for a request without a content type, which urllib would add.
    request = urllib.request.Request(url, data=json.dumps(answer).encode(), headers={"Content-Type": ""}, method="PUT")
    with urllib.request.urlopen(request, timeout=30):
        pass
