import json
from pathlib import Path

import pytest


@pytest.fixture
def claim(module, monkeypatch: pytest.MonkeyPatch):
    """Claims a folder for a run, whose request has named the place or not."""
    lineage = module("training/lineage.py")

    def as_run(folder: Path, run: str, place: str = "own", rank: int = 0) -> None:
        for name, value in (("LINEAGE", run), ("CHECKPOINTS", place)):
            monkeypatch.setenv(f"HF_SAGEMAKER_{name}", value)
        monkeypatch.setenv("RANK", str(rank))
        lineage.claim(folder)

    return as_run


def test_a_run_and_its_attempts_own_the_folder(claim, tmp_path: Path) -> None:
    claim(tmp_path, "dev-a-1")
    claim(tmp_path, "dev-a-1")

    assert json.loads((tmp_path / "lineage.json").read_text())["lineages"] == ["dev-a-1"]


def test_another_run_is_refused_unless_its_request_names_the_place(claim, tmp_path: Path) -> None:
    # Given checkpoints of a run
    claim(tmp_path, "dev-a-1")

    # When another finds them, it ends with what to do about it
    with pytest.raises(SystemExit, match=r"belong to another run, dev-a-1\. To go on from them, name their place"):
        claim(tmp_path, "dev-b-2")

    # And when its request names them, it goes on, and the first run may not come back unasked
    claim(tmp_path, "dev-b-2", "named")
    with pytest.raises(SystemExit, match="another run, dev-b-2"):
        claim(tmp_path, "dev-a-1")


def test_only_the_first_process_writes(claim, tmp_path: Path) -> None:
    claim(tmp_path, "dev-a-1", rank=1)

    assert list(tmp_path.iterdir()) == []
