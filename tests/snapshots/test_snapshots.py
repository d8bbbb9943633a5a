"""The templates as they were last accepted. A difference gets deployed: read it, then `make snapshots`."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SNAPSHOTS = sorted(file.name for file in FOLDER.glob("*.json"))


@pytest.fixture(scope="module")
def current() -> dict[str, str]:
    templates: dict[str, str] = runpy.run_path(str(FOLDER / "templates.py"))["current"]()
    return templates


def test_every_stack_has_a_snapshot(current: dict[str, str]) -> None:
    assert sorted(current) == SNAPSHOTS


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_the_template_is_the_accepted_one(current: dict[str, str], name: str) -> None:
    assert current[name] == (FOLDER / name).read_text(encoding="utf-8")
