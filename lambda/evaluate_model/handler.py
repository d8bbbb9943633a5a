"""Lambda entry point."""

from typing import Any

from evaluate_model.logic import MetricMissing, evaluate
from evaluate_model.scores import ScoresUnreadable


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Input: {evaluation: {metric, minimum, scores}, training: <DescribeTrainingJob>, image: name, code: {…}}.

    scores: what a job has said that evaluated the model on data. Left out: none has.
    code: of Git. Left out: it is the image's, or came from S3. Output: see `evaluate`.
    """
    return evaluate(event["evaluation"], event["training"], event["image"], event.get("code", {}))


__all__ = ["MetricMissing", "ScoresUnreadable", "handle"]
