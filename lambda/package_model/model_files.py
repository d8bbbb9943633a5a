"""The model that a request names: whether it is there whole, and which files it consists of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from custom_resource.patience import patiently

_REFUSED = ("AccessDenied",)


class NotThere(RuntimeError):  # noqa: N818 (the name is what people see in the stack's events)
    """The model is not there, or not whole."""


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a model. path: below its prefix; empty for an archive. identity: changes with its content."""

    path: str
    size: int
    identity: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model in S3.

    name: what its settings call it. key: of an archive, or a prefix that ends in a slash.
    manifest: key of the mirror's record, which is there when all files are. Empty: there is none.
    """

    name: str
    bucket: str
    key: str
    manifest: str

    @staticmethod
    def of(properties: Mapping[str, str]) -> "Model":
        """The one that the properties Name, Bucket, Key and Manifest describe."""
        return Model(**{name.lower(): properties.get(name, "") for name in ("Name", "Bucket", "Key", "Manifest")})

    @property
    def is_archive(self) -> bool:
        return not self.key.endswith("/")

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def files_of(s3: Any, model: Model) -> Sequence[File]:
    """All files, by their paths in order. Raises NotThere."""
    if model.manifest:
        return _mirrored(s3, model)
    found = _listed(s3, model.bucket, model.key)
    if not found:
        raise NotThere(
            f"{model.name}: nothing lies at {model.uri}. Put the model there first, or name another place "
            "in the endpoint's model.s3"
        )
    return found


def _mirrored(s3: Any, model: Model) -> Sequence[File]:
    if not _listed(s3, model.bucket, model.manifest):
        name = model.name.removeprefix("hub/").partition("@")[0]
        raise NotThere(
            f"{model.name} is not in the mirror of the Hub, or not whole. Bring it with `hfsm mirror {name}`, then "
            "deploy again"
        )
    files = json.load(s3.get_object(Bucket=model.bucket, Key=model.manifest)["Body"])["files"]
    return [File(path=f["path"], size=f["size"], identity=f["sha256"]) for f in sorted(files, key=lambda f: f["path"])]


def _listed(s3: Any, bucket: str, key: str) -> Sequence[File]:
    entries = listing(s3, bucket, key)
    if not key.endswith("/"):  # that object only, and none whose name begins with its
        entries = {path: entry for path, entry in entries.items() if not path}
    return [File(path=path, size=e["Size"], identity=e["ETag"]) for path, e in sorted(entries.items())]


def listing(s3: Any, bucket: str, prefix: str) -> dict[str, dict[str, Any]]:
    """Path below the prefix → entry, without the markers that consoles make for empty folders.

    What is not there is found by listing: whoever may not list everything is told nothing of it when he asks directly.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    entries = [entry for page in patiently(lambda: list(pages), _REFUSED) for entry in page.get("Contents", [])]
    return {entry["Key"].removeprefix(prefix): entry for entry in entries if not entry["Key"].endswith("/")}
