"""Fine-tunes a text classifier in a SageMaker training job.

Channels: `train` with train.jsonl, optionally `test` with test.jsonl, or both as prepare_data.py has made them;
optionally `model` with a model saved by save_pretrained; without it a small model is built. The result is in
SM_MODEL_DIR, for the Hugging Face inference toolkit.

It can be interrupted: every save_steps it saves a checkpoint, on SIGTERM another one at the current step, and it goes
on from the newest whole one. Interrupted, it ends with exit code 0, because a stop that was asked for is no failure;
that there is no `hfsm.result` line tells it from a finished run.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import hyperparameters
import lineage
from checkpoints import folder_of_job
from data import read_dataset
from interruption import Interrupted, Interruption
from prepared_data import is_prepared, read_prepared
from reporting import say_interrupted


def main(arguments: Sequence[str]) -> None:
    parameters = hyperparameters.parse(arguments)
    interruption = Interruption()
    interruption.install()
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    checkpoints = folder_of_job(base, os.environ.get("TRAINING_JOB_NAME"))
    try:
        lineage.claim(checkpoints)
        train, test = _channel("train", base) or base / "input/data/train", _channel("test", base)
        dataset = read_prepared(train, test) if is_prepared(train) else read_dataset(train, test)
        _set_environment()
        # Not before: importing torch takes seconds, in which broken data is told and a signal is taken.
        from fine_tuning import FineTuning

        FineTuning(
            dataset=dataset,
            parameters=parameters,
            start_from=_channel("model", base),
            model_dir=Path(os.environ.get("SM_MODEL_DIR", base / "model")),
            checkpoints=checkpoints,
            interruption=interruption,
        ).run()
    except Interrupted:
        say_interrupted(checkpoints)


def _set_environment() -> None:
    """What the libraries read while they are imported. Whatever the job sets itself stays."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # all that is needed is in the channels
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # it warns about forks otherwise
    # Threads that wait actively take the cores from each other where others work, too: three times as slow.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _channel(name: str, base: Path) -> Path | None:
    """Folder of a channel; None where the job has no such channel."""
    if given := os.environ.get(f"SM_CHANNEL_{name.upper()}"):
        return Path(given)
    folder = base / "input/data" / name
    return folder if folder.is_dir() else None


if __name__ == "__main__":
    main(sys.argv[1:])
