"""What an image build hands to pip, so that the base's PyTorch stays."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def script(module: Callable[[str], ModuleType]) -> ModuleType:
    return module("images/install_requirements.py")


def _constrained(script: ModuleType, folder: Path, requirements: str) -> tuple[list[str], str]:
    """What pip is told, and the content of its file of constraints."""
    file = folder / "requirements.txt"
    file.write_text(requirements)
    told = script.arguments(file, folder)
    kept = folder / "kept.txt"
    return told, kept.read_text() if kept.exists() else ""


def test_without_hashes_torch_is_held(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = ["nvidia-cublas-cu12==12.9", "torch==2.8.0+cu129"]
    monkeypatch.setattr(script, "constraints", lambda: held)
    told, kept = _constrained(script, tmp_path, "soundfile==0.13.1\n")
    assert told[-2:] == ["--constraint", str(tmp_path / "kept.txt")]
    assert kept.splitlines() == held


def test_with_hashes_nothing_but_what_is_named_is_installed(script: ModuleType, tmp_path: Path) -> None:
    told, kept = _constrained(script, tmp_path, "soundfile==0.13.1 --hash=sha256:00\n")
    assert told[-2:] == ["--no-deps", "--require-hashes"]
    assert not kept


def test_what_is_held_is_what_is_installed(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed:
        def __init__(self, name: str, version: str) -> None:
            self.metadata, self.version = {"Name": name}, version

    there = [Installed("torch", "2.8.0+cu129"), Installed("Nvidia-NCCL-cu12", "2.1"), Installed("numpy", "2.0")]
    monkeypatch.setattr(script, "distributions", lambda: there)
    assert script.constraints() == ["nvidia-nccl-cu12==2.1", "torch==2.8.0+cu129"]


def test_a_file_has_to_be_named(runtime: Path) -> None:
    done = subprocess.run(
        [sys.executable, runtime / "images/install_requirements.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "needs one argument" in done.stderr
