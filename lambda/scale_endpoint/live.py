"""What there is of an endpoint at this moment: asked of SageMaker."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack")
PAUSE = 5.0
"""Seconds between two looks."""
PATIENCE = 780.0
"""Seconds that a change of the endpoint may go on: two minutes less than Lambda lets a function run."""


class StillMoving(RuntimeError):  # noqa: N818 (the name is what people see as the reason of a failed deployment)
    """The endpoint changes, and takes no other change before that is done."""


def endpoint(sagemaker: Any, name: str) -> Mapping[str, Any] | None:
    """What DescribeEndpoint says. None: there is no such endpoint, or soon none."""
    found = _unless_missing(lambda: sagemaker.describe_endpoint(EndpointName=name))
    return None if found is None or found["EndpointStatus"] == "Deleting" else found


def instance_types(sagemaker: Any, configuration: str) -> Mapping[str, frozenset[str]] | None:
    """By variant: the types that an endpoint configuration names. Empty: serverless. None: it has been deleted."""
    found = _unless_missing(lambda: sagemaker.describe_endpoint_config(EndpointConfigName=configuration))
    return found and {each["VariantName"]: _types(each) for each in found["ProductionVariants"]}


def has_component(sagemaker: Any, name: str) -> bool:
    """Whether there is such an inference component, and not only what is left of it."""
    found = _unless_missing(lambda: sagemaker.describe_inference_component(InferenceComponentName=name))
    return found is not None and found["InferenceComponentStatus"] != "Deleting"


def wait_until_settled(sagemaker: Any, name: str, wait: Callable[[float], None]) -> None:
    """Until no change of it is going on: SageMaker refuses an update before. wait: sleeps for so many seconds.

    Raises StillMoving.
    """
    for _ in range(int(PATIENCE / PAUSE)):
        found = endpoint(sagemaker, name)
        if found is None or found["EndpointStatus"] not in MOVING:
            return
        wait(PAUSE)
    raise StillMoving(
        f"The endpoint {name} has been changing for {PATIENCE / 60:.0f} minutes, by a scaling activity or by another "
        "update, and SageMaker takes no update before that has ended. Deploy again when `hfsm status` shows it in "
        "service."
    )


def _types(variant: Mapping[str, Any]) -> frozenset[str]:
    pools = variant.get("InstancePools", [])
    named = [variant.get("InstanceType"), *(pool.get("InstanceType") for pool in pools)]
    return frozenset(name for name in named if name)


def _unless_missing(ask: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any] | None:
    try:
        return ask()
    except ClientError as error:
        # SageMaker has no code of its own for it.
        said = error.response["Error"]
        if said["Code"] == "ResourceNotFound" or "Could not find" in said.get("Message", ""):
            return None
        raise
