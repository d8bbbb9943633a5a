"""Takes every rule from a security group."""

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from custom_resource.fulfilment import Made
from custom_resource.patience import patiently

_REFUSED = ("UnauthorizedOperation",)


class StillOpen(RuntimeError):  # noqa: N818 (the name is what people see in the stack's events)
    """EC2 did not know a rule that it had just told of, so the group may still have it."""


def bring_about(ec2: Any, properties: Mapping[str, Any]) -> Made:
    """Closes the group that the resource's properties name. Its id is the resource's: another VPC's is another one."""
    group_id = properties.get("DefaultSecurityGroupId")
    if not group_id:
        raise ValueError("the property DefaultSecurityGroupId is missing")
    close(ec2, group_id)
    return Made(group_id)


def close(ec2: Any, group_id: str, *, wait: Callable[[float], None] = time.sleep) -> None:
    """Revokes every rule of the group; one without rules stays as it is.

    ec2: a boto3 client. wait: sleeps for so many seconds.

    Raises StillOpen, and what EC2 raises; being refused only after some attempts.
    """
    describe = partial(ec2.describe_security_groups, GroupIds=[group_id])
    (group,) = patiently(describe, _REFUSED, wait=wait)["SecurityGroups"]
    for rules, revoke in (
        (group["IpPermissions"], ec2.revoke_security_group_ingress),
        (group["IpPermissionsEgress"], ec2.revoke_security_group_egress),
    ):
        if not rules:
            continue
        answer = patiently(partial(revoke, GroupId=group_id, IpPermissions=rules), _REFUSED, wait=wait)
        if unknown := answer.get("UnknownIpPermissions"):
            raise StillOpen(f"{group_id} may still have {json.dumps(unknown)}; update the stack again")
