"""An endpoint's update as its settings have it: how it scales around it, what gives it back, what is asked after it."""

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


def guard(
    made: SageMakerEndpoint,
    endpoint: EndpointSettings,
    *,
    settings: EnvironmentSettings,
    inference: InferenceStack,
    data: DataStack,
) -> EndpointSafety:
    """Puts everything that is around an update on an endpoint that is complete."""
    assert inference.scaling and inference.smoke, "an environment with an endpoint has the functions for it"
    components = made.components if isinstance(made, InferenceComponentsEndpoint) else {}
    models = made.models.values() if isinstance(made, InferenceComponentsEndpoint) else ()
    queue = (data.buckets.data, made.input_prefix) if isinstance(made, AsynchronousEndpoint) else None
    return EndpointSafety(
        made,
        "Safety",
        scaling_function=inference.scaling,
        smoke_function=inference.smoke,
        update=endpoint.update.resolve(
            endpoint.mode, disposable=settings.disposable, variants=max(1, len(endpoint.variants))
        ),
        scaling=_scaling(made, endpoint),
        example=_example(endpoint, settings),
        components=list(components.values()),
        again_with=[model.attr_model_name for model in models],
        target_model=endpoint.example.target_model if endpoint.example else None,
        asynchronous=queue,
    )


def _scaling(made: SageMakerEndpoint, endpoint: EndpointSettings) -> dict[str, EndpointScaling]:
    """By the name of the part as SageMaker knows it."""
    limits = endpoint.limits
    if not limits:
        return {}
    # Parts are in the order in which the settings name them.
    return {
        part.name: endpoint.scaling.resolve(*bounds, target=endpoint.scaling_target)
        for part, bounds in zip(made.parts, limits.values(), strict=True)
    }


def _example(endpoint: EndpointSettings, settings: EnvironmentSettings) -> RequestExample | None:
    """What the settings say; else what the task answers, in an image that serves tasks."""
    if endpoint.example:
        body, content_type = endpoint.example.resolve()
        return RequestExample(body=body, content_type=content_type)
    served = endpoint.served
    tasks = {each.model.task for each in served} | ({endpoint.multi_model.task} if endpoint.multi_model else set())
    serve_tasks = all(settings.described(each.image).product == "inference" for each in served)
    if len(tasks) != 1 or not serve_tasks or (found := example_of(tasks.pop())) is None:
        return None
    return RequestExample(body=json.dumps(found).encode())
