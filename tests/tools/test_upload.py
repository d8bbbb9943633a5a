"""The archive of training code depends on its contents alone."""

import io
import os
import tarfile
from pathlib import Path

from hfsm.upload import pack_source


def make_source(folder: Path) -> Path:
    (folder / "package" / "__pycache__").mkdir(parents=True)
    (folder / "train.py").write_text("import package\n")
    (folder / "package" / "__init__.py").write_text("")
    (folder / "package" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("main")
    return folder


def test_the_same_code_is_the_same_archive(tmp_path: Path) -> None:
    # Given the same code twice, written at different times
    first, second = make_source(tmp_path / "first"), make_source(tmp_path / "second")
    os.utime(second / "train.py", (1, 1))
    # When both are packed, then they are the same to the byte
    assert pack_source(first) == pack_source(second)


def test_changed_code_is_another_archive(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    before = pack_source(source)
    (source / "train.py").write_text("import other\n")
    assert pack_source(source) != before


def test_only_code_is_packed(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(pack_source(make_source(tmp_path)))) as archive:
        assert archive.getnames() == ["package/__init__.py", "train.py"]
        content = archive.extractfile("train.py")
        assert content is not None
        assert content.read() == b"import package\n"
