"""Data that a job has prepared: training on it gives what training on the files gives."""

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PARAMETERS = {
    "max_steps": 6,
    "hidden_size": 16,
    "vocab_size": 300,
    "train_batch_size": 8,
    "logging_steps": 1,
    "seed": 3,
}
OWN = """
import pathlib, sys
print("arguments", *sys.argv[1:])
if "--broken" in sys.argv:
    raise ValueError("the column is missing")
base = pathlib.Path(__import__("os").environ["SAGEMAKER_BASE_DIR"]) / "processing"
target = base / "prepared/train"
target.mkdir(parents=True)
(target / "upper.txt").write_text((base / "input/train/train.jsonl").read_text().upper())
"""


@pytest.fixture(scope="module")
def prepare(runtime, training_python, opt_ml, run_python) -> Callable[..., tuple[Any, Path]]:
    """Runs the script over the test's two channels; what it said, and its tree. code: files of a source archive."""

    def run(*arguments: str, code: dict[str, str] | None = None, train: str | None = None) -> tuple[Any, Path]:
        tree = opt_ml()
        shutil.copytree(tree.base / "input/data", tree.base / "processing/input")
        if train is not None:
            (tree.base / "processing/input/train/train.jsonl").write_text(train)
        if code:
            (tree.base / "processing/input/code").mkdir()
            with tarfile.open(tree.base / "processing/input/code/sourcedir.tar.gz", "w:gz") as packed:
                for name, text in code.items():
                    entry = tarfile.TarInfo(name)
                    entry.size = len(text.encode())
                    packed.addfile(entry, io.BytesIO(text.encode()))
        script = str(runtime / "training/prepare_data.py")
        done = run_python(training_python, script, *arguments, env=tree.environment(training_python))
        return done, tree.base

    return run


@pytest.fixture(scope="module")
def train(runtime, training_python, opt_ml, run_python, records) -> Callable[..., list[Any]]:
    """Trains; the lines that were said. prepared: a folder of channels. Omitted: on the files."""

    def run(prepared: Path | None = None, *, test: bool = True) -> list[Any]:
        tree = opt_ml()
        if prepared:
            shutil.rmtree(tree.base / "input/data")
            shutil.copytree(prepared, tree.base / "input/data")
        elif not test:
            shutil.rmtree(tree.base / "input/data/test")
        arguments = [word for name, value in PARAMETERS.items() for word in (f"--{name}", str(value))]
        script = str(runtime / "training/text_classification.py")
        done = run_python(training_python, script, *arguments, env=tree.environment(training_python))
        assert done.returncode == 0, done.stdout
        return records(done.stdout)

    return run


@pytest.mark.parametrize("channels", ["train,test", "train"])
def test_training_on_prepared_data_is_training_on_the_files(prepare, train, channels: str) -> None:
    # Given channels that were prepared with what training depends on
    done, base = prepare("--channels", channels, "--vocab_size", "300")
    assert done.returncode == 0, done.stdout
    # When both are trained on
    from_arrow = train(base / "processing/prepared")
    from_files = train(test="test" in channels)
    # Then every loss and every result is the same
    assert from_arrow == from_files


def test_broken_data_is_told_before_anything_is_paid_for(prepare) -> None:
    done, base = prepare("--channels", "train,test", train='{"text": "no label"}\n')
    assert done.returncode == 1
    assert "train/train.jsonl, line 1: the field 'label' is missing" in (base / "output/message").read_text()
    assert not (base / "processing/prepared").exists()


def test_code_of_ones_own_prepares_as_it_likes(prepare) -> None:
    code = {"prepare.py": OWN}
    done, base = prepare("--channels", "train", "--entry_point", "prepare.py", "--level", "3", code=code)
    assert done.returncode == 0, done.stdout
    assert "arguments --channels train --entry_point prepare.py --level 3" in done.stdout
    assert "IS A JOY" in (base / "processing/prepared/train/upper.txt").read_text()


@pytest.mark.parametrize(
    ("entry_point", "more", "words"),
    [("prepare.py", ("--broken", "1"), "ValueError: the column is missing"), ("no.py", (), "no file no.py")],
)
def test_code_of_ones_own_that_fails_has_its_last_words(prepare, entry_point: str, more: Any, words: str) -> None:
    done, base = prepare("--channels", "train", "--entry_point", entry_point, *more, code={"prepare.py": OWN})
    assert done.returncode == 1
    assert words in (base / "output/message").read_text()


def test_the_description_is_what_says_that_data_is_prepared(prepare) -> None:
    done, base = prepare("--channels", "train,test")
    assert done.returncode == 0, done.stdout
    described = json.loads((base / "processing/prepared/train/prepared.json").read_text())
    assert described == {"schema_version": "1", "label_count": 2, "majority_baseline": 0.5}
