"""Lambda entry point."""

from typing import Any

from evaluate_model.logic import MetricMissing, evaluate


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Input: {evaluation: {metric, minimum}, training: <DescribeTrainingJob>, image: name}. Output: see `evaluate`."""
    return evaluate(event["evaluation"], event["training"], event["image"])


__all__ = ["MetricMissing", "handle"]
