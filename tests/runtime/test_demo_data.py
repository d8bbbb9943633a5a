"""The data set that the demo trains on, and the script that makes it."""

import json
from pathlib import Path

import pytest

from hfsm.demo import make_data


def _rows(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (make_data.DATA / name).read_text().splitlines()]


def test_the_shipped_files_are_what_the_script_makes() -> None:
    train, test = make_data.make(make_data.read_topics())

    assert make_data.as_json_lines(train) == (make_data.DATA / "train.jsonl").read_bytes()
    assert make_data.as_json_lines(test) == (make_data.DATA / "test.jsonl").read_bytes()


def test_no_sentence_occurs_twice() -> None:
    texts = [row["text"] for name in ("train.jsonl", "test.jsonl") for row in _rows(name)]

    assert len(texts) == 1500
    assert len(set(texts)) == 1500


@pytest.mark.parametrize("name", ["train.jsonl", "test.jsonl"])
def test_half_of_the_sentences_are_positive(name: str) -> None:
    labels = [row["label"] for row in _rows(name)]

    assert labels.count(1) == labels.count(0) == len(labels) / 2


def test_the_training_script_takes_it(module, tmp_path: Path) -> None:
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.jsonl").write_bytes((make_data.DATA / f"{name}.jsonl").read_bytes())

    dataset = module("training/data.py").read_dataset(tmp_path / "train", tmp_path / "test")

    assert (len(dataset.train), len(dataset.test), dataset.majority_baseline) == (1200, 300, 0.5)
