"""Which of the ways to serve an endpoint configuration asks for, and what CreateEndpointConfig refuses of each.

A configuration may ask for one of them: real-time (a multi-model container included), asynchronous, serverless, or
inference components.
"""

from typing import Any

from moto.sagemaker.exceptions import ValidationError

from localcloud.sagemaker.asynchronous import AsynchronousEndpoint
from localcloud.sagemaker.component_endpoint import ComponentEndpoint
from localcloud.sagemaker.endpoint import Endpoint
from localcloud.sagemaker.serverless import ServerlessEndpoint

_MEMORY = range(1024, 6145, 1024)  # MemorySizeInMB
_CONCURRENCY = range(1, 201)


def endpoint_type(config: dict[str, Any]) -> type[Endpoint]:
    """config: the request of CreateEndpointConfig."""
    variants = config["ProductionVariants"]
    if config.get("AsyncInferenceConfig"):
        return AsynchronousEndpoint
    if any(variant.get("ServerlessConfig") for variant in variants):
        return ServerlessEndpoint
    if not any(variant.get("ModelName") for variant in variants):
        return ComponentEndpoint
    return Endpoint


def check(config: dict[str, Any]) -> None:
    """ValidationError: the configuration contradicts itself."""
    kind = endpoint_type(config)
    if kind is not Endpoint and len(config["ProductionVariants"]) != 1:
        raise ValidationError("Multiple production variants are supported for real-time endpoints with models only.")
    if config.get("ShadowProductionVariants") and kind is not Endpoint:
        raise ValidationError("Shadow variants are supported for real-time endpoints only.")
    for variant in config["ProductionVariants"]:
        _check_variant(variant, kind, config)


def _check_variant(variant: dict[str, Any], kind: type[Endpoint], config: dict[str, Any]) -> None:
    name = variant["VariantName"]
    if serverless := variant.get("ServerlessConfig"):
        if kind is not ServerlessEndpoint:
            raise ValidationError(f"Variant {name}: AsyncInferenceConfig is not supported with ServerlessConfig.")
        if variant.get("InstanceType") or variant.get("InitialInstanceCount"):
            raise ValidationError(f"Variant {name}: InstanceType and InitialInstanceCount exclude ServerlessConfig.")
        if not variant.get("ModelName"):
            raise ValidationError(f"Variant {name}: ModelName is required with ServerlessConfig.")
        _check_serverless(name, serverless)
        return
    if not variant.get("InstanceType") and not variant.get("InstancePools"):
        raise ValidationError(f"Variant {name}: InstanceType is required without ServerlessConfig.")
    if kind is not ComponentEndpoint:
        if not variant.get("ModelName"):
            raise ValidationError(f"Variant {name}: ModelName is required.")
        if variant.get("ManagedInstanceScaling"):
            raise ValidationError("ManagedInstanceScaling is only supported for inference component endpoints.")
    elif not config.get("ExecutionRoleArn"):
        raise ValidationError("ExecutionRoleArn is required for an endpoint that hosts inference components.")
    elif scaling := variant.get("ManagedInstanceScaling"):
        least, most = scaling.get("MinInstanceCount", 0), scaling.get("MaxInstanceCount")
        if most is not None and least > most:
            raise ValidationError(f"Variant {name}: MinInstanceCount {least} is above MaxInstanceCount {most}.")


def _check_serverless(name: str, config: dict[str, Any]) -> None:
    if config["MemorySizeInMB"] not in _MEMORY:
        raise ValidationError(f"Variant {name}: MemorySizeInMB must be one of {', '.join(map(str, _MEMORY))}.")
    if config["MaxConcurrency"] not in _CONCURRENCY:
        raise ValidationError(f"Variant {name}: MaxConcurrency must be 1 to 200.")
    provisioned = config.get("ProvisionedConcurrency")
    if provisioned is not None and not 1 <= provisioned <= config["MaxConcurrency"]:
        raise ValidationError(f"Variant {name}: ProvisionedConcurrency must be 1 to MaxConcurrency.")
