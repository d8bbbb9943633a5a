"""Unpacks archives of S3: code, and trained models."""

import tarfile
from pathlib import Path


def unpack(archive: Path, folder: Path) -> None:
    """As `extractall(filter="data")`, which Python has since 3.11.4; before, only names that lead outside are refused.

    ValueError: a member's name leads outside of the folder. tarfile.FilterError: the filter refuses one.
    """
    with tarfile.open(archive) as packed:
        for name in packed.getnames():
            if not (folder / name).resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"{archive.name} holds {name!r}, which leads outside of it")
        packed.extraction_filter = getattr(tarfile, "data_filter", None)
        packed.extractall(folder)
