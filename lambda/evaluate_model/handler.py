"""Lambda entry point."""

from typing import Any

from evaluate_model.logic import MetricMissing, evaluate
from evaluate_model.registration import registration
from evaluate_model.scores import ScoresUnreadable


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Input: {evaluation: {metric, minimum, scores}, training: <DescribeTrainingJob>, image: name, code: {…}, and for
    the registry request, execution: its ARN, data: see `validate_training_request.data_versions`, registry: see
    `evaluate_model.registration.Rules`}.

    scores: what a job has said that evaluated the model on data. Left out: none has.
    code: of Git. Left out: it is the image's, or came from S3. Output: see `evaluate`, and `registration`.
    """
    result = evaluate(event["evaluation"], event["training"])
    return {**result, "registration": registration(event, result)}


__all__ = ["MetricMissing", "ScoresUnreadable", "handle"]
