"""Archives that are the same to the byte for the same contents: no clock, no owner, sorted names."""

import gzip
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO


def write_archive(files: Mapping[str, Path], target: IO[bytes], *, compression: int = 9) -> None:
    """A gzipped tar of these files.

    files: name in the archive → file. compression: of gzip, 1 to 9; weights hardly shrink, whatever it costs.
    """
    with (
        gzip.GzipFile(fileobj=target, mode="wb", filename="", mtime=0, compresslevel=compression) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, path in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            status = path.stat()
            entry.size = status.st_size
            entry.mode = 0o755 if status.st_mode & 0o100 else 0o644
            with path.open("rb") as content:
                archive.addfile(entry, content)


def files_below(folder: Path) -> dict[str, Path]:
    """Name below the folder → file, without hidden ones and compiled Python."""
    found = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in parts):
            found["/".join(parts)] = path
    return found
