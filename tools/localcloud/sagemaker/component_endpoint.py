"""Endpoints that host inference components: instances without a model of their own, and who is on them.

Contract: https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-deploy-models.html
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from moto.sagemaker.exceptions import ValidationError

from localcloud.log_stream import LogStream
from localcloud.sagemaker.component_instances import EMPTY, ComponentFleet, Instance, Instances
from localcloud.sagemaker.deployment_config import DeploymentConfig
from localcloud.sagemaker.endpoint import Endpoint
from localcloud.sagemaker.fleet import STARTUP_TIMEOUT, Fleet
from localcloud.sagemaker.inference_component import InferenceComponent
from localcloud.sagemaker.instance_capacity import capacity_of, required_by
from localcloud.sagemaker.instance_pools import instance_types
from localcloud.sagemaker.invocations import Invocation
from localcloud.sagemaker.launching import launch
from localcloud.sagemaker.refusal import InvocationRefusedError
from localcloud.sagemaker.registry import ModelData, ServedModel
from localcloud.sagemaker.serving_container import DrainingError, ServingContainer, Stop

COMPONENT = "X-Amzn-SageMaker-Inference-Component"
_NO_HEADER = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference components. "
    "Please include Inference Component Name header or consider using SageMaker models."
)
_NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if "
    "configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)
_LOOK_EVERY = 1.0  # seconds
_PUBLISHED_EVERY = 10.0  # seconds on AWS's clock: as high-resolution metrics are


class ComponentEndpoint(Endpoint):
    """Its instances are a reckoning: what is on them are processes of this machine, as every container here."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.instances = Instances()
        self.components: dict[str, InferenceComponent] = {}
        threading.Thread(target=self._watch, name=f"components-{self.endpoint_name}", daemon=True).start()

    @property
    def variant_name(self) -> str:
        return str(self._variant["VariantName"])

    @property
    def _variant(self) -> dict[str, Any]:
        assert self.fleet
        return self.fleet.production[0].settings

    def create(self, config: Mapping[str, Any], deployment: DeploymentConfig | None = None) -> None:
        """As any endpoint's. ValidationError: also where nobody knows what such instances have."""
        for instance_type in instance_types(config["ProductionVariants"][0]):
            capacity_of(instance_type)
        super().create(config, deployment)

    def update(self, config: Mapping[str, Any], *arguments: Any, **named: Any) -> None:
        """As any endpoint's. ValidationError: also where components are in the way."""
        (variant,) = config["ProductionVariants"]
        if self.components and instance_types(variant) != instance_types(self._variant):
            raise ValidationError("The embedded AWS does not move inference components to another instance type.")
        if self.components and variant["VariantName"] != self.variant_name:
            raise ValidationError(f"Variant {self.variant_name} cannot be removed: it hosts inference components.")
        if self.fleet:
            self.fleet.production[0].desired = self.instances.count  # what RetainAllVariantProperties keeps
        super().update(config, *arguments, **named)

    def _fleet(self, config: Mapping[str, Any]) -> Fleet:
        return ComponentFleet(
            self.compute,
            config,
            self.instances,
            endpoint=self.endpoint_name,
            account=self.account,
            region=self.region,
            resolve=self._resolve,
            stop=self._stop,
        )

    def scale(self, desired: list[dict[str, Any]]) -> None:
        (change,) = desired
        if change["VariantName"] != self.variant_name:
            raise ValidationError(f"The variant name(s) {change['VariantName']} do not exist in the endpoint.")
        if self.instances.scaling:
            raise ValidationError("The instances of a variant with ManagedInstanceScaling cannot be set.")
        self._updatable()
        count = change.get("DesiredInstanceCount", self.instances.count)
        self._begin("Updating", lambda: self.instances.bring(count), after_failure="InService")

    def delete(self, then: Callable[[], object]) -> None:
        if self.components:
            raise ValidationError(
                f'Cannot delete endpoint "{self.arn}": it hosts the inference component(s) '
                f"{', '.join(sorted(self.components))}. Delete them first."
            )
        super().delete(then)

    # Components

    def add(self, request: dict[str, Any], arn: str) -> InferenceComponent:
        """CreateInferenceComponent. ValidationError: it cannot be."""
        if self.endpoint_status != "InService":
            raise ValidationError(
                f'Cannot create an inference component on endpoint "{self.arn}": its status is '
                f"{self.endpoint_status}, not InService."
            )
        if request.get("VariantName", self.variant_name) != self.variant_name:
            raise ValidationError(f"Variant {request['VariantName']} of endpoint {self.endpoint_name} not found.")
        self.check(request["Specification"])
        component = self.components[request["InferenceComponentName"]] = InferenceComponent(self, request, arn)
        component.create()
        return component

    def check(self, specification: dict[str, Any]) -> None:
        """ValidationError: such a copy does not fit every type of instance that this endpoint may have."""
        needed = required_by(specification)
        for instance_type in instance_types(self._variant):
            if not (capacity := capacity_of(instance_type)).holds(needed):
                raise ValidationError(
                    f"A copy of the inference component needs {needed}, more than an instance of type {instance_type} "
                    f"has: {capacity}."
                )

    def launch_copy(self, component: str, specification: dict[str, Any], instance: Instance) -> ServingContainer:
        group = f"/aws/sagemaker/InferenceComponents/{component}"
        stream = f"{self.variant_name}/{instance.identifier}-{time.time_ns():x}"
        log = LogStream(self.account, self.region, group, stream)
        description = f"endpoint {self.endpoint_name}, inference component {component}"
        model = self._model(specification)
        return launch(self.compute, model, self.variant_name, log, description, self.account, self.region)

    def wait_for(
        self, containers: list[ServingContainer], specification: dict[str, Any], deleted: threading.Event
    ) -> None:
        startup = specification.get("StartupParameters") or {}
        timeout = startup.get("ContainerStartupHealthCheckTimeoutInSeconds") or STARTUP_TIMEOUT
        deadline = time.monotonic() + timeout
        for serving in containers:
            serving.wait_until_healthy(deadline, Stop(deleted, self.compute.stopping))

    def _model(self, specification: dict[str, Any]) -> ServedModel:
        """Of ModelName, with what Container says instead."""
        container = specification.get("Container") or {}
        url, environment = container.get("ArtifactUrl"), container.get("Environment") or {}
        if name := specification.get("ModelName"):
            model = self._resolve(name)
            environment = {**model.environment, **environment}
            image, data = container.get("Image", model.image), ModelData(url) if url else model.data
            return ServedModel(image, model.role, data, environment)
        assert self.fleet
        role = self.fleet.config["ExecutionRoleArn"]
        return ServedModel(container["Image"], role, ModelData(url) if url else None, environment)

    # Requests

    def invoke(
        self, body: bytes, headers: dict[str, str], target_variant: str | None = None, *, began: float | None = None
    ) -> Invocation | None:
        """InvocationRefusedError: the request names no component, or one that is not there or has no copy."""
        began = time.perf_counter() if began is None else began
        if not self.fleet:
            return None
        headers = dict(headers)
        component = self._named(headers.pop(COMPONENT, None))
        while serving := component.choose():
            asked = time.perf_counter()
            try:
                variant = self.fleet.production[0]
                invocation = self._invocations.ask(self.fleet, variant, serving, body, headers, began)
            except DrainingError:
                continue  # it was stopped after it was chosen
            component.answered(invocation.answer, time.perf_counter() - asked)
            return invocation
        raise InvocationRefusedError(_NO_CAPACITY)

    def _named(self, name: str | None) -> InferenceComponent:
        if not name:
            raise InvocationRefusedError(_NO_HEADER)
        if name not in self.components:
            raise InvocationRefusedError(f"Inference Component {name} of endpoint {self.endpoint_name} not found.")
        return self.components[name]

    def describe(self) -> dict[str, Any]:
        """Its instances have no containers of their own."""
        answer = super().describe()
        for variant in answer.get("ProductionVariants") or ():
            variant |= {"CurrentInstanceCount": self.instances.count, "DesiredInstanceCount": self.instances.count}
        return answer

    def _watch(self) -> None:
        cloud, published = self.compute.cloud, 0.0
        interval = min(_LOOK_EVERY, cloud.seconds(_PUBLISHED_EVERY))
        while not (self.deleted.wait(interval) or self.compute.stopping.is_set()):
            self.instances.release_empty(cloud.seconds(EMPTY))
            if time.monotonic() - published >= cloud.seconds(_PUBLISHED_EVERY):
                published = time.monotonic()
                for component in list(self.components.values()):
                    component.publish()
