"""docs/faults.md against reality: its rows are all there, and what they name exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/faults.md"
NUMBERS = [*(f"F{number}" for number in range(1, 14)), "F13b", "F14", "F29", "F30", "F31", "F32", "F33", "F34"]
NUMBERS += ["F37", "F38", "F42"]
_TEST = re.compile(r"`(tests/[^`]+\.py)::(\w+)`")


def _rows() -> dict[str, list[str]]:
    """Cells by the first one, of the rows of both tables."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "| --- |" not in line]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip(): row for row in cells if row[0].strip() not in ("#", "fault")}


ROWS = _rows()


def test_every_number_has_a_row() -> None:
    assert [name for name in ROWS if re.fullmatch(r"F\d+b?", name)] == NUMBERS


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_shown_by_tests_that_exist(name: str) -> None:
    shown = _TEST.findall(ROWS[name][-1])
    assert shown, f"{name} names no test"
    for file, test in shown:
        functions = [node.name for node in ast.parse((ROOT / file).read_text()).body if hasattr(node, "name")]
        assert test in functions, f"{file} has no {test}"


@pytest.mark.parametrize("name", NUMBERS)
def test_every_row_says_where_its_code_is(name: str) -> None:
    (file,) = re.findall(r"`([^`]+)`", ROWS[name][3])
    assert (ROOT / file).is_file(), file
