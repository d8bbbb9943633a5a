"""Checks text classification data before it costs an upload and a training job."""

import json
from dataclasses import dataclass
from pathlib import Path

DATA_FILES = ("train.jsonl", "test.jsonl")
SHOWN_PER_FILE = 10


@dataclass(frozen=True)
class Dataset:
    """What one JSON Lines file holds.

    labels: number of lines per label; problems: one sentence each, with the line.
    """

    path: Path
    labels: dict[int, int]
    problems: list[str]

    @property
    def rows(self) -> int:
        return sum(self.labels.values())

    @property
    def majority_share(self) -> float:
        """Share of the most frequent label: the accuracy of always answering it."""
        return max(self.labels.values()) / self.rows if self.rows else 0.0


def read(path: Path) -> Dataset:
    """Check a JSON Lines file of {"text": non-empty string, "label": integer ≥ 0}, every line of it.

    An empty line at the end of the file is no problem; anywhere else it is.
    """
    labels: dict[int, int] = {}
    problems: list[str] = []
    # The file is split at line feeds only: other line separators may be part of a text.
    lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    for number, raw in enumerate(lines, start=1):
        problem, label = _check_line(raw)
        if problem is not None:
            problems.append(f"{path}, line {number}: {problem}")
        else:
            labels[label] = labels.get(label, 0) + 1
    if not labels and not problems:
        problems.append(f"{path}: the file is empty.")
    if len(problems) > SHOWN_PER_FILE:
        left = len(problems) - SHOWN_PER_FILE
        problems = [*problems[:SHOWN_PER_FILE], f"{path}: … and {left} more broken lines."]
    return Dataset(path=path, labels=labels, problems=problems)


def _check_line(raw: bytes) -> tuple[str | None, int]:
    expected = 'Write one line like {"text": "…", "label": 1}.'
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8 (byte {error.start + 1} of the line). Save the file as UTF-8.", 0
    if not text.strip():
        return f"the line is empty. {expected}", 0
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} at column {error.colno}. {expected}", 0
    if not isinstance(row, dict):
        return f"a JSON object is expected, found {type(row).__name__}. {expected}", 0
    content, label = row.get("text"), row.get("label")
    if not isinstance(content, str) or not content.strip():
        return f"field text must be a non-empty string, found {content!r}. {expected}", 0
    # True is an int in Python, but not a label.
    if not isinstance(label, int) or isinstance(label, bool) or label < 0:
        return f"field label must be an integer from 0 up, found {label!r}. {expected}", 0
    return None, label


def check_channel(files: list[Path]) -> list[str]:
    """Problems of the files among `files` that are text classification data, by their name."""
    return [problem for path in files if path.name in DATA_FILES for problem in read(path).problems]


def check_folder(folder: Path) -> tuple[dict[str, Dataset], list[str]]:
    """The data sets of a folder that must hold both files, and every problem found in it."""
    if not folder.is_dir():
        return {}, [f"{folder} is no folder. Name a folder with {' and '.join(DATA_FILES)}."]
    found: dict[str, Dataset] = {}
    problems: list[str] = []
    for name in DATA_FILES:
        if not (folder / name).is_file():
            problems.append(f"{folder / name} is missing. The folder must hold {' and '.join(DATA_FILES)}.")
            continue
        found[name] = read(folder / name)
        problems += found[name].problems
    if not problems:
        problems += _check_labels(found["train.jsonl"], found["test.jsonl"])
    return found, problems


def _check_labels(train: Dataset, test: Dataset) -> list[str]:
    problems = []
    missing = sorted(set(range(max(train.labels))) - set(train.labels))
    if missing:
        problems.append(
            f"{train.path}: labels go up to {max(train.labels)}, but {_listed(missing)} never occurs. "
            "Number the labels 0, 1, 2, … without a gap."
        )
    if len(train.labels) < 2:
        problems.append(f"{train.path}: only one label ({next(iter(train.labels))}). Two or more are needed.")
    unknown = sorted(set(test.labels) - set(train.labels))
    if unknown:
        problems.append(
            f"{test.path}: the label {_listed(unknown)} does not occur in {train.path.name}, so no model can learn it."
        )
    return problems


def _listed(labels: list[int]) -> str:
    shown = ", ".join(str(label) for label in labels[:SHOWN_PER_FILE])
    return shown + (", …" if len(labels) > SHOWN_PER_FILE else "")
