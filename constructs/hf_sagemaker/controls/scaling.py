"""Control 43: every variant follows its load, by CloudFormation's resources or by what our function registers."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hf_sagemaker.controls.control import Breach, Proof, judge
from hf_sagemaker.controls.templates import Resource, Templates
from hf_sagemaker.scaling_policies import FROM_ZERO

IN_PROD = 2
"""Instances that a protected environment needs, so that one may fail."""
_ENDPOINT = "AWS::SageMaker::Endpoint"
_COMPONENT = "AWS::SageMaker::InferenceComponent"
_REGISTRATION = "Custom::EndpointScaling"
_TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
_POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"


def scales(templates: Templates) -> Iterator[Proof | Breach]:
    """Every variant, and every component, follows its load between limits, without haste.

    Serverless ones without provisioned concurrency have nothing to scale, and instances of components follow the copies.
    """
    declared = dict(_declared(templates))
    for endpoint in templates.resources(_ENDPOINT):
        config = templates.find(endpoint.properties.get("EndpointConfigName"))
        for variant in config.properties.get("ProductionVariants", []) if config else [{}]:
            name = variant.get("VariantName")
            said = declared.get(f"endpoint/{endpoint.properties.get('EndpointName')}/variant/{name}")
            if said:
                yield from _judged(said)
            elif "ServerlessConfig" in variant and "ProvisionedConcurrency" not in variant["ServerlessConfig"]:
                yield Proof(endpoint, "SageMaker brings containers with the requests.")
            elif config and "ModelName" not in variant and "ExecutionRoleArn" in config.properties:
                fault = _managed_scaling_fault(variant.get("ManagedInstanceScaling", {}))
                yield judge(config, not fault, fault)
            else:
                yield from _native(templates, endpoint, name)
    for component in templates.resources(_COMPONENT):
        said = declared.get(f"inference-component/{component.properties.get('InferenceComponentName')}")
        if said:
            yield from _judged(said)
        else:
            yield Breach(component, "it is not declared for scaling.")


def _managed_scaling_fault(scaling: Mapping[str, Any]) -> str:
    least, most = scaling.get("MinInstanceCount", 0), scaling.get("MaxInstanceCount", 0)
    if scaling.get("Status") != "ENABLED":
        return "its instances do not follow the copies; ManagedInstanceScaling must be ENABLED."
    if most <= least:
        return f"MaxInstanceCount is {most}, and must be more than MinInstanceCount ({least})."
    return ""


def _declared(templates: Templates) -> Iterator[tuple[str, tuple[Resource, Mapping[str, Any], bool]]]:
    """By resource id: registration, target, and whether its stack is protected."""
    for resource in templates.resources(_REGISTRATION):
        text = resource.properties.get("Document", "{}")
        if isinstance(text, Mapping):
            text = "".join(part if isinstance(part, str) else "stack" for part in text["Fn::Join"][1])
        for target in json.loads(text).get("Targets", []):
            yield target["ResourceId"], (resource, target, resource.stack in templates.protected)


def _judged(said: tuple[Resource, Mapping[str, Any], bool]) -> Iterator[Proof | Breach]:
    resource, target, protected = said
    policies = target.get("Policies", [])
    tracking = [
        policy["TargetTrackingScalingPolicyConfiguration"]
        for policy in policies
        if policy.get("PolicyType") == "TargetTrackingScaling"
    ]
    leaves_zero = any(policy.get("PolicyName") == FROM_ZERO for policy in policies) and target.get("Alarm") is not None
    counts_instances = target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    faults = list(
        _faults(target, tracking, leaves_zero=leaves_zero, in_prod=protected and counts_instances and not leaves_zero)
    )
    yield judge(resource, not faults, f"{target['ResourceId']}: {'; '.join(faults)}.")


def _native(templates: Templates, endpoint: Resource, variant: object) -> Iterator[Proof | Breach]:
    targets = [t for t in templates.resources(_TARGET) if _scales(t, endpoint, variant)]
    if not targets:
        yield Breach(endpoint, f"its variant {variant} has no scalable target of its own.")
    for target in targets:
        tracking = [
            policy.properties.get("TargetTrackingScalingPolicyConfiguration", {})
            for policy in templates.resources(_POLICY)
            if target.is_named_by(policy.properties.get("ScalingTargetId"))
            and policy.properties.get("PolicyType") == "TargetTrackingScaling"
        ]
        protected = target.stack in templates.protected
        faults = list(_faults(target.properties, tracking, leaves_zero=False, in_prod=protected))
        yield judge(target, not faults, f"{'; '.join(faults)}.")


def _scales(target: Resource, endpoint: Resource, variant: object) -> bool:
    resource = str(target.properties.get("ResourceId"))
    return endpoint.is_named_by(resource) and resource.endswith(f"/variant/{variant}")


def _faults(
    target: Mapping[str, Any], tracking: list[Mapping[str, Any]], *, leaves_zero: bool, in_prod: bool
) -> Iterator[str]:
    least, most = target.get("MinCapacity", 0), target.get("MaxCapacity", 0)
    if in_prod and least < IN_PROD:
        yield f"MinCapacity is {least}, and must be {IN_PROD} in prod"
    if least < 1 and not leaves_zero:
        yield f"MinCapacity is {least}: target tracking cannot leave zero"
    if most <= least:
        yield f"MaxCapacity is {most}, and must be more than MinCapacity ({least})"
    if not tracking:
        yield "it needs a policy of type TargetTrackingScaling"
    for policy in tracking:
        if not policy.get("TargetValue", 0) > 0:
            yield "its policy needs a TargetValue"
        if absent := [side for side in ("ScaleInCooldown", "ScaleOutCooldown") if not policy.get(side)]:
            yield f"its policy needs {' and '.join(absent)}"
