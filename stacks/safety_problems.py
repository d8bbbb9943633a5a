"""What is wrong with how an endpoint scales and is updated. Never imports aws_cdk, see stacks/settings.py."""

from hf_sagemaker import instance_types
from stacks.endpoint_settings import EndpointSettings
from stacks.scaling_settings import ScalingSettings, scaling_problems
from stacks.settings_base import Problem
from stacks.update_settings import update_problems


def safety_problems(path: str, endpoint: EndpointSettings, *, disposable: bool) -> list[Problem]:
    """path: of the endpoint in the file."""
    known = instance_types.names("hosting")  # others are told elsewhere
    types = [name for name in endpoint.all_instance_types if name in known]
    found: list[Problem] = []
    scales = endpoint.mode != "serverless" or bool(endpoint.serverless and endpoint.serverless.provisioned_concurrency)
    if scales:
        found += scaling_problems(
            f"{path}.scaling",
            endpoint.scaling,
            mode=endpoint.mode,
            minimum=endpoint.min_instances,
            maximum=endpoint.max_instances,
            instance_types=types,
        )
    elif endpoint.scaling != ScalingSettings():
        reason = "must be left out: without serverless.provisioned_concurrency SageMaker scales by itself"
        found.append((f"{path}.scaling", "given", reason))
    found += update_problems(
        f"{path}.update",
        endpoint.update,
        mode=endpoint.mode,
        disposable=disposable,
        variants=max(1, len(endpoint.variants)),
        has_shadow=endpoint.shadow is not None,
        instance_types=types,
    )
    if endpoint.example and (endpoint.mode == "multi-model") != (endpoint.example.target_model is not None):
        wanted = "must be named" if endpoint.mode == "multi-model" else "must be left out"
        reason = f"{wanted}: a multi-model endpoint, and no other, is asked for one of its models"
        found.append((f"{path}.example.target_model", endpoint.example.target_model, reason))
    return found
