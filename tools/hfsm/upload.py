"""Brings what a training request has on this machine to S3, once per content."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from hfsm.archive import files_below, write_archive
from hfsm.cloud import Parameters
from hfsm.mirrored import resolve
from hfsm.request import LocalRequest

Tell = Callable[[str], None]


def upload(request: LocalRequest, parameters: Parameters, tell: Tell) -> dict[str, Any]:
    """The request with every local folder replaced by its S3 URI, and its model by the commit that is mirrored.

    tell: gets one line per thing that is done.
    """
    body = dict(request.body)
    s3 = parameters.cloud.client("s3")
    if isinstance(body.get("model"), str):
        body["model"] = resolve(parameters, body["model"])
        tell(f"model: {body['model']}")
    if request.channels:
        bucket = parameters.get("data/data-bucket")
        body["channels"] = dict(body["channels"])
        for channel, files in request.channels.items():
            body["channels"][channel] = _upload_channel(s3, bucket, channel, files, tell)
    if request.source_dir is not None:
        body["source_dir"] = _upload_source(s3, parameters.get("data/models-bucket"), request.source_dir, tell)
    return body


def _upload_channel(s3: Any, bucket: str, channel: str, files: dict[str, Path], tell: Tell) -> str:
    """The prefix comes from names and contents: the same data is uploaded once, changed data never mixes with it."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(name.encode() + b"\0" + _sha256(path).encode() + b"\0")
    prefix = f"channels/{digest.hexdigest()[:16]}/"
    for name, path in sorted(files.items()):
        size = path.stat().st_size
        if _size_of(s3, bucket, prefix + name) == size:
            tell(f"channel {channel}: {name} is there already")
            continue
        tell(f"channel {channel}: uploading {name} ({size / 1e6:.1f} MB)")
        s3.upload_file(str(path), bucket, prefix + name)
    return f"s3://{bucket}/{prefix}"


def _upload_source(s3: Any, bucket: str, folder: Path, tell: Tell) -> str:
    archive = pack_source(folder)
    key = f"sources/{hashlib.sha256(archive).hexdigest()}/sourcedir.tar.gz"
    if _size_of(s3, bucket, key) != len(archive):
        tell(f"source: uploading {folder} ({len(archive) / 1e3:.0f} kB)")
        s3.put_object(Bucket=bucket, Key=key, Body=archive)
    return f"s3://{bucket}/{key}"


def pack_source(folder: Path) -> bytes:
    """A gzipped tar of a folder's files, the same bytes for the same contents."""
    buffer = io.BytesIO()
    write_archive(files_below(folder), buffer)
    return buffer.getvalue()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size_of(s3: Any, bucket: str, key: str) -> int | None:
    try:
        return int(s3.head_object(Bucket=bucket, Key=key)["ContentLength"])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey", "NotFound"):
            return None
        raise
