"""Is a file what the Hub says it is, and what its name says? Standard library only."""

import hashlib
import json
from pathlib import Path

from models import RefusedError
from selection import SAFE_WEIGHTS, HubFile

_SHA256_DIGITS = 64
_LONGEST_HEADER = 100_000_000
"""Bytes of a safetensors header; the library itself takes no longer one."""
_PICKLE = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
_ZIP = b"PK\x03\x04"


def verify(file: HubFile, path: Path, *, allow_pickle: bool) -> str:
    """The SHA-256 of the file at `path`.

    RefusedError: it is not what the Hub announced, or it is a pickle under another name.
    """
    size = path.stat().st_size
    if size != file.size:
        raise RefusedError(f"{file.path}: {size} bytes arrived of {file.size}.")
    sha256, blob = _digests(path, size)
    found = sha256 if len(file.identity) == _SHA256_DIGITS else blob
    if found != file.identity:
        raise RefusedError(
            f"{file.path}: its hash is {found}, and the Hub says {file.identity}. What arrived is not what was "
            "published: nothing of it is kept. Try again; when it stays so, ask whoever runs the network and the Hub."
        )
    if not allow_pickle:
        _refuse_disguise(file, path)
    return sha256


def _digests(path: Path, size: int) -> tuple[str, str]:
    """SHA-256 of the content, and the id that git gives it, in one reading."""
    sha256, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as content:
        while part := content.read(1 << 20):
            sha256.update(part)
            blob.update(part)
    return sha256.hexdigest(), blob.hexdigest()


def _refuse_disguise(file: HubFile, path: Path) -> None:
    with path.open("rb") as content:
        start = content.read(8)
        if start.startswith((*_PICKLE, _ZIP)):
            raise RefusedError(
                f"{file.path}: is a pickle or an archive under another name, which may run code when it is loaded."
            )
        if file.suffix == SAFE_WEIGHTS:
            length = int.from_bytes(start, "little")
            header = content.read(length) if len(start) == 8 and length <= _LONGEST_HEADER else b""
            if len(header) != length or not header or not _is_object(header):
                raise RefusedError(f"{file.path}: is no safetensors file: its header cannot be read.")


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
