"""Lambda entry point."""

import time
from typing import Any

import boto3
from botocore.config import Config

from validate_training_request.concurrency import TooManyRuns, wait_for_turn
from validate_training_request.data_versions import sources, versions
from validate_training_request.defaults import Defaults
from validate_training_request.logic import (
    REFUSED,
    InvalidTrainingRequest,
    code_archive,
    find_problems,
    mirror_manifests,
    training_job,
)

# The function has 30 seconds, and a listing that nobody answers must not take them all.
_IMPATIENT = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Input: {request, defaults, execution_id}, and where a build has brought the code `code`, the variables that it
    exports; and where runs may have to wait `limit`, see `wait_for_turn`. Output: see `training_job`; and `data`, what
    lies in the channels, once the job is whole.

    Raises InvalidTrainingRequest, whose name and text the state machine passes on to people; and for a sound request
    whose turn has not come TooManyRuns, after which the state machine calls again.
    """
    defaults = Defaults(**event["defaults"])
    commit = _commit(event["request"], defaults, event.get("code"))
    job = training_job(event["request"], defaults, event["execution_id"], commit)
    manifests = mirror_manifests(job, defaults)
    if missing := [uri for uri, key in manifests.items() if not _is_there(defaults.models_bucket, key)]:
        raise InvalidTrainingRequest(
            f"{REFUSED} {', '.join(missing)} is not in the mirror of the "
            "Hub, or not whole. Name the model under hub.models in the environment's settings, deploy, and run `hfsm "
            "mirror`; `hfsm mirror --list` shows what is there."
        )
    if limit := event.get("limit"):
        wait_for_turn(limit, event["execution_id"], boto3.client, time.sleep)
    # Last, so that what is listed is what the job finds: a job that still waits for its code is asked again.
    return (
        job if "fetch_code" in job else {**job, "data": versions(boto3.client("s3", config=_IMPATIENT), sources(job))}
    )


def _commit(request: Any, defaults: Defaults, exported: list[dict[str, str]] | None) -> str | None:
    """The commit of the code, where the archive of it is there."""
    if exported is not None:
        found = {each["Name"]: each["Value"] for each in exported}
        if problem := found.get("CODE_PROBLEM"):
            raise InvalidTrainingRequest(f"{REFUSED} {problem}")
        return found["CODE_RESOLVED"]
    if find_problems(request, defaults) or "git_config" not in request:
        return None
    git = request["git_config"]
    # Whether the commit is on the branch only the build can tell.
    commit: str | None = None if "branch" in git else git.get("commit")
    return commit if commit and _is_there(defaults.models_bucket, code_archive(request, commit)) else None


def _is_there(bucket: str, key: str) -> bool:
    """By a listing: whoever may list cannot read."""
    listed = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    return bool(listed["KeyCount"])


__all__ = ["InvalidTrainingRequest", "TooManyRuns", "handle"]
