"""Finds the newest checkpoint that is whole.

A checkpoint is not written at one stroke, and SageMaker copies the folder to S3 while it is being written: after an
interruption the newest one may be there in part. Loading it would end the job, so it is looked at first.
"""

import json
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

_NAME = re.compile(r"^checkpoint-(\d+)$")

# What transformers.Trainer needs to go on exactly where it was. Each pattern must have at least one match.
_NEEDED = ("trainer_state.json", "config.json", "optimizer.pt", "scheduler.pt", "rng_state*.pth")
_WEIGHTS = "model.safetensors"
_WEIGHTS_INDEX = "model.safetensors.index.json"


_TUNED = "_tuning_objective_metric"
"""A hyperparameter that SageMaker gives to the children of a tuning job, and to no other job."""


def folder_of_job(base: Path, job_name: str | None) -> Path:
    """Where this job keeps its checkpoints. base: /opt/ml.

    All children of a tuning job have the same prefix in S3, so that each finds the others' too: it keeps its own apart,
    under its name. Any other job has the whole prefix, and goes on from whatever an earlier job has left there.
    """
    folder = base / "checkpoints"
    file = base / "input/config/hyperparameters.json"
    given = json.loads(file.read_text()) if file.is_file() else {}
    return folder / job_name if job_name and _TUNED in given else folder


def step_of(checkpoint: Path) -> int:
    """The number of optimizer steps after which `checkpoint-<step>` was saved."""
    match = _NAME.match(checkpoint.name)
    if match is None:
        raise ValueError(f"{checkpoint} is not named checkpoint-<step>")
    return int(match[1])


def newest_intact(folder: Path, report: Callable[[str], None] = print) -> Path | None:
    """The checkpoint with the most steps among those that are whole; None where there is none.

    report: gets one line for each newer one that is skipped, with its name and what is wrong with it.
    """
    found = [path for path in folder.glob("checkpoint-*") if path.is_dir() and _NAME.match(path.name)]
    for checkpoint in sorted(found, key=step_of, reverse=True):
        problem = damage(checkpoint)
        if problem is None:
            return checkpoint
        report(f"WARNING: skipping {checkpoint.name}, which is not whole: {problem}")
    return None


def damage(checkpoint: Path) -> str | None:
    """What is missing or cut off in a checkpoint, in one sentence; None where it is whole."""
    for pattern in _NEEDED:
        if not any(checkpoint.glob(pattern)):
            return f"{pattern} is missing"
    try:
        for path in sorted(checkpoint.rglob("*.json")):
            _check_json(path)
        for name in _weight_files(checkpoint):
            check_safetensors(checkpoint / name)
        for path in sorted(checkpoint.iterdir()):
            if path.suffix in (".pt", ".pth"):
                _check_zip(path)
    except ValueError as error:
        return str(error)
    state = json.loads((checkpoint / "trainer_state.json").read_text())
    if state.get("global_step") != step_of(checkpoint):
        return f"trainer_state.json is of step {state.get('global_step')}"
    return None


def check_safetensors(path: Path) -> None:
    """ValueError: the file is missing, or its size is not what its own header says."""
    if not path.is_file():
        raise ValueError(f"{path.name} is missing")
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        if len(prefix) < 8:
            raise ValueError(f"{path.name} has only {size} bytes")
        (header_length,) = struct.unpack("<Q", prefix)
        if header_length > size - 8:
            raise ValueError(f"{path.name} ends inside its header, after {size} bytes")
        try:
            header = json.loads(file.read(header_length))
            ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise ValueError(f"{path.name} has an unreadable header") from None
    expected = 8 + header_length + max(ends, default=0)
    if size != expected:
        raise ValueError(f"{path.name} has {size} bytes of {expected}")


def _weight_files(checkpoint: Path) -> list[str]:
    index = checkpoint / _WEIGHTS_INDEX
    if not index.is_file():
        return [_WEIGHTS]
    return sorted(set(json.loads(index.read_text())["weight_map"].values()))


def _check_json(path: Path) -> None:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        raise ValueError(f"{path.name} is not whole JSON ({path.stat().st_size} bytes)") from None


def _check_zip(path: Path) -> None:
    """torch.save writes zip archives with a checksum per member; the directory comes last."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, EOFError, OSError):
        raise ValueError(f"{path.name} is cut off ({path.stat().st_size} bytes)") from None
    if broken:
        raise ValueError(f"{path.name} is damaged")
