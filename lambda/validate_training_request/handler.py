"""Lambda entry point."""

from typing import Any

from validate_training_request.logic import Defaults, InvalidTrainingRequest, training_job


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Input: {request, defaults, execution_id}. Output: see `training_job`.

    Raises InvalidTrainingRequest, whose name and text the state machine passes on to people.
    """
    return training_job(event["request"], Defaults(**event["defaults"]), event["execution_id"])


__all__ = ["InvalidTrainingRequest", "handle"]
