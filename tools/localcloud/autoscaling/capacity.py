"""What is scaled, by its dimension: read and changed through SageMaker's own API, so that it is Updating as on AWS."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INSTANCES = "sagemaker:variant:DesiredInstanceCount"
COPIES = "sagemaker:inference-component:DesiredCopyCount"
CONCURRENCY = "sagemaker:variant:DesiredProvisionedConcurrency"
NOUNS = {
    INSTANCES: "desired instance count",
    COPIES: "desired copy count",
    CONCURRENCY: "desired provisioned concurrency",
}
"""As activities speak of them."""


class NoCapacityError(Exception):
    """The endpoint has no such variant."""


@dataclass(frozen=True)
class Capacity:
    """desired: how much there is to be. settled: it is there, and nothing of the resource changes at this moment."""

    desired: int
    settled: bool


def read(sagemaker: Any, resource_id: str, dimension: str) -> Capacity:
    """Raises ClientError: there is no such endpoint or component; NoCapacityError: or no such variant."""
    if dimension == COPIES:
        component = sagemaker.describe_inference_component(InferenceComponentName=_last(resource_id))
        config = component["RuntimeConfig"]
        desired = int(config["DesiredCopyCount"])
        is_there = config.get("CurrentCopyCount") == desired
        return Capacity(desired, is_there and component["InferenceComponentStatus"] == "InService")
    endpoint = sagemaker.describe_endpoint(EndpointName=_endpoint(resource_id))
    variants = {each["VariantName"]: each for each in endpoint.get("ProductionVariants") or ()}
    in_service = endpoint["EndpointStatus"] == "InService"
    if (variant := variants.get(_last(resource_id))) is None:
        if in_service:
            raise NoCapacityError(f"the endpoint has no variant {_last(resource_id)}")
        return Capacity(0, False)
    if dimension == CONCURRENCY:
        now, wanted = _concurrency(variant, "Current"), _concurrency(variant, "Desired")
        return Capacity(now if wanted is None else wanted, in_service and wanted in (None, now))
    desired = int(variant["DesiredInstanceCount"])
    return Capacity(desired, in_service and variant["CurrentInstanceCount"] == desired)


def request(sagemaker: Any, resource_id: str, dimension: str, number: int) -> None:
    """Asks for so many; SageMaker does the rest. Raises ClientError: SageMaker refuses."""
    if dimension == COPIES:
        sagemaker.update_inference_component_runtime_config(
            InferenceComponentName=_last(resource_id), DesiredRuntimeConfig={"CopyCount": number}
        )
        return
    change: dict[str, Any] = {"VariantName": _last(resource_id)}
    if dimension == CONCURRENCY:
        change["ServerlessUpdateConfig"] = {"ProvisionedConcurrency": number}
    else:
        change["DesiredInstanceCount"] = number
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=_endpoint(resource_id), DesiredWeightsAndCapacities=[change]
    )


def dimensions_of(resource_id: str) -> list[dict[str, str]]:
    """Of the metrics that SageMaker has of the resource."""
    if resource_id.startswith("endpoint/"):
        names = {"EndpointName": _endpoint(resource_id), "VariantName": _last(resource_id)}
    else:
        names = {"InferenceComponentName": _last(resource_id)}
    return [{"Name": name, "Value": value} for name, value in names.items()]


def _concurrency(variant: Mapping[str, Any], which: str) -> Any:
    return (variant.get(f"{which}ServerlessConfig") or {}).get("ProvisionedConcurrency")


def _endpoint(resource_id: str) -> str:
    return resource_id.split("/")[1]


def _last(resource_id: str) -> str:
    return resource_id.rpartition("/")[2]
