"""The mirrored models in S3.

hub/<namespace>--<name>/<commit>/…        the files, as the Hub has them
hub/<namespace>--<name>/<commit>.json     the manifest, written last: with it the model is there
hub/<namespace>--<name>/refs/<name>.json  which commit a branch or tag was when it was asked for first
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from selection import HubFile

_PREFIX = "hub/"
_IDENTITY, _SHA256 = "hub-identity", "sha256"


class Store:
    """The models bucket, below `hub/`. Nothing is ever deleted there."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def uri(self, model_id: str, commit: str) -> str:
        """Where the files of a commit lie; it ends in a slash."""
        return f"s3://{self._bucket}/{_folder(model_id)}/{commit}/"

    def manifest(self, model_id: str, commit: str) -> dict[str, Any] | None:
        """The manifest of a commit; None: it is not there, or not whole."""
        return self._read_json(f"{_folder(model_id)}/{commit}.json")

    def write_manifest(self, model_id: str, commit: str, manifest: Mapping[str, Any]) -> None:
        self._write_json(f"{_folder(model_id)}/{commit}.json", manifest)

    def recorded_commit(self, model_id: str, revision: str) -> str | None:
        """The commit that a branch or tag was when it was asked for first; None: it never was."""
        record = self._read_json(_record(model_id, revision))
        return record and record["commit"]

    def record_commit(self, model_id: str, revision: str, commit: str) -> str:
        """Records it. The commit that holds: another one, where somebody else was first."""
        record = {"model": model_id, "revision": revision, "commit": commit}
        try:
            self._write_json(_record(model_id, revision), record, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise
        return self.recorded_commit(model_id, revision) or commit

    def sha256(self, model_id: str, commit: str, file: HubFile) -> str | None:
        """The SHA-256 of a file that is there already, whole and as the Hub has it; None: it has to be brought."""
        try:
            head = self._s3.head_object(Bucket=self._bucket, Key=_key(model_id, commit, file))
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                return None
            raise
        is_same = head["ContentLength"] == file.size and head["Metadata"].get(_IDENTITY) == file.identity
        return head["Metadata"].get(_SHA256) if is_same else None

    def content(self, model_id: str, commit: str, file: HubFile) -> bytes:
        """The content of a file that is there."""
        return self._s3.get_object(Bucket=self._bucket, Key=_key(model_id, commit, file))["Body"].read()

    def put(self, model_id: str, commit: str, file: HubFile, path: Path, sha256: str) -> None:
        """Uploads a file, with what makes it known again. The bucket encrypts it."""
        self._s3.upload_file(
            str(path),
            self._bucket,
            _key(model_id, commit, file),
            ExtraArgs={"Metadata": {_IDENTITY: file.identity, _SHA256: sha256}, "ChecksumAlgorithm": "SHA256"},
        )

    def _read_json(self, key: str) -> dict[str, Any] | None:
        try:
            return json.load(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise

    def _write_json(self, key: str, document: Mapping[str, Any], **conditions: str) -> None:
        body = json.dumps(document, indent=2).encode()
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", **conditions)


def _folder(model_id: str) -> str:
    return _PREFIX + model_id.replace("/", "--")


def _key(model_id: str, commit: str, file: HubFile) -> str:
    return f"{_folder(model_id)}/{commit}/{file.path}"


def _record(model_id: str, revision: str) -> str:
    return f"{_folder(model_id)}/refs/{revision}.json"
