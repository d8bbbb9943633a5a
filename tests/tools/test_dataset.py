"""The check of training data: every kind of broken line is named with its file and its number."""

from pathlib import Path

import pytest

from hfsm import dataset

GOOD = '{"text": "good", "label": 1}'


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"text": "x"', "not JSON"),
        (b"[1]", "a JSON object is expected, found list"),
        (b"", "the line is empty"),
        (b'{"label": 1}', "field text must be a non-empty string, found None"),
        (b'{"text": " ", "label": 1}', "field text must be a non-empty string"),
        (b'{"text": "x", "label": "1"}', "field label must be an integer from 0 up, found '1'"),
        (b'{"text": "x", "label": true}', "field label must be an integer from 0 up, found True"),
        (b'{"text": "x", "label": -1}', "field label must be an integer from 0 up, found -1"),
        (b'{"text": "\xff", "label": 1}', "not UTF-8"),
    ],
)
def test_a_broken_line_is_named(line: bytes, problem: str, tmp_path: Path) -> None:
    # Given a file whose second line is broken
    path = tmp_path / "train.jsonl"
    path.write_bytes(GOOD.encode() + b"\n" + line + b"\n" + GOOD.encode() + b"\n")
    # When it is read
    [found] = dataset.read(path).problems
    # Then file, line and problem are told
    assert found.startswith(f"{path}, line 2: {problem}")


def test_a_good_file_tells_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    # A line separator of Unicode is part of a text, not the end of a line.
    path.write_text(GOOD + "\n" + '{"text": "a\u2028b", "label": 0}' + "\n" + GOOD, encoding="utf-8")
    found = dataset.read(path)
    assert found.problems == []
    assert found.labels == {0: 1, 1: 2}
    assert found.majority_share == pytest.approx(2 / 3)


def test_a_file_full_of_broken_lines_is_summed_up(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("x\n" * 30)
    problems = dataset.read(path).problems
    assert len(problems) == 11
    assert problems[-1].endswith("and 20 more broken lines.")


def test_a_folder_must_hold_both_files(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(GOOD)
    problems = dataset.check_folder(tmp_path)[1]
    assert len(problems) == 1
    assert f"{tmp_path / 'test.jsonl'} is missing" in problems[0]


def test_labels_that_cannot_be_learned_are_named(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(GOOD)
    (tmp_path / "test.jsonl").write_text('{"text": "x", "label": 7}')
    problems = dataset.check_folder(tmp_path)[1]
    assert any("labels go up to 1, but 0 never occurs" in problem for problem in problems)
    assert any("only one label" in problem for problem in problems)
    assert any("the label 7 does not occur in train.jsonl" in problem for problem in problems)
