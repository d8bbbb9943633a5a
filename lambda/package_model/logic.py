"""Makes sure that an endpoint can be given its model, and puts inference code beside it where there is some.

packages/<hash>/…             a model's files and code/…; or packages/<hash>/model.tar.gz
packages/<hash>.json          what went into it, written last: with it the package is there

The hash is of the model's place, its files and the code. What has a hash never changes, and nothing is deleted here.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from custom_resource.fulfilment import Made
from package_model.archive import repack
from package_model.copying import copy_files
from package_model.model_files import File, Model, NotThere, files_of, listing

CODE = "code/"
"""Where the inference toolkit looks for inference.py."""
LARGEST_ARCHIVE = 20 * 10**9
"""Bytes of a compressed archive: more is not unpacked and packed within a function's time."""
_PACKAGES = "packages/"
_SCHEMA_VERSION = 1
_DIGEST = re.compile(r"[^@]+@sha256:[0-9a-f]{64}")


class NotReady(RuntimeError):  # noqa: N818 (the name is what people see in the stack's events)
    """The endpoint cannot be deployed yet: the text says why, and what to do."""


class Preparation:
    """Prepares models. Everything may be interrupted and run again: what is there already is not made twice."""

    def __init__(self, s3: Any, *, milliseconds_left: Callable[[], int]) -> None:
        """s3: a boto3 client. milliseconds_left: until the function is stopped."""
        self._s3, self._left = s3, milliseconds_left

    def bring_about(self, properties: Mapping[str, str]) -> Made:
        """The model's place as id and attribute Uri.

        properties: Name, Bucket, Key, Manifest: see Model. Image, ImageName: what the image's digest parameter says,
            and what its settings call it. CodeBucket, CodeKey, CodeHash: a zip of the code and the hash of what is in
            it. Absent: none. TargetBucket: where packages go.

        Raises NotReady with everything that is missing.
        """
        model, problems = Model.of(properties), []
        if not _DIGEST.fullmatch(properties["Image"]):
            name = properties["ImageName"]
            problems.append(
                f"image {name!r} has not been built yet. Build it with `hfsm build {name}`, then deploy again"
            )
        files: Sequence[File] = []
        try:
            files = files_of(self._s3, model)
        except NotThere as problem:
            problems.append(str(problem))
        if properties.get("CodeHash"):
            problems += _problems(model, files)
        if problems:
            raise NotReady(". ".join(problems))
        uri = self._package(model, files, properties) if properties.get("CodeHash") else model.uri
        return Made(uri, {"Uri": uri})

    def _package(self, model: Model, files: Sequence[File], properties: Mapping[str, str]) -> str:
        s3, bucket = self._s3, properties["TargetBucket"]
        content = {
            "schema_version": _SCHEMA_VERSION,
            "model": model.uri,
            "files": [[file.path, file.size, file.identity] for file in files],
            "code": properties["CodeHash"],
        }
        package = _PACKAGES + hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
        key = f"{package}/model.tar.gz" if model.is_archive else f"{package}/"
        if not listing(s3, bucket, f"{package}.json"):
            code = self._code(properties["CodeBucket"], properties["CodeKey"])
            if model.is_archive:
                repack(s3, model, files[0], code, bucket, key, self._left)
            else:
                copy_files(s3, model, files, bucket, key, self._left)
                for name, body in code.items():
                    s3.put_object(Bucket=bucket, Key=key + name, Body=body)
            record = json.dumps({**content, "name": model.name, "added": sorted(code)}, indent=2).encode()
            s3.put_object(Bucket=bucket, Key=f"{package}.json", Body=record, ContentType="application/json")
            print(f"made s3://{bucket}/{key} of {model.uri}, {len(files)} files, and {', '.join(sorted(code))}")
        return f"s3://{bucket}/{key}"

    def _code(self, bucket: str, key: str) -> dict[str, bytes]:
        """Path in the package → content, in order."""
        with zipfile.ZipFile(io.BytesIO(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())) as archive:
            names = sorted(name for name in archive.namelist() if not name.endswith("/"))
            return {CODE + name: archive.read(name) for name in names}


def _problems(model: Model, files: Sequence[File]) -> list[str]:
    """What stands against putting code beside the model."""
    if any(file.path.startswith(CODE) for file in files):
        return [f"{model.name}: {model.uri} holds {CODE} already, and model.code names another. Which is meant?"]
    if model.is_archive and files and files[0].size > LARGEST_ARCHIVE:
        return [
            f"{model.name}: the archive has {files[0].size / 1e9:.0f} GB, and one of more than "
            f"{LARGEST_ARCHIVE / 1e9:.0f} is not packed anew in a function's time. Upload its files as they are "
            "(`hfsm package … --to s3://…/`) and name that prefix, or put the code into the archive yourself and leave "
            "model.code out"
        ]
    return []
