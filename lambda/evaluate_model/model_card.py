"""The model card of a model package: what people said in the settings, and what the run knows.

Its schema: https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-details.html#model-card-schema
"""

import json
import math
from typing import Any

LONGEST_CARD = 40_000
"""Characters. SageMaker takes 100 000, but an execution carries 256 KiB in all."""
_TEXT, _LONG_TEXT, _OBSERVATION, _VALUE, _METRIC_NAME = 1024, 2048, 2096, 255, 255
_MOST_PLACES, _MOST_DATASETS, _MOST_METRICS, _MOST_HYPERPARAMETERS = 15, 10, 50, 100
_GROUPS = {
    "intended_uses": (
        "purpose_of_model",
        "intended_uses",
        "factors_affecting_model_efficiency",
        "risk_rating",
        "explanations_for_risk_rating",
    ),
    "business_details": ("business_problem", "business_stakeholders", "line_of_business"),
    "additional_information": ("ethical_considerations", "caveats_and_recommendations"),
}
TRAINING_DATA = ("train", "validation", "model", "code")
"""Channels on which a model is not evaluated. Every other one may be."""


def card(said: dict[str, str], event: dict[str, Any], result: dict[str, Any], origins: dict[str, str]) -> str:
    """The content as JSON.

    said: members that only people know, by their names in the schema. Without a risk rating it is `Unknown`.
    event: see `evaluate_model.handler.handle`. result: of `evaluate`. origins: of the registration.
    """
    said = {"risk_rating": "Unknown", **said}
    creator = said.get("model_creator") or f"{origins['job-type']} of {origins['environment']}"
    content: dict[str, Any] = {
        "model_overview": {
            "model_creator": creator[:_TEXT],
            "model_artifact": [result["training"]["model_data"][:_TEXT]],
        },
        **{
            group: {name: said[name][:_LONG_TEXT] for name in names if said.get(name)}
            for group, names in _GROUPS.items()
        },
        "training_details": _training(event, result),
        "evaluation_details": [_evaluation(event, result)],
    }
    content["additional_information"]["custom_details"] = {k: v[:_TEXT] for k, v in origins.items()}
    return _fitting(content)


def _training(event: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    job, training = event["training"], result["training"]
    image = job.get("AlgorithmSpecification", {}).get("TrainingImage")
    datasets = [each["uri"] for _, each in sorted(event.get("data", {}).items()) if each.get("uri")]
    details: dict[str, Any] = {
        "training_arn": job.get("TrainingJobArn", "")[:_TEXT],
        "training_datasets": [uri[:_TEXT] for uri in datasets[:_MOST_PLACES]],
        "training_environment": {"container_image": [image[:_TEXT]] if image else []},
        "training_metrics": _metrics(result["evaluation"]["metrics"]),
        "hyper_parameters": [
            {"name": name[:_VALUE], "value": value[:_VALUE]}
            for name, value in sorted(job.get("HyperParameters", {}).items())[:_MOST_HYPERPARAMETERS]
            if name and value
        ],
    }
    kind = "managed spot" if training["spot"] else "on demand"
    return {
        "training_observations": (
            f"Trained on {kind} for {training['training_seconds']} s, of which {training['billable_seconds']} s were "
            "billed."
        )[:_TEXT],
        "training_job_details": details,
    }


def _evaluation(event: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    evaluation = result["evaluation"]
    datasets = [
        each["uri"][:_TEXT]
        for channel, each in sorted(event.get("data", {}).items())
        if channel not in TRAINING_DATA and each.get("uri")
    ]
    named = {evaluation["metric"]: evaluation["value"]}
    return {
        "name": "Gate before the registry",
        "evaluation_observation": (
            f"{evaluation['metric']} is {evaluation['value']}; at least {evaluation['minimum']} was asked for. The "
            "training code reported it."
        )[:_OBSERVATION],
        "datasets": datasets[:_MOST_DATASETS],
        "metadata": {"minimum": str(evaluation["minimum"])},
        "metric_groups": [
            {"name": "gate", "metric_data": [{**each, "type": "number"} for each in _metrics(named)]},
        ],
    }


def _metrics(values: dict[str, float]) -> list[dict[str, Any]]:
    """Numbers only: JSON has no infinity."""
    finite = [(name, value) for name, value in sorted(values.items()) if name and math.isfinite(value)]
    return [{"name": name[:_METRIC_NAME], "value": value} for name, value in finite[:_MOST_METRICS]]


def _fitting(content: dict[str, Any]) -> str:
    """Without what is longest and said elsewhere too, where the card is too long; and it says so."""
    text = json.dumps(content, sort_keys=True)
    for path, name in (
        (("training_details", "training_job_details"), "hyper_parameters"),
        (("additional_information",), "custom_details"),
    ):
        if len(text) <= LONGEST_CARD:
            break
        place = content
        for step in path:
            place = place[step]
        place.pop(name)
        observed = content["training_details"]["training_observations"]
        content["training_details"]["training_observations"] = f"{observed} Left out, too long: {name}."[:_TEXT]
        text = json.dumps(content, sort_keys=True)
    return text
