"""Archives of S3 are unpacked into their folder, and nowhere else."""

import io
import tarfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def unpack(module):
    return module("training/unpacking.py").unpack


def _archive(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 2
            packed.addfile(member, io.BytesIO(b"ok"))
    return path


def test_what_an_archive_holds_is_there(unpack, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    unpack(_archive(tmp_path / "code.tar.gz", "train.py", "package/module.py"), tmp_path / "folder")
    assert (tmp_path / "folder/package/module.py").read_text() == "ok"


@pytest.mark.parametrize("name", ["../escaped.py", "a/../../escaped.py"])
def test_a_name_that_leads_outside_is_refused_and_nothing_is_unpacked(unpack, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="leads outside"):
        unpack(_archive(tmp_path / "code.tar.gz", "train.py", name), tmp_path / "folder")
    assert not list((tmp_path / "folder").iterdir())
    assert not (tmp_path / "escaped.py").exists()
