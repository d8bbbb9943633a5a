"""What is put around an endpoint of the settings: how it scales, is updated, and is asked afterwards."""

import json

from hf_sagemaker.asynchronous_endpoint import AsynchronousEndpoint
from hf_sagemaker.endpoint_safety import EndpointSafety
from hf_sagemaker.inference_components import InferenceComponentsEndpoint
from hf_sagemaker.sagemaker_endpoint import SageMakerEndpoint
from hf_sagemaker.scaling_policies import EndpointScaling
from hf_sagemaker.smoke_request import RequestExample, example_of
from stacks.data_stack import DataStack
from stacks.endpoint_settings import EndpointSettings
from stacks.inference_stack import InferenceStack
from stacks.settings import EnvironmentSettings


def make_safe(
    endpoint: SageMakerEndpoint,
    of: EndpointSettings,
    *,
    settings: EnvironmentSettings,
    inference: InferenceStack,
    data: DataStack,
) -> EndpointSafety:
    """Put on an endpoint that is complete. of: its settings."""
    components = list(endpoint.components.values()) if isinstance(endpoint, InferenceComponentsEndpoint) else []
    models = endpoint.models.values() if isinstance(endpoint, InferenceComponentsEndpoint) else []
    return EndpointSafety(
        endpoint,
        "Safety",
        scaling_function=inference.scaling,
        smoke_function=inference.smoke,
        update=of.update.resolve(of.mode, disposable=settings.disposable, variants=max(1, len(of.variants))),
        scaling=_scaling(endpoint, of),
        example=_example(of, settings),
        components=components,
        # Another model of a component is no other endpoint configuration.
        again_with=[each.attr_model_name for each in models],
        target_model=of.example.target_model if of.example else None,
        asynchronous=(
            (data.buckets.data, endpoint.input_prefix) if isinstance(endpoint, AsynchronousEndpoint) else None
        ),
    )


def _scaling(endpoint: SageMakerEndpoint, of: EndpointSettings) -> dict[str, EndpointScaling]:
    """By part."""
    concurrent = of.concurrent_requests_per_instance if of.mode == "real-time" else None
    target = concurrent if of.scaling.metric in (None, "concurrent-requests") else None
    if of.mode == "components":
        return {
            part.name: of.scaling.resolve(each.min_copies, each.max_copies)
            for part, each in zip(endpoint.parts, of.components, strict=True)
        }
    if of.serverless:
        least, most = of.serverless.provisioned_concurrency, of.serverless.max_concurrency
        scales = least is not None and least < most
        return {part.name: of.scaling.resolve(least or 1, most) for part in endpoint.parts if scales}
    own = {each.name: each for each in of.variants}
    found = {}
    for part in endpoint.parts:
        each = own.get(part.name)
        least = each.min_instances if each and each.min_instances is not None else of.min_instances
        most = each.max_instances if each and each.max_instances is not None else of.max_instances
        found[part.name] = of.scaling.resolve(least, most, target)
    return found


def _example(of: EndpointSettings, settings: EnvironmentSettings) -> RequestExample | None:
    """That of the settings, or one that the task answers. None: neither is known."""
    if of.example:
        body, content_type = of.example.resolve()
        return RequestExample(body=body, content_type=content_type)
    tasks = {each.model.task for each in of.served if not each.model.is_registered}
    products = {settings.described(each.image).product for each in of.served}
    if of.multi_model or len(tasks) != 1 or products != {"inference"} or any(m.model.is_registered for m in of.served):
        return None
    known = example_of(tasks.pop())
    return RequestExample(body=json.dumps(known).encode()) if known else None
