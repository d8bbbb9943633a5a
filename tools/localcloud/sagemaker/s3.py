"""What containers get from S3 and leave there, over S3's own API."""

import json
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse


class NoSuchDataError(Exception):
    """Nothing lies under the given S3 address, or not what should lie there."""


def split_uri(uri: str) -> tuple[str, str]:
    """(bucket, key) of s3://bucket/key. ValueError: it is something else."""
    parsed = urlparse(uri)
    if parsed.scheme != "s3" or not parsed.netloc:
        raise ValueError(f"{uri!r} is not an s3:// address")
    return parsed.netloc, parsed.path.lstrip("/")


def download_prefix(s3: Any, uri: str, folder: Path, share: tuple[int, int] = (0, 1)) -> int:
    """Downloads every object whose key begins with the prefix, the rest of its key being its path; how many there are.

    share: (k, n) downloads only each n-th of them, from the k-th on.
    """
    bucket, prefix = split_uri(uri)
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            key = entry["Key"]
            if key.endswith("/"):
                continue  # a marker that consoles make for an empty folder
            relative = key.removeprefix(prefix).lstrip("/") or PurePosixPath(key).name
            number += 1
            if (number - 1) % share[1] != share[0]:
                continue
            target = folder / relative
            if not target.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"the key {key!r} would lead outside its folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, key, str(target))
    return number


def download_manifest(s3: Any, uri: str, folder: Path, share: tuple[int, int] = (0, 1)) -> int:
    """As download_prefix, of the objects that a manifest names: `[{"prefix": "s3://…/"}, "path", …]`.

    NoSuchDataError: it is no manifest.
    """
    bucket, key = split_uri(uri)
    try:
        first, *paths = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        bucket, prefix = split_uri(first["prefix"])
    except (ValueError, TypeError, KeyError):
        raise NoSuchDataError(f"Data download failed: {uri} is no manifest") from None
    for path in paths[share[0] :: share[1]]:
        target = folder / path
        if not target.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"the path {path!r} would lead outside its folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, prefix + path, str(target))
    return len(paths)


def download_model(s3: Any, uri: str, archive: Path, folder: Path, *, is_packed: bool = True) -> None:
    """Brings a model's files. NoSuchDataError: it is not there, or no archive.

    archive: where a model.tar.gz lies meanwhile. is_packed: False: `uri` is the prefix of the files themselves.
    """
    if not is_packed:
        if not download_prefix(s3, uri, folder):
            raise NoSuchDataError(f"Could not find model data at {uri}: no object lies there.")
        return
    bucket, key = split_uri(uri)
    try:
        s3.download_file(bucket, key, str(archive))
    except s3.exceptions.ClientError as error:
        raise NoSuchDataError(f"Could not find model data at {uri}: {error.response['Error']['Message']}") from None
    try:
        with tarfile.open(archive) as tar:
            _extract(tar, folder)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise NoSuchDataError(
            f'Failed to extract model data archive from URL "{uri}". Please ensure that the object located at the URL '
            f"is a valid tar.gz archive ({type(error).__name__})."
        ) from None
    archive.unlink()


def _extract(archive: tarfile.TarFile, folder: Path) -> None:
    """As extractall(filter="data"), which Debian 12's Python 3.11.2 does not have yet."""
    for member in archive.getmembers():
        if not (folder / member.name).resolve().is_relative_to(folder.resolve()):
            raise tarfile.TarError(f"{member.name} would lead outside its folder")
    archive.extraction_filter = getattr(tarfile, "data_filter", None)
    archive.extractall(folder)


def upload_folder(s3: Any, folder: Path, uri: str, kms_key: str | None) -> None:
    """Uploads every file below the folder, its path being the rest of its key."""
    bucket, prefix = split_uri(uri)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        key = "/".join(part for part in (prefix.rstrip("/"), path.relative_to(folder).as_posix()) if part)
        s3.upload_file(str(path), bucket, key, ExtraArgs=encryption(kms_key))


def upload_folders_as_archive(s3: Any, folders: Sequence[Path], archive: Path, uri: str, kms_key: str | None) -> None:
    """Packs what the folders hold, without the folders themselves, and uploads it.

    Where two have a file of the same name, the first one's is what an extraction leaves.
    """
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for folder in reversed(folders):
            for path in sorted(folder.iterdir()):
                tar.add(path, arcname=path.name)
    bucket, key = split_uri(uri)
    s3.upload_file(str(archive), bucket, key, ExtraArgs=encryption(kms_key))
    archive.unlink()


def encryption(kms_key: str | None) -> dict[str, str]:
    """ExtraArgs of an upload that the key encrypts. None: the bucket's own encryption."""
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
