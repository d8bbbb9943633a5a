"""SageMaker's inference components."""

import time
from typing import Any

from botocore.exceptions import ClientError

from localcloud.cloudformation.resource import (
    Deployed,
    Properties,
    Request,
    ResourceError,
    ResourceType,
    delete_if_there,
)
from localcloud.cloudformation.resources.sagemaker import POLL_SECONDS, STABLE_WITHIN_SECONDS

_UPDATED = ("Specification", "RuntimeConfig", "DeploymentConfig")
# CloudFormation's reference says that no change replaces a component, and the API can change none of these.
_CANNOT_CHANGE = ("InferenceComponentName", "EndpointName", "VariantName")


class InferenceComponent(ResourceType):
    """Created or updated when it is InService; a failure's reason is the resource's."""

    type_name = "AWS::SageMaker::InferenceComponent"
    # Only an update needs to know how to go about it.
    read_by_deletion = frozenset({"DeploymentConfig", "EndpointArn"})

    def create(self, request: Request) -> Deployed:
        name = request.name("InferenceComponentName", longest=63)
        own = {"InferenceComponentName": name, "Tags": request.tags()}
        arguments = request.arguments("sagemaker", "CreateInferenceComponent", **own)
        arn = request.api("sagemaker").create_inference_component(**arguments)["InferenceComponentArn"]
        request.exists(Deployed(arn))
        return self._settled(request, name)

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        name = _name(deployed)
        for member in _CANNOT_CHANGE:
            if before.get(member) != request.properties.get(member):
                raise ResourceError(f"{member} of the inference component {name} cannot be changed.")
        if any(before.get(member) != request.properties.get(member) for member in _UPDATED):
            request.api("sagemaker").update_inference_component(
                **request.arguments("sagemaker", "UpdateInferenceComponent", InferenceComponentName=name)
            )
        if request.tags():
            request.api("sagemaker").add_tags(ResourceArn=deployed.physical_id, Tags=request.tags())
        return self._settled(request, name)

    def delete(self, request: Request, deployed: Deployed) -> None:
        name = _name(deployed)
        delete_if_there(request.api("sagemaker").delete_inference_component, InferenceComponentName=name)
        deadline = time.monotonic() + STABLE_WITHIN_SECONDS
        while time.monotonic() < deadline and self._describe(request, name) is not None:
            time.sleep(POLL_SECONDS)

    def _settled(self, request: Request, name: str) -> Deployed:
        """As soon as it is InService; raises ResourceError with the FailureReason."""
        deadline = time.monotonic() + STABLE_WITHIN_SECONDS
        while time.monotonic() < deadline:
            described = self._describe(request, name)
            if described is None:
                raise ResourceError(f"The inference component {name} was deleted while it was being created.")
            status, reason = described["InferenceComponentStatus"], described.get("FailureReason")
            if status == "InService" and not reason:
                return Deployed(described["InferenceComponentArn"], _attributes(described))
            # A failed update leaves it in service with what it had before.
            if status in ("Failed", "InService"):
                raise ResourceError(f"The inference component {name} is {status}: {reason or 'no reason was given'}")
            time.sleep(POLL_SECONDS)
        raise ResourceError(f"The inference component {name} was not in service after {STABLE_WITHIN_SECONDS:.0f} s.")

    def _describe(self, request: Request, name: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = request.api("sagemaker").describe_inference_component(InferenceComponentName=name)
        except ClientError as error:
            if "Could not find" in str(error):
                return None
            raise
        return answer


def _name(deployed: Deployed) -> str:
    return deployed.physical_id.rpartition("/")[2]


def _attributes(described: dict[str, Any]) -> dict[str, Any]:
    counts = described["RuntimeConfig"]
    return {
        "InferenceComponentArn": described["InferenceComponentArn"],
        "InferenceComponentStatus": described["InferenceComponentStatus"],
        "RuntimeConfig.CurrentCopyCount": counts["CurrentCopyCount"],
        "RuntimeConfig.DesiredCopyCount": counts["DesiredCopyCount"],
    }


TYPES = (InferenceComponent,)
