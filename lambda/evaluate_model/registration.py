"""What the model registry is told of a model: where it came from, what it was measured at, and whether that is enough.

All of it in `CustomerMetadataProperties`, which lists and searches show, and in the model card.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from evaluate_model.metadata import properties
from evaluate_model.model_card import card

APPROVED, PENDING = "Approved", "PendingManualApproval"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the environment decides; the state machine passes it, and no request can.

    metric, approve_at: a model is approved by itself when this metric, the job type's and not the request's, is at
        least approve_at. approve_at None: a person approves.
    card: members of the model card that only people know, by their names in its schema.
    reports: `s3://…/`, where reports of runs are written.
    """

    environment: str
    job_type: str
    metric: str
    approve_at: float | None = None
    card: dict[str, str] = field(default_factory=dict)
    reports: str = ""


def registration(event: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """{approval_status, description, metadata, card}, for CreateModelPackage.

    event: see `evaluate_model.handler.handle`. result: of `evaluate`.
    """
    rules = Rules(**event["registry"])
    evaluation = result["evaluation"]
    origins = _origins(event, rules)
    origins["gate"] = f"{evaluation['metric']} {evaluation['value']} minimum {evaluation['minimum']}"
    status = _approval(rules, evaluation)
    if status == APPROVED:
        value = evaluation["metrics"][rules.metric]
        origins["approved-by"] = f"{rules.metric} {value} reached approve_at {rules.approve_at}"
    return {
        "approval_status": status,
        "description": f"Trained by {result['training']['job_name']}: {evaluation['metric']} {evaluation['value']}",
        "metadata": properties(origins, evaluation["metrics"]),
        "card": card(rules.card, event, result, origins),
    }


def _approval(rules: Rules, evaluation: dict[str, Any]) -> str:
    value = evaluation["metrics"].get(rules.metric)
    reached = rules.approve_at is not None and value is not None and value >= rules.approve_at
    return APPROVED if reached and evaluation["passed"] else PENDING


def _origins(event: dict[str, Any], rules: Rules) -> dict[str, str]:
    """Everything that the model was made of, by the names that people search for."""
    job, request, execution = event["training"], event["request"], event["execution"]
    code = event.get("code", {})
    found = {
        "training-job": job["TrainingJobName"],
        "training-image": event["image"],
        "training-image-uri": job.get("AlgorithmSpecification", {}).get("TrainingImage", ""),
        "environment": rules.environment,
        "job-type": rules.job_type,
        "execution": execution,
        "request-sha256": request_hash(request),
        "report": f"{rules.reports}{execution.rsplit(':', 1)[-1]}.json" if rules.reports else "",
        **code,
        "source": "" if code else request.get("source_dir", ""),
        "parent": _parent(request, event.get("data", {})),
        # A run that was given checkpoints goes on from another one's, whatever model that began with.
        "checkpoints": request.get("checkpoint_s3_uri", ""),
    }
    data = {f"data.{channel}": describe_version(each) for channel, each in sorted(event.get("data", {}).items())}
    return {name: value for name, value in {**found, **data}.items() if value}


def request_hash(request: dict[str, Any]) -> str:
    """SHA-256 of a request as JSON with sorted keys and without spaces: the same however it was written down."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def describe_version(version: dict[str, Any]) -> str:
    """A channel's version in a line. The place comes last: it is what can be cut."""
    uri = version.get("uri", "")
    if "sha256" not in version:
        return f"unknown {uri} {version.get('why_none', '')}".strip()
    extent = "" if version["whole"] else " first-only"
    return f"sha256:{version['sha256']} objects:{version['objects']} bytes:{version['bytes']}{extent} {uri}"


def _parent(request: dict[str, Any], data: dict[str, Any]) -> str:
    """The model that training began with: of the mirror, with its commit, or what lay in the channel `model`."""
    if model := request.get("model"):
        return f"hub/{model}"
    return str(data.get("model", {}).get("uri", ""))
