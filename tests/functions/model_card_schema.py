"""SageMaker's schema of a model package's model card, as far as our cards use it.

Written down from https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-details.html#model-card-schema
(version 0.1.0). The documentation has maxItems of metrics and hyperparameters inside `items`, where it has no effect;
here it stands where it is meant.
"""

from typing import Any


def _text(longest: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(required)}


def _list(items: dict[str, Any], most: int | None = None) -> dict[str, Any]:
    return {"type": "array", "items": items, **({"maxItems": most} if most else {})}


_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
_METRIC = _object({"name": _NAME, "notes": _text(1024), "value": {"type": "number"}}, "name", "value")
_HYPERPARAMETER = _object(
    {"name": _NAME, "value": {"type": "string", "minLength": 1, "maxLength": 255}}, "name", "value"
)
_SIMPLE_METRIC = _object(
    {
        "name": _NAME,
        "notes": _text(1024),
        "type": {"enum": ["number", "string", "boolean"]},
        "value": {"anyOf": [{"type": "number"}, _text(63), {"type": "boolean"}]},
    },
    "name",
    "type",
    "value",
)
_GROUP = {
    "type": "object",
    "required": ["name", "metric_data"],
    "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 63}, "metric_data": _list(_SIMPLE_METRIC)},
}

SCHEMA = _object(
    {
        "model_overview": _object({"model_creator": _text(1024), "model_artifact": _list(_text(1024), 15)}),
        "intended_uses": _object(
            {
                "purpose_of_model": _text(2048),
                "intended_uses": _text(2048),
                "factors_affecting_model_efficiency": _text(2048),
                "risk_rating": {"enum": ["High", "Medium", "Low", "Unknown"]},
                "explanations_for_risk_rating": _text(2048),
            }
        ),
        "business_details": _object(
            {name: _text(2048) for name in ("business_problem", "business_stakeholders", "line_of_business")}
        ),
        "training_details": _object(
            {
                "training_observations": _text(1024),
                "training_job_details": _object(
                    {
                        "training_arn": _text(1024),
                        "training_datasets": _list(_text(1024), 15),
                        "training_environment": _object({"container_image": _list(_text(1024), 15)}),
                        "training_metrics": _list(_METRIC, 50),
                        "hyper_parameters": _list(_HYPERPARAMETER, 100),
                    }
                ),
            }
        ),
        "evaluation_details": _list(
            _object(
                {
                    "name": {"type": "string", "minLength": 1, "maxLength": 63},
                    "evaluation_observation": _text(2096),
                    "evaluation_job_arn": _text(256),
                    "datasets": _list(_text(1024), 10),
                    "metadata": {"type": "object", "additionalProperties": _text(1024)},
                    "metric_groups": _list(_GROUP),
                },
                "name",
            )
        ),
        "additional_information": _object(
            {
                "ethical_considerations": _text(2048),
                "caveats_and_recommendations": _text(2048),
                "custom_details": {"type": "object", "additionalProperties": _text(1024)},
            }
        ),
    }
)
