"""Reads labelled texts for classification: JSON Lines files of {"text": string, "label": integer from 0}.

Every line is checked before anything is trained, and one error names all that is wrong.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

SHOWN_PROBLEMS = 10
HELD_OUT_EVERY = 10
_EXPECTED = 'expected one object per line, like {"text": "a sentence", "label": 0}'


class DataError(Exception):
    """The data cannot be trained on. The message names file, line, what is wrong and what is expected."""


@dataclass(frozen=True)
class Example:
    """A text and its label, an integer from 0."""

    text: str
    label: int


@dataclass(frozen=True)
class Dataset:
    """Checked training and test examples.

    label_count: number of labels; they are 0 … label_count - 1, and each occurs in `train`.
    """

    train: list[Example]
    test: list[Example]
    label_count: int

    @property
    def majority_baseline(self) -> float:
        """Accuracy on the test examples of always answering the label that is most frequent among them."""
        return majority_baseline(self.test)


def majority_baseline(examples: list[Example]) -> float:
    """Accuracy of always answering the label that is most frequent among the examples."""
    counts = Counter(example.label for example in examples)
    return max(counts.values()) / len(examples)


def read_dataset(train_channel: Path, test_channel: Path | None) -> Dataset:
    """Reads <train channel>/train.jsonl and <test channel>/test.jsonl.

    test_channel: None holds out every tenth line of train.jsonl as the test examples.
    DataError: names up to ten problems of both files, and how many more there are.
    """
    problems: list[str] = []
    train = _read(train_channel / "train.jsonl", problems)
    test = _read(test_channel / "test.jsonl", problems) if test_channel else []
    if not problems:
        problems += _check_labels(train, test)
    _raise(problems)
    label_count = max(example.label for example in train) + 1
    if test_channel is None:
        test = train[::HELD_OUT_EVERY]
        train = [example for number, example in enumerate(train) if number % HELD_OUT_EVERY]
    return Dataset(train=train, test=test, label_count=label_count)


def read_examples(folder: Path) -> list[Example]:
    """Reads all JSON Lines files of a folder.

    DataError: names up to ten problems, and how many more there are.
    """
    files = sorted(folder.glob("*.jsonl"))
    problems = [] if files else [f"{folder.name} holds no file that ends in .jsonl."]
    examples = [example for file in files for example in _read(file, problems)]
    _raise(problems)
    return examples


def _raise(problems: list[str]) -> None:
    if problems:
        shown = problems[:SHOWN_PROBLEMS]
        if len(problems) > len(shown):
            shown.append(f"… and {len(problems) - len(shown)} more problems.")
        raise DataError("\n".join(shown))


def _read(path: Path, problems: list[str]) -> list[Example]:
    name = f"{path.parent.name}/{path.name}"  # channel/file: what its owner knows it by
    if not path.is_file():
        found = sorted(entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else []
        problems.append(f"{name} is missing: the channel holds {', '.join(found) or 'nothing'}; {_EXPECTED}.")
        return []
    content = path.read_bytes()
    if not content.strip():
        problems.append(f"{name} is empty: {_EXPECTED}.")
        return []
    examples = []
    # Split at line feeds only: other line separators may be part of a text.
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), start=1):
        try:
            examples.append(_parse(line))
        except ValueError as error:
            problems.append(f"{name}, line {number}: {error}; {_EXPECTED}.")
    return examples


def _parse(line: bytes) -> Example:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is not UTF-8") from None
    except json.JSONDecodeError as error:
        what = f"not JSON ({error.msg}, column {error.colno})" if line.strip() else "the line is empty"
        raise ValueError(what) from None
    if not isinstance(row, dict):
        raise ValueError(f"found a {type(row).__name__} instead of an object")
    for field in ("text", "label"):
        if field not in row:
            raise ValueError(f"the field {field!r} is missing (found: {', '.join(map(repr, row)) or 'none'})")
    text, label = row["text"], row["label"]
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"'text' is {_shortened(text)}, not a string with words in it")
    # True is an int in Python, but no label.
    if not isinstance(label, int) or isinstance(label, bool) or label < 0:
        raise ValueError(f"'label' is {_shortened(label)}, not an integer from 0")
    return Example(text, label)


def _shortened(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _check_labels(train: list[Example], test: list[Example]) -> list[str]:
    labels = {example.label for example in train}
    problems = []
    if missing := sorted(set(range(max(labels))) - labels)[:SHOWN_PROBLEMS]:
        problems.append(
            f"train.jsonl: labels go up to {max(labels)}, but {', '.join(map(str, missing))} never occurs; "
            f"expected every label from 0 to the highest."
        )
    if len(labels) < 2:
        problems.append(f"train.jsonl: the only label is {min(labels)}; expected at least two labels.")
    if unknown := sorted({example.label for example in test} - labels)[:SHOWN_PROBLEMS]:
        problems.append(
            f"test.jsonl: the label {', '.join(map(str, unknown))} never occurs in train.jsonl; "
            f"expected labels that the model can learn."
        )
    return problems
