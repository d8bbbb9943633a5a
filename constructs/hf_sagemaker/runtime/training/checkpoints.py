"""Tells whole checkpoints from others, and finds the newest that is whole.

A checkpoint is not written at one stroke, by several processes on several instances, and SageMaker copies the folder to
S3 while it is being written: after an interruption the newest one may be there in part. So the last thing that is
written is a manifest, with the size of everything else; and before a checkpoint is loaded, it is looked at.
"""

import json
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

_NAME = re.compile(r"^checkpoint-(\d+)$")

MANIFEST = "manifest.json"

# What transformers.Trainer needs to go on exactly where it was, where no manifest says more. Each pattern must have at
# least one match.
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


def sizes(checkpoint: Path) -> dict[str, int]:
    """Bytes of each file that is there now, by its path in the checkpoint; the manifest is not one of them."""
    files = (path for path in checkpoint.rglob("*") if path.is_file())
    found = {path.relative_to(checkpoint).as_posix(): path.stat().st_size for path in files}
    return {name: size for name, size in sorted(found.items()) if not name.startswith(MANIFEST)}


def finish(checkpoint: Path, files: dict[str, int], processes: int) -> None:
    """Writes the manifest: from now on the checkpoint counts as whole while all of it is there.

    files: see `sizes`; of all instances that have written to it. processes: that were training.
    """
    content = {"schema_version": "1", "step": step_of(checkpoint), "processes": processes, "files": files}
    unfinished = checkpoint / f"{MANIFEST}.tmp"
    unfinished.write_text(json.dumps(content, indent=1))
    unfinished.replace(checkpoint / MANIFEST)


def remove_newer(folder: Path, step: int) -> None:
    """Removes what an interruption has left of checkpoints after that step: they will be written anew.

    Otherwise they would count among those that are kept, and whole ones would have to go for them.
    """
    for path in folder.glob("checkpoint-*"):
        if path.is_dir() and _NAME.match(path.name) and step_of(path) > step:
            shutil.rmtree(path, ignore_errors=True)


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
    try:
        for path in sorted(checkpoint.rglob("*.json")):
            _check_json(path)
        if (checkpoint / MANIFEST).is_file():
            _check_sizes(checkpoint)
        else:
            _check_names(checkpoint)
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


def _check_sizes(checkpoint: Path) -> None:
    """By the manifest. Files that it does not name are let be."""
    manifest = json.loads((checkpoint / MANIFEST).read_text())
    there = sizes(checkpoint)
    for name, size in manifest["files"].items():
        if name not in there:
            raise ValueError(f"{name} is missing")
        if there[name] != size:
            raise ValueError(f"{name} has {there[name]} bytes of {size}")


def _check_names(checkpoint: Path) -> None:
    """Without a manifest: one that was saved by other code, or that was never finished."""
    for pattern in _NEEDED:
        if not any(checkpoint.glob(pattern)):
            raise ValueError(f"{pattern} is missing")
    if any(checkpoint.glob("rng_state_*.pth")):
        raise ValueError(f"several processes saved it, and there is no {MANIFEST} that says whether all of them did")
    if not (checkpoint / _WEIGHTS_INDEX).is_file() and not (checkpoint / _WEIGHTS).is_file():
        raise ValueError(f"{_WEIGHTS} is missing")


def _weight_files(checkpoint: Path) -> list[str]:
    """None where the weights have another format, as FSDP's and DeepSpeed's: the manifest has vouched for them."""
    index = checkpoint / _WEIGHTS_INDEX
    if not index.is_file():
        return [_WEIGHTS] if (checkpoint / _WEIGHTS).is_file() else []
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
