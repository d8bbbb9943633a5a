"""An endpoint as DescribeEndpoint shows it and as EventBridge tells of it."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from localcloud import events
from localcloud.sagemaker.fleet import Fleet, Variant

if TYPE_CHECKING:
    from localcloud.sagemaker.endpoint import Endpoint

_STATE_CHANGE = "SageMaker Endpoint State Change"
_DEPLOYMENT_STATE_CHANGE = "SageMaker Endpoint Deployment State Change"


def described(endpoint: "Endpoint") -> dict[str, Any]:
    """DescribeEndpoint's answer."""
    answer = {**endpoint.summary(), "EndpointConfigName": endpoint.endpoint_config_name}
    if endpoint.failure_reason:
        answer["FailureReason"] = endpoint.failure_reason
    if endpoint.deployment.request:
        answer["LastDeploymentConfig"] = endpoint.deployment.request
    if endpoint.fleet:
        answer |= _variants(endpoint.fleet)
        answer |= _capture(endpoint.fleet.config)
        for name in ("MetricsConfig", "AsyncInferenceConfig"):
            if endpoint.fleet.config.get(name):
                answer[name] = endpoint.fleet.config[name]
    if pending := endpoint.pending:
        answer["PendingDeploymentSummary"] = {
            "EndpointConfigName": pending.config_name,
            "StartTime": pending.started_at,
            **_variants(pending, is_pending=True),
        }
    return answer


def tell(endpoint: "Endpoint", *, deployment: bool = False) -> None:
    """Its event, of a change of its status, or of a stage of a deployment.

    Shape: https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
    """
    detail = _written({name: value for name, value in described(endpoint).items() if name != "LastDeploymentConfig"})
    detail["EndpointStatus"] = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", endpoint.endpoint_status).upper()
    detail["Tags"] = {tag["Key"]: tag["Value"] for tag in endpoint.tags}
    events.emit(endpoint.arn, "aws.sagemaker", _DEPLOYMENT_STATE_CHANGE if deployment else _STATE_CHANGE, detail)


def _variants(fleet: Fleet, *, is_pending: bool = False) -> dict[str, Any]:
    found = {"ProductionVariants": [_variant(variant, is_pending) for variant in fleet.production]}
    if fleet.shadows:
        found["ShadowProductionVariants"] = [_variant(variant, is_pending) for variant in fleet.shadows]
    return found


def _variant(variant: Variant, is_pending: bool) -> dict[str, Any]:
    summary = {
        "VariantName": variant.name,
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": len(variant.containers),
        "DesiredInstanceCount": variant.desired,
    }
    if variant.images:
        summary["DeployedImages"] = list(variant.images)
    if pools := variant.settings.get("InstancePools"):
        types = [variant.instance_types[container] for container in variant.containers]
        summary["InstancePools"] = [
            {"InstanceType": pool["InstanceType"], "CurrentInstanceCount": types.count(pool["InstanceType"])}
            for pool in pools
        ]
    elif is_pending and variant.settings.get("InstanceType"):
        summary["InstanceType"] = variant.settings["InstanceType"]
    if serverless := variant.settings.get("ServerlessConfig"):
        summary |= {"CurrentServerlessConfig": serverless, "DesiredServerlessConfig": serverless}
    for name in ("ManagedInstanceScaling", "RoutingConfig"):
        if variant.settings.get(name):
            summary[name] = variant.settings[name]
    if variant.stage:
        status, message, since = variant.stage
        summary["VariantStatus"] = [{"Status": status, "StatusMessage": message, "StartTime": since}]
    return summary


def _capture(config: dict[str, Any]) -> dict[str, Any]:
    capture = config.get("DataCaptureConfig")
    if not capture:
        return {}
    enabled = bool(capture.get("EnableCapture", True))
    return {
        "DataCaptureConfig": {
            "EnableCapture": enabled,
            "CaptureStatus": "Started" if enabled else "Stopped",
            "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
            "DestinationS3Uri": capture["DestinationS3Uri"],
            "KmsKeyId": capture.get("KmsKeyId") or "",
        }
    }


def _written(value: Any) -> Any:
    """Times as the milliseconds that events have."""
    if isinstance(value, datetime):
        return int(value.replace(tzinfo=UTC).timestamp() * 1000)
    if isinstance(value, dict):
        return {name: _written(each) for name, each in value.items()}
    return [_written(each) for each in value] if isinstance(value, list) else value
