"""Prepares data before training, in a SageMaker processing job in the training image.

    prepare_data.py --channels train,test [--entry_point prepare.py] [--max_length 128] …

Each channel lies below /opt/ml/processing/input/, and what is made of it goes to a folder of the same name below
/opt/ml/processing/prepared/, which becomes the channel of the training job. Without entry_point, train.jsonl and
test.jsonl are checked, and tokenised with the tokenizer of the channel `model`, or with one that is made of the texts.
With it, that file of the code (channel `code`) does it.

Where it fails, /opt/ml/output/message says why, and the job's description shows that.
"""

import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import exit_message
import hyperparameters
from data import DataError, Dataset, read_dataset
from prepared_data import DATA, HELD_OUT, TOKENIZER, describe, write_rows
from reporting import say
from unpacking import unpack

_LAST_LINES = 10


class PreparationError(Exception):
    """The request's own code could not prepare the data. The message says why."""


def main(base: Path, arguments: Sequence[str]) -> None:
    """base: /opt/ml."""
    given, target = base / "processing/input", base / "processing/prepared"
    named = dict(zip(arguments[::2], arguments[1::2], strict=True))
    entry_point = named.pop("--entry_point", None)
    if entry_point:
        _own(given / "code/sourcedir.tar.gz", entry_point, arguments)
        return
    channels = named.pop("--channels").split(",")
    parameters = hyperparameters.parse([word for pair in named.items() for word in pair])
    dataset = read_dataset(given / "train", given / "test" if "test" in channels else None)
    model = given / "model"
    _prepare(dataset, parameters, model if model.is_dir() else None, target, held_out="test" not in channels)


def _prepare(
    dataset: Dataset, parameters: hyperparameters.Hyperparameters, model: Path | None, target: Path, *, held_out: bool
) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Not before: importing torch takes seconds, in which broken data is told.
    from fine_tuning import encode
    from small_model import train_tokenizer
    from transformers import AutoTokenizer

    if model:
        tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    else:
        tokenizer = train_tokenizer(dataset.train, parameters)
    length = min(parameters.max_length, tokenizer.model_max_length)
    train = target / "train"
    write_rows(train / DATA, encode(dataset.train, tokenizer, length))
    write_rows(train / HELD_OUT if held_out else target / "test" / DATA, encode(dataset.test, tokenizer, length))
    tokenizer.save_pretrained(train / TOKENIZER)
    describe(train, label_count=dataset.label_count, majority_baseline=dataset.majority_baseline)
    say("prepared", train_rows=len(dataset.train), test_rows=len(dataset.test), max_length=length)


def _own(archive: Path, entry_point: str, arguments: Sequence[str]) -> None:
    """Runs a file of the request's own code, with the same arguments."""
    with tempfile.TemporaryDirectory() as folder:
        unpack(archive, Path(folder))
        if not (Path(folder) / entry_point).is_file():
            raise PreparationError(f"The code holds no file {entry_point}, the entry_point of preparation.")
        last: deque[str] = deque(maxlen=_LAST_LINES)
        process = subprocess.Popen(
            [sys.executable, entry_point, *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            last.append(line)
        code = process.wait()
    if code:
        raise PreparationError(f"{entry_point} ended with exit code {code}: {''.join(last)}")


if __name__ == "__main__":
    sys.exit(exit_message.run(lambda base: main(base, sys.argv[1:]), DataError, PreparationError, SystemExit))
