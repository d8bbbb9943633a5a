"""The API of inference components, which moto does not have."""

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.utils import arn_formatter

from localcloud.sagemaker import state
from localcloud.sagemaker.component_endpoint import ComponentEndpoint
from localcloud.sagemaker.inference_component import InferenceComponent
from localcloud.sagemaker.jobs_api import JobOperations

_UNKNOWN_MEMBERS = ("BaseInferenceComponentName", "InstanceType")
_SORTED_BY = {"Name": "InferenceComponentName", "CreationTime": "CreationTime", "Status": "InferenceComponentStatus"}


class ComponentOperations(JobOperations):
    """Create, describe, list, update and delete."""

    def create_inference_component(self) -> ActionResult:
        request = dict(self._get_params())
        name, endpoint_name = request["InferenceComponentName"], request["EndpointName"]
        if any(component.name == name for component in self._components()):
            raise ValidationError(f'Cannot create already existing inference component "{self._component_arn(name)}".')
        endpoint = state.endpoints(self.sagemaker_backend).get(endpoint_name)
        if not isinstance(endpoint, ComponentEndpoint):
            raise ValidationError(
                f"Endpoint {endpoint_name} does not exist, or its variants have models of their own: inference "
                "components need one whose variant has no ModelName."
            )
        self._check_specification(request)
        count = (request.get("RuntimeConfig") or {}).get("CopyCount", 0)
        if count < 1:
            raise ValidationError("Inference components need a copy count that is an integer larger than 0.")
        component = endpoint.add(request, self._component_arn(name))
        return ActionResult({"InferenceComponentArn": component.arn})

    def describe_inference_component(self) -> ActionResult:
        return ActionResult(self._component().describe())

    def list_inference_components(self) -> ActionResult:
        """All that match, in one page."""
        summaries = [component.summary() for component in self._components()]
        for member, wanted in {
            "EndpointName": self._get_param("EndpointNameEquals"),
            "VariantName": self._get_param("VariantNameEquals"),
            "InferenceComponentStatus": self._get_param("StatusEquals"),
        }.items():
            summaries = [summary for summary in summaries if wanted in (None, summary[member])]
        if part := self._get_param("NameContains"):
            summaries = [summary for summary in summaries if part in summary["InferenceComponentName"]]
        key = _SORTED_BY[self._get_param("SortBy") or "CreationTime"]
        descending = self._get_param("SortOrder") != "Ascending"
        summaries.sort(key=lambda summary: summary[key], reverse=descending)
        return ActionResult({"InferenceComponents": summaries})

    def update_inference_component(self) -> ActionResult:
        request, component = self._get_params(), self._component()
        specification = request.get("Specification")
        if specification:
            self._check_specification(request)
            self._host(component).check(specification)
        count = (request.get("RuntimeConfig") or {}).get("CopyCount")
        component.update(specification, count, request.get("DeploymentConfig"))
        return ActionResult({"InferenceComponentArn": component.arn})

    def update_inference_component_runtime_config(self) -> ActionResult:
        component = self._component()
        component.set_count(self._get_param("DesiredRuntimeConfig")["CopyCount"])
        return ActionResult({"InferenceComponentArn": component.arn})

    def delete_inference_component(self) -> EmptyResult:
        component = self._component()
        components = self._host(component).components
        component.delete(then=lambda: components.pop(component.name, None))
        return EmptyResult()

    # Tags, which moto keeps for what it knows

    def add_tags(self) -> ActionResult:
        component = self._tagged()
        if component is None:
            return super().add_tags()
        added = self._get_param("Tags")
        kept = [tag for tag in component.tags if tag["Key"] not in [each["Key"] for each in added]]
        component.tags = [*kept, *added]
        return ActionResult({"Tags": component.tags})

    def list_tags(self) -> ActionResult:
        component = self._tagged()
        return super().list_tags() if component is None else ActionResult({"Tags": component.tags})

    def delete_tags(self) -> ActionResult:
        component = self._tagged()
        if component is None:
            return super().delete_tags()
        component.tags = [tag for tag in component.tags if tag["Key"] not in self._get_param("TagKeys")]
        return ActionResult({})

    def _tagged(self) -> InferenceComponent | None:
        arn = self._get_param("ResourceArn")
        return next((component for component in self._components() if component.arn == arn), None)

    def _check_specification(self, request: dict[str, Any]) -> None:
        specification = request.get("Specification")
        if request.get("Specifications") or not specification:
            raise ValidationError("The embedded AWS knows inference components with one Specification only.")
        for member in _UNKNOWN_MEMBERS:
            if specification.get(member):
                raise ValidationError(f"The embedded AWS does not know {member} of an inference component.")
        requirements = specification.get("ComputeResourceRequirements")
        if not requirements:
            raise ValidationError("ComputeResourceRequirements is required.")
        if requirements.get("AcceleratorPartitionType"):
            raise ValidationError("The embedded AWS does not divide accelerators (AcceleratorPartitionType).")
        if name := specification.get("ModelName"):
            self.sagemaker_backend.describe_model(name)
        elif not (specification.get("Container") or {}).get("Image"):
            raise ValidationError("Specification must have a ModelName, or a Container with an Image.")

    def _components(self) -> list[InferenceComponent]:
        return [component for host in self._hosts() for component in list(host.components.values())]

    def _component(self) -> InferenceComponent:
        name = self._get_param("InferenceComponentName")
        for component in self._components():
            if component.name == name:
                return component
        raise ValidationError(f'Could not find inference component "{self._component_arn(name)}".')

    def _host(self, component: InferenceComponent) -> ComponentEndpoint:
        return next(host for host in self._hosts() if component.name in host.components)

    def _hosts(self) -> list[ComponentEndpoint]:
        endpoints = state.endpoints(self.sagemaker_backend).values()
        return [endpoint for endpoint in list(endpoints) if isinstance(endpoint, ComponentEndpoint)]

    def _component_arn(self, name: str) -> str:
        return str(arn_formatter("inference-component", name, self.current_account, self.region))
