"""The catalogue holds what docs/controls.md promises, control by control."""

import re
from pathlib import Path

from hf_sagemaker.controls.catalog import CONTROLS, GROUPS

TABLE = Path(__file__).parents[2] / "docs/controls.md"
_ROW = re.compile(r"\| (?P<number>\d+) \| (?P<title>.+) \| (?P<anchors>.+) \|")


def _rows() -> dict[int, tuple[str, str, str]]:
    """Number → group, title, anchors, as the page has them."""
    rows, group = {}, ""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            group = line.removeprefix("## ")
        elif found := _ROW.fullmatch(line):
            rows[int(found["number"])] = (group, found["title"], found["anchors"])
    return rows


def test_every_control_is_there_once_under_its_number() -> None:
    assert [control.number for control in CONTROLS] == list(range(1, 90))


def test_titles_are_those_of_the_page() -> None:
    rows = _rows()
    assert {c.number: (c.title, c.anchors) for c in CONTROLS} == {n: row[1:] for n, row in rows.items()}


def test_groups_are_those_of_the_page() -> None:
    assert {number: group for group, numbers in GROUPS.items() for number in numbers} == {
        number: row[0] for number, row in _rows().items()
    }


def test_a_control_says_what_it_asks_for() -> None:
    assert [control.number for control in CONTROLS if not control.check.__doc__] == []
