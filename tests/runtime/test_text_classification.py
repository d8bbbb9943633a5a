"""The training script for real: interrupted through the toolkit, resumed, compared with a run that was left alone."""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

STEPS = 120
PARAMETERS = {
    "max_steps": STEPS,
    "train_batch_size": 8,
    "save_steps": 20,
    "save_total_limit": 20,
    "logging_steps": 1,
    "hidden_size": 16,
    "vocab_size": 300,
    "fp16": False,
    "seed": 3,
}


@dataclass(frozen=True)
class Run:
    base: Path
    output: str
    exit_code: int
    lines: list[tuple[str, dict[str, str]]]

    def only(self, kind: str) -> dict[str, str]:
        (values,) = [values for name, values in self.lines if name == kind]
        return values

    @property
    def losses(self) -> dict[int, str]:
        return {int(values["step"]): values["loss"] for name, values in self.lines if name == "step"}


@pytest.fixture(scope="module")
def train(runtime, training_python, opt_ml, run_python, records) -> Callable[..., Run]:
    """Runs the script alone, in a fresh tree: with the checkpoints of an earlier run, or a model as a channel."""

    def run(checkpoints: Path | None = None, model: Path | None = None, **parameters: Any) -> Run:
        tree = opt_ml()
        if model:
            shutil.copytree(model, tree.base / "input/data/model")
        if checkpoints:
            shutil.copytree(checkpoints, tree.base / "checkpoints", dirs_exist_ok=True)
        arguments = [word for name, value in {**PARAMETERS, **parameters}.items() for word in (f"--{name}", str(value))]
        script = str(runtime / "training/text_classification.py")
        done = run_python(training_python, script, *arguments, env=tree.environment(training_python))
        return Run(tree.base, done.stdout, done.returncode, records(done.stdout))

    return run


@pytest.fixture(scope="module")
def uninterrupted(train) -> Run:
    run = train()
    assert run.exit_code == 0, run.output
    return run


@pytest.fixture(scope="module")
def interrupted(runtime, training_python, opt_ml, records) -> Run:
    """A job of the real toolkit that gets SIGTERM after step 25."""
    tree = opt_ml()
    tree.configure(PARAMETERS)
    process = subprocess.Popen(
        [str(training_python), str(runtime / "training/entrypoint.py"), "train"],
        env=tree.environment(training_python),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if line.startswith("hfsm.step step=25 "):
            process.send_signal(signal.SIGTERM)
    return Run(tree.base, output, process.wait(timeout=60), records(output))


def test_a_whole_run_says_what_it_does(uninterrupted: Run) -> None:
    assert uninterrupted.only("start") == {
        "resumed_from_step": "0",
        "total_steps": str(STEPS),
        "save_steps": "20",
        "train_rows": "200",
        "test_rows": "40",
    }
    assert sorted(uninterrupted.losses) == list(range(1, STEPS + 1))
    result = uninterrupted.only("result")
    assert result["final_step"] == str(STEPS)
    assert float(result["majority_baseline"]) == 0.5
    assert float(result["eval_accuracy"]) > 0.9


def test_the_model_has_a_tokenizer_and_readable_labels(uninterrupted: Run) -> None:
    model = uninterrupted.base / "model"
    configuration = json.loads((model / "config.json").read_text())

    assert configuration["architectures"] == ["DistilBertForSequenceClassification"]
    assert configuration["id2label"] == {"0": "NEGATIVE", "1": "POSITIVE"}
    assert {"model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= {path.name for path in model.iterdir()}


def test_sigterm_through_the_toolkit_saves_a_checkpoint_and_ends_well(interrupted: Run) -> None:
    said = interrupted.only("interrupted")

    assert interrupted.exit_code == 0, interrupted.output
    assert 25 <= int(said["step"]) < STEPS
    assert said["checkpoint_step"] == said["step"]
    assert (interrupted.base / f"checkpoints/checkpoint-{said['step']}/trainer_state.json").is_file()
    assert "result" not in {name for name, _ in interrupted.lines}
    assert list((interrupted.base / "model").iterdir()) == []


def test_a_resumed_run_loses_nothing_and_learns_the_same(train, interrupted: Run, uninterrupted: Run) -> None:
    # Given the checkpoint of the interruption
    step = int(interrupted.only("interrupted")["step"])

    # When the job starts again
    resumed = train(interrupted.base / "checkpoints")

    # Then it goes on from there, and all losses and the result are those of the run that was left alone
    assert resumed.only("start")["resumed_from_step"] == str(step)
    assert {**interrupted.losses, **resumed.losses} == uninterrupted.losses
    assert min(resumed.losses) == step + 1
    assert resumed.only("result") == uninterrupted.only("result")


def test_a_newest_checkpoint_that_is_cut_off_is_skipped(train, interrupted: Run, uninterrupted: Run, tmp_path) -> None:
    # Given a checkpoint of which only a part came back from S3
    step = int(interrupted.only("interrupted")["step"])
    checkpoints = shutil.copytree(interrupted.base / "checkpoints", tmp_path / "checkpoints")
    weights = checkpoints / f"checkpoint-{step}/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])

    # When the job starts again
    resumed = train(checkpoints)

    # Then it says so, goes on from the one before, and still arrives where it should
    start = int(resumed.only("start")["resumed_from_step"])
    assert f"WARNING: skipping checkpoint-{step}, which is not whole: model.safetensors" in resumed.output
    assert start == (step - 1) // 20 * 20
    assert resumed.losses == {n: loss for n, loss in uninterrupted.losses.items() if n > start}
    assert resumed.only("result") == uninterrupted.only("result")


def test_what_was_trained_to_the_end_is_not_trained_on(train, uninterrupted: Run) -> None:
    # Given a run that was killed after its last checkpoint: while it was evaluated, or its model saved
    resumed = train(checkpoints=uninterrupted.base / "checkpoints")

    # Then it does not one step more, and comes to the same end
    assert resumed.only("start")["resumed_from_step"] == str(STEPS)
    assert resumed.losses == {}
    assert resumed.only("result") == uninterrupted.only("result")


def test_the_channel_model_is_what_training_starts_from(train, uninterrupted: Run) -> None:
    # When a trained model is given, and hardly anything is learned
    run = train(model=uninterrupted.base / "model", max_steps=1, learning_rate=1e-9, labels="dull,joyful")

    # Then it still knows what it knew, under the names that it was given
    assert run.exit_code == 0, run.output
    assert run.only("result") == {**uninterrupted.only("result"), "final_step": "1"}
    configuration = json.loads((run.base / "model/config.json").read_text())
    assert configuration["id2label"] == {"0": "dull", "1": "joyful"}
