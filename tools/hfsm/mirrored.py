"""Models of the Hub that the mirror has brought: which are there whole, and where.

Beside the files of a commit lies a manifest, `hub/<namespace>--<name>/<commit>.json`, written when all are there.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from hfsm.cloud import Parameters
from hfsm.errors import WrongUseError

_PREFIX = "hub/"
_MANIFEST = re.compile(r"^([0-9a-f]{40})\.json$")
_NAMED = re.compile(r"^hub/(?P<id>[^/@]+/[^/@]+)(@(?P<revision>[^@]+))?$")
_COMMIT = re.compile(r"^[0-9a-f]{40}$")


@dataclass(frozen=True)
class MirroredModel:
    """A model at a commit. uri: its S3 prefix. since: when it was whole."""

    id: str
    commit: str
    uri: str
    since: datetime


def mirrored_models(parameters: Parameters) -> list[MirroredModel]:
    """Every model of the mirror, by name, the newest commit of each first."""
    s3, bucket = parameters.cloud.client("s3"), parameters.get("data/models-bucket")
    folders = [entry["Prefix"] for page in _pages(s3, bucket, _PREFIX) for entry in page.get("CommonPrefixes", [])]
    return [model for folder in folders for model in _of_folder(s3, bucket, folder)]


def resolve(parameters: Parameters, name: str) -> str:
    """`hub/<namespace>/<name>@<commit>` for a name with a branch, a tag or nothing behind the @.

    Raises WrongUseError when that model is not in the mirror, or without a revision, when several commits of it are.
    """
    match = _NAMED.match(name)
    if not match:
        raise WrongUseError(f"model is {name!r}: it must be hub/<namespace>/<name>@<revision>, a model of the mirror.")
    s3, bucket = parameters.cloud.client("s3"), parameters.get("data/models-bucket")
    model_id, revision = match["id"], match["revision"]
    folder = f"{_PREFIX}{model_id.replace('/', '--')}/"
    there = [model.commit for model in _of_folder(s3, bucket, folder)]
    if revision is None and len(there) == 1:
        return f"hub/{model_id}@{there[0]}"
    if revision is None and there:
        raise WrongUseError(f"model is {name!r}: several commits are mirrored, write one of them: {', '.join(there)}.")
    commit = revision if revision is None or _COMMIT.match(revision) else _recorded(s3, bucket, folder, revision)
    if commit not in there:
        raise WrongUseError(
            f"model is {name!r}, which the mirror of {parameters.environment!r} does not have. `hfsm mirror --list` "
            "shows what it has; `hfsm mirror` brings what hub.models in the settings names."
        )
    return f"hub/{model_id}@{commit}"


def _of_folder(s3: Any, bucket: str, folder: str) -> list[MirroredModel]:
    model_id = folder.removeprefix(_PREFIX).rstrip("/").replace("--", "/", 1)
    found = [
        MirroredModel(model_id, match[1], f"s3://{bucket}/{folder}{match[1]}/", entry["LastModified"])
        for page in _pages(s3, bucket, folder)
        for entry in page.get("Contents", [])
        if (match := _MANIFEST.match(entry["Key"].removeprefix(folder)))
    ]
    return sorted(found, key=lambda model: model.since, reverse=True)


def _pages(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    yield from pages


def _recorded(s3: Any, bucket: str, folder: str, revision: str) -> str | None:
    """The commit that a branch or tag was when it was mirrored."""
    try:
        record = s3.get_object(Bucket=bucket, Key=f"{folder}refs/{revision}.json")
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    return str(json.load(record["Body"])["commit"])
