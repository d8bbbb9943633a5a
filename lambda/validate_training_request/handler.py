"""Lambda entry point."""

from typing import Any

import boto3

from validate_training_request.logic import Defaults, InvalidTrainingRequest, mirror_manifests, training_job


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Input: {request, defaults, execution_id}. Output: see `training_job`.

    Raises InvalidTrainingRequest, whose name and text the state machine passes on to people.
    """
    defaults = Defaults(**event["defaults"])
    job = training_job(event["request"], defaults, event["execution_id"])
    manifests = mirror_manifests(job, defaults)
    if missing := [uri for uri, key in manifests.items() if not _is_there(defaults.models_bucket, key)]:
        raise InvalidTrainingRequest(
            f"The training request was refused, no job was started. {', '.join(missing)} is not in the mirror of the "
            "Hub, or not whole. Name the model under hub.models in the environment's settings, deploy, and run `hfsm "
            "mirror`; `hfsm mirror --list` shows what is there."
        )
    return job


def _is_there(bucket: str, key: str) -> bool:
    """By a listing: whoever may list cannot read."""
    listed = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    return bool(listed["KeyCount"])


__all__ = ["InvalidTrainingRequest", "handle"]
