"""Does what CloudFormation asks of a custom resource, and tells it that it is done, or why not."""

import json
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_REASON = 2000
"""Characters of an error that CloudFormation is told: it refuses an answer of more than 4096 bytes, and some refusals
of AWS carry long encoded messages."""


@dataclass(frozen=True)
class Made:
    """What a request has led to.

    physical_id: another one than before makes CloudFormation delete the one from before, once the update is through.
    data: attributes for Fn::GetAtt. Omitted: none.
    """

    physical_id: str
    data: Mapping[str, str] = field(default_factory=dict)


def fulfil(request: Mapping[str, Any], bring_about: Callable[[Mapping[str, Any]], Made], *, log: str) -> None:
    """Does what CloudFormation asks, and always answers: without an answer the stack would hang.

    request: RequestType Create and Update bring about what the properties say, again if need be; Delete does nothing.
    bring_about: is given the properties. What it raises becomes the reason of the failure.
    log: name of this run's log stream, which the reason names.

    Raises when the answer itself cannot be delivered: Lambda then runs the request again.
    """

    def act() -> Made:
        if request["RequestType"] == "Delete":
            return Made(request.get("PhysicalResourceId", log))
        return bring_about(request["ResourceProperties"])

    answer(request, act, log=log)


def answer(request: Mapping[str, Any], act: Callable[[], Made], *, log: str) -> None:
    """Acts, and always answers, as `fulfil` does; for a resource whose deletion is work too."""
    made, status, reason = Made(request.get("PhysicalResourceId", log)), "SUCCESS", ""
    try:
        made = act()
    except Exception as error:
        status, reason = "FAILED", f"{type(error).__name__}: {str(error)[:_REASON]}. See log stream {log}."
        print(repr(error))
    _put(
        request["ResponseURL"],
        {
            "Status": status,
            "Reason": reason,
            "PhysicalResourceId": made.physical_id,
            "StackId": request["StackId"],
            "RequestId": request["RequestId"],
            "LogicalResourceId": request["LogicalResourceId"],
            "Data": dict(made.data),
        },
    )


def _put(url: str, answer: Mapping[str, Any]) -> None:
    # The address is signed for a request without a content type, which urllib would add.
    request = urllib.request.Request(url, data=json.dumps(answer).encode(), headers={"Content-Type": ""}, method="PUT")
    with urllib.request.urlopen(request, timeout=30):
        pass
