"""The evaluation of a trained model on data, with a model that the training script has made."""

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from validate_training_request.evaluation import SCORES

PARAMETERS = {"max_steps": 5, "hidden_size": 16, "vocab_size": 300, "train_batch_size": 8, "seed": 3}


@pytest.fixture(scope="module")
def trained(runtime, training_python, opt_ml, run_python) -> dict[str, Any]:
    """{archive: model.tar.gz, data: the test channel, accuracy: what the training script itself said}."""
    tree = opt_ml()
    arguments = [word for name, value in PARAMETERS.items() for word in (f"--{name}", str(value))]
    script = str(runtime / "training/text_classification.py")
    done = run_python(training_python, script, *arguments, env=tree.environment(training_python))
    assert done.returncode == 0, done.stdout
    archive = tree.base / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for file in (tree.base / "model").iterdir():
            packed.add(file, file.name)
    said = done.stdout.split("eval_accuracy=")[1].split()[0]
    return {"archive": archive, "data": tree.base / "input/data/test", "accuracy": float(said)}


@pytest.fixture(scope="module")
def score(runtime, training_python, opt_ml, run_python, trained) -> Callable[..., tuple[int, str, Path]]:
    """Runs the script in a fresh tree; exit code, message and tree. data: other lines than those of the test channel.

    file: its name. archive: another model's.
    """

    def run(data: str | None = None, file: str = "test.jsonl", archive: Path | None = None) -> tuple[int, str, Path]:
        tree = opt_ml()
        (tree.base / "processing/model").mkdir(parents=True)
        shutil.copy(archive or trained["archive"], tree.base / "processing/model/model.tar.gz")
        shutil.copytree(trained["data"], tree.base / "processing/data")
        if data is not None:
            shutil.rmtree(tree.base / "processing/data")
            (tree.base / "processing/data").mkdir()
            (tree.base / "processing/data" / file).write_text(data)
        script = str(runtime / "training/score_model.py")
        done = run_python(training_python, script, env=tree.environment(training_python))
        message = tree.base / "output/message"
        assert message.is_file(), done.stdout
        return done.returncode, message.read_text(), tree.base

    return run


def test_a_model_scores_what_its_training_said_of_the_same_data(score, trained) -> None:
    code, message, base = score()
    scores = json.loads(message)
    assert code == 0
    # Then the metrics are those that requests may name
    assert set(scores) == set(SCORES)
    assert scores["eval_accuracy"] == pytest.approx(trained["accuracy"], abs=1e-4)
    assert scores["eval_rows"] == len((trained["data"] / "test.jsonl").read_text().splitlines())
    # And the file in S3 says the same
    assert json.loads((base / "processing/evaluation/evaluation.json").read_text())["metrics"] == scores


@pytest.mark.parametrize(
    ("data", "file", "words"),
    [
        ('{"text": "new", "label": 7}\n', "test.jsonl", "labels 7, and the model knows 0 to 1 only"),
        ('{"text": ""}\n', "test.jsonl", "line 1"),
        ("a,b\n", "test.csv", "no file that ends in .jsonl"),
    ],
)
def test_what_cannot_be_scored_is_said_in_the_message(score, data: str, file: str, words: str) -> None:
    code, message, base = score(data, file)
    assert code == 1
    assert words in message
    assert not (base / "processing/evaluation").exists()


def test_an_archive_that_is_no_classifier_is_named(score, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("none")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "model.txt", "model.txt")
    code, message, _ = score(archive=tmp_path / "model.tar.gz")
    assert code == 1
    assert "cannot be loaded as a text classifier" in message
