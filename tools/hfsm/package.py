"""`hfsm package`: a model and its inference code as model.tar.gz, or as files below an S3 prefix."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from hf_sagemaker.compatibility import isolation_problems
from hfsm.archive import write_archive
from hfsm.cloud import Parameters
from hfsm.errors import WrongUseError, raise_problems
from hfsm.model_folder import ModelFolder, look_into
from hfsm.upload import Tell

_DIGEST = "sha256"
_QUICK = 1
"""Level of compression: weights hardly shrink, and there are gigabytes of them."""


@dataclass(frozen=True)
class Packaged:
    """uri: what SageMaker is given, or the file. sha256: of the archive, or of the list of files and their hashes."""

    uri: str
    sha256: str


def check(model: Path, code: Path | None, *, allow_pickle: bool = False) -> ModelFolder:
    """Raises WrongUseError with everything that would fail in the container, before anything is uploaded."""
    folder = look_into(model, code, allow_pickle=allow_pickle)
    raise_problems(folder.problems)
    return folder


def to_file(folder: ModelFolder, target: Path, tell: Tell) -> Packaged:
    """Writes the archive to a file of this machine."""
    if folder.has_requirements:
        tell("code/requirements.txt is installed when a container starts, which needs a network: not with isolation")
    with target.open("wb") as file:
        write_archive(folder.files, file, compression=_QUICK)
    return Packaged(str(target), _sha256(target))


def to_s3(folder: ModelFolder, to: str | None, parameters: Parameters, tell: Tell) -> Packaged:
    """Uploads an archive (to ends in .tar.gz) or the files (to ends in a slash), unless they are there already.

    to: omitted: below sources/ in the environment's models bucket, by what is in it.

    Raises WrongUseError when the environment's containers could not install the requirements.
    """
    if folder.has_requirements and parameters.find("guardrails/isolation") != "false":
        (problem,) = isolation_problems(isolated=True, leaves_vpc=False, environment={}, files=["requirements.txt"])
        raise WrongUseError(
            f"code/{problem}, in environments/{parameters.environment}.yaml. Containers of "
            f"{parameters.environment!r} have no network (isolation: true), and would install it when they start."
        )
    s3 = parameters.cloud.client("s3")
    if to and to.endswith("/"):
        return _upload_files(s3, folder, to, tell)
    with tempfile.TemporaryDirectory() as scratch:
        packaged = to_file(folder, Path(scratch) / "model.tar.gz", tell)
        where = to or f"s3://{parameters.get('data/models-bucket')}/sources/{packaged.sha256}/model.tar.gz"
        _upload(s3, Path(packaged.uri), where, packaged.sha256, tell)
    return Packaged(where, packaged.sha256)


def _upload_files(s3: Any, folder: ModelFolder, prefix: str, tell: Tell) -> Packaged:
    whole = hashlib.sha256()
    for name, path in sorted(folder.files.items()):
        digest = _sha256(path)
        whole.update(f"{name}\0{digest}\0".encode())
        _upload(s3, path, prefix + name, digest, tell)
    return Packaged(prefix, whole.hexdigest())


def _upload(s3: Any, path: Path, uri: str, digest: str, tell: Tell) -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if _digest_of(s3, bucket, key) == digest:
        tell(f"{uri} is there already")
        return
    tell(f"uploading {uri} ({path.stat().st_size / 1e6:.1f} MB)")
    s3.upload_file(str(path), bucket, key, ExtraArgs={"Metadata": {_DIGEST: digest}})


def _digest_of(s3: Any, bucket: str, key: str) -> str | None:
    try:
        found: str | None = s3.head_object(Bucket=bucket, Key=key)["Metadata"].get(_DIGEST)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
            return None
        raise
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
