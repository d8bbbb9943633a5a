"""An archive with code added, made while it is read: neither of the two is ever whole in the function.

The same archive and the same code give the same bytes: entries keep their order, the code's follow by name, and no
clock and no owner gets in.
"""

import gzip
import io
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from package_model.copying import assert_time
from package_model.model_files import File, Model

_CODE = "code/"
_PART = 64 * 2**20
_QUICK = 1
"""Level of compression: weights hardly shrink, and there are gigabytes of them."""


class Unusable(RuntimeError):  # noqa: N818 (the name is what people see in the stack's events)
    """The model's archive cannot be packed anew."""


def repack(
    s3: Any,
    model: Model,
    file: File,
    code: Mapping[str, bytes],
    bucket: str,
    key: str,
    milliseconds_left: Callable[[], int],
) -> None:
    """Writes the archive's files and the code to `s3://bucket/key`, which is there only once it is whole.

    file: the archive as it was found; another one that has taken its place since is refused. code: path → content.

    Raises Unusable, and OutOfTime.
    """
    source = s3.get_object(Bucket=model.bucket, Key=model.key, IfMatch=file.identity)["Body"]
    too_slow = (
        f"the archive of {model.name} was not packed anew in a function's time. Upload its files as they are "
        "(`hfsm package … --to s3://…/`) and name that prefix"
    )
    with _Upload(s3, bucket, key, lambda: assert_time(milliseconds_left, too_slow)) as upload:
        try:
            with (
                tarfile.open(fileobj=source, mode="r|gz") as archive,
                gzip.GzipFile(fileobj=upload, mode="wb", filename="", mtime=0, compresslevel=_QUICK) as compressed,
                tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as target,
            ):
                _copy(model, archive, target)
                for name, body in sorted(code.items()):
                    target.addfile(_entry(name, len(body)), io.BytesIO(body))
        except (tarfile.ReadError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Unusable(f"{model.uri} is no whole tar.gz archive: {error}") from None


def _copy(model: Model, archive: tarfile.TarFile, target: tarfile.TarFile) -> None:
    for member in archive:
        name = posixpath.normpath(member.name)
        if member.isdir():
            continue
        if not member.isfile() or name.startswith(("/", "../")):
            raise Unusable(f"{model.uri} holds {member.name!r}, which is no file of a model. Pack it without")
        if name.startswith(_CODE):
            raise Unusable(f"{model.uri} holds {_CODE} already, and model.code names another. Which is meant?")
        target.addfile(_entry(name, member.size), archive.extractfile(member))


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    return entry


class _Upload:
    """A file that becomes an object when it is closed without an error, and nothing otherwise."""

    def __init__(self, s3: Any, bucket: str, key: str, before_each_part: Callable[[], None]) -> None:
        self._s3, self._before = s3, before_each_part
        self._place = {"Bucket": bucket, "Key": key}
        self._buffer, self._parts = bytearray(), list[dict[str, Any]]()

    def __enter__(self) -> "_Upload":
        self._place["UploadId"] = self._s3.create_multipart_upload(**self._place)["UploadId"]
        return self

    def __exit__(self, *error: object) -> None:
        if error[0]:
            self._s3.abort_multipart_upload(**self._place)
            return
        self._send()
        self._s3.complete_multipart_upload(**self._place, MultipartUpload={"Parts": self._parts})

    def write(self, data: Any) -> int:
        self._buffer += data
        if len(self._buffer) >= _PART:
            self._send()
        return len(data)

    def flush(self) -> None:
        """Parts go when they are full."""

    def _send(self) -> None:
        self._before()
        number = len(self._parts) + 1
        answer = self._s3.upload_part(**self._place, PartNumber=number, Body=bytes(self._buffer))
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._buffer.clear()
