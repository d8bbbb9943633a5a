"""What lay in a job's channels when its run began: a fingerprint of each, made of a listing, without reading anything.

The same module tells later whether a place still holds the same: `hfsm lineage --verify` uses it.
"""

import hashlib
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

MOST_OBJECTS = 10_000
"""Objects that are looked at per channel: ten pages of a listing."""
MOST_SECONDS = 10.0
"""Seconds that all channels of a run together may take: the function that asks has 30."""
_EMPTY = {"objects": 0, "bytes": 0, "sha256": hashlib.sha256().hexdigest(), "whole": True}

Version = dict[str, Any]


def sources(job: dict[str, Any]) -> list[dict[str, Any]]:
    """What a run reads, as `InputDataConfig`: a channel that is prepared before by what it is prepared from, and the
    data that the model is evaluated on.

    job: see `validate_training_request.logic.training_job`.
    """
    raw = {each["InputName"]: each["S3Input"]["S3Uri"] for each in job.get("preparation", {}).get("inputs", [])}
    found = [
        _s3_channel(each["ChannelName"], raw[each["ChannelName"]]) if each["ChannelName"] in raw else each
        for each in job["input_data"]
    ]
    evaluated = job["evaluation"].get("s3_data")
    if evaluated and evaluated not in [each["DataSource"].get("S3DataSource", {}).get("S3Uri") for each in found]:
        found.append(_s3_channel("evaluation.s3_data", evaluated))
    return found


def _s3_channel(name: str, uri: str) -> dict[str, Any]:
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}


def versions(s3: Any, input_data: list[dict[str, Any]], most_seconds: float = MOST_SECONDS) -> dict[str, Version]:
    """By channel: {uri, objects, bytes, sha256, whole}, or {uri, why_none} where nothing could be listed.

    input_data: `InputDataConfig` of CreateTrainingJob. most_seconds: for all of them.
    """
    deadline = time.monotonic() + most_seconds
    found: dict[str, Version] = {}
    for channel in input_data:
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            found[channel["ChannelName"]] = {"why_none": "a file system: its files have no versions to list"}
            continue
        is_prefix = source.get("S3DataType", "S3Prefix") == "S3Prefix"
        found[channel["ChannelName"]] = version(s3, source["S3Uri"], deadline, is_prefix=is_prefix)
    return found


def version(s3: Any, uri: str, deadline: float | None = None, *, is_prefix: bool = True) -> Version:
    """Of one place: how many objects, how many bytes, and the SHA-256 of a line for each: key, ETag and size.

    S3 lists keys in their order, so the lines are sorted. An object that is put again with other content has another
    ETag. whole: False says that only the first objects were looked at, `MOST_OBJECTS` or those until the deadline.

    deadline: of `time.monotonic`. Omitted: none. is_prefix: False: the one object of that key, as of a manifest.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    found: Version = {"uri": uri, **_EMPTY}
    digest = hashlib.sha256()
    request = {"Bucket": bucket, "Prefix": key}
    while True:
        try:
            page = s3.list_objects_v2(**request)
        except (BotoCoreError, ClientError) as error:
            # The run is not this listing's to stop: what the job itself may not read, SageMaker will say.
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            return {"uri": uri, "why_none": f"not listed: {code}"}
        for each in page.get("Contents", []):
            if not is_prefix and each["Key"] != key:
                continue
            digest.update(f"{each['Key']}\t{each['ETag']}\t{each['Size']}\n".encode())
            found["objects"] += 1
            found["bytes"] += each["Size"]
        if not page.get("NextContinuationToken") or not is_prefix:
            break
        if found["objects"] >= MOST_OBJECTS or (deadline is not None and time.monotonic() > deadline):
            found["whole"] = False
            break
        request["ContinuationToken"] = page["NextContinuationToken"]
    return {**found, "sha256": digest.hexdigest()}


def same(then: Version, now: Version) -> bool | None:
    """Whether a place holds what it held. None: it cannot be told, since one of the two was never listed whole."""
    if "sha256" not in then or "sha256" not in now:
        return None
    if then["sha256"] == now["sha256"] and then["objects"] == now["objects"]:
        return True if then["whole"] and now["whole"] else None
    # Listings that broke off at different places differ without a change.
    return None if not (then["whole"] and now["whole"]) and then["objects"] != now["objects"] else False
