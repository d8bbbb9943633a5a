"""docs/faults.md and docs/inference-faults.md against reality: their rows are all there, and what they name exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TRAINING = [*range(1, 15), 29, 30, 31, 32, 33, 34, 37, 38, 42]
NUMBERS = {
    "faults": [name for number in _TRAINING for name in ([f"F{number}", "F13b"] if number == 13 else [f"F{number}"])],
    "inference-faults": [f"F{number}" for number in (*range(15, 29), 35, 36, 39, 40, 41)],
}
_TEST = re.compile(r"`(tests/[^`]+\.py)::(\w+)`")


def _rows(page: str) -> dict[str, list[str]]:
    """Cells by the first one, of the rows of both tables."""
    text = (ROOT / f"docs/{page}.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ") and "| --- |" not in line]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip(): row for row in cells if row[0].strip() not in ("#", "fault")}


ROWS = {(page, name): row for page in NUMBERS for name, row in _rows(page).items()}


@pytest.mark.parametrize("page", NUMBERS)
def test_every_number_has_a_row(page: str) -> None:
    assert [name for of, name in ROWS if of == page and re.fullmatch(r"F\d+b?", name)] == NUMBERS[page]


@pytest.mark.parametrize(("page", "name"), ROWS)
def test_every_row_is_shown_by_tests_that_exist(page: str, name: str) -> None:
    shown = _TEST.findall(ROWS[page, name][-1])
    assert shown, f"{name} names no test"
    for file, test in shown:
        functions = [node.name for node in ast.parse((ROOT / file).read_text()).body if hasattr(node, "name")]
        assert test in functions, f"{file} has no {test}"


@pytest.mark.parametrize(("page", "name"), [(page, name) for page, names in NUMBERS.items() for name in names])
def test_every_row_says_where_its_code_is(page: str, name: str) -> None:
    (file,) = re.findall(r"`([^`]+)`", ROWS[page, name][3])
    assert (ROOT / file).is_file(), file
