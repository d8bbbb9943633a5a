"""What the files of a model say before anything is loaded: what is missing, broken or not allowed."""

import json
import zipfile
from pathlib import Path
from typing import Any

import tasks

_WEIGHTS = "*.safetensors"
_PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")
# Any of these tells transformers a vocabulary.
_VOCABULARIES = ("tokenizer.json", "vocab.*", "merges.txt", "*.model", "*.spm", "tekken.json", "*.tiktoken")
# They read bytes or characters, and need no vocabulary.
_WITHOUT_VOCABULARY = ("ByT5", "Canine", "Perceiver", "Myt5")


class ModelLoadError(Exception):
    """The reason, in one line; it names the file where one is missing or broken."""


def check_files(folder: Path, *, own_model: bool, allow_pickle: bool, trust_remote_code: bool) -> None:
    """ModelLoadError: the folder holds no model that can be loaded, or one that may not be.

    own_model: code of the model's own loads it, and says itself what it needs.
    """
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    if not files:
        raise ModelLoadError(f"{folder} is empty: the model data holds no files")
    if own_model:
        return
    if (folder / "model_index.json").is_file():
        _refuse_pickles(folder, "*/", allow_pickle)  # each part of a diffusion model has a folder
        return
    if not (folder / "config.json").is_file():
        nested = sorted(path.parent.relative_to(folder) for path in files if path.name == "config.json")
        hint = f"; it is in {nested[0]}/, but belongs at the top of model.tar.gz" if nested else ""
        raise ModelLoadError(f"config.json is missing in {folder}{hint}")
    configuration = read_json(folder / "config.json")
    _refuse_pickles(folder, "", allow_pickle)
    if configuration.get("auto_map") and not trust_remote_code and not _is_native(configuration):
        raise ModelLoadError(
            f"the model brings Python code of its own (auto_map in config.json: {_first_class(configuration)}), which "
            "this server runs only with HF_TRUST_REMOTE_CODE=true in an image built with trust_remote_code"
        )


def read_json(file: Path) -> dict[str, Any]:
    """ModelLoadError: the file is no JSON object."""
    try:
        value = json.loads(file.read_bytes())
    except ValueError as error:
        raise ModelLoadError(f"{file.name} is not whole JSON ({file.stat().st_size} bytes; {error})") from error
    if not isinstance(value, dict):
        raise ModelLoadError(f"{file.name} holds no object: it is not what transformers saves")
    return value


def check_tokenizer(folder: Path, task: str) -> None:
    """ModelLoadError: the task reads texts, and no file of the folder holds a vocabulary."""
    if any(next(folder.glob(pattern), None) for pattern in _VOCABULARIES):
        return
    file = folder / "tokenizer_config.json"
    name = str(read_json(file).get("tokenizer_class", "")) if file.is_file() else ""
    name = name or str(read_json(folder / "config.json").get("tokenizer_class", ""))
    if name.startswith(_WITHOUT_VOCABULARY):
        return
    raise ModelLoadError(
        f"the tokenizer is missing: the task {task} needs one, and {folder} has none of {', '.join(_VOCABULARIES)}; "
        "save it beside the model with tokenizer.save_pretrained()"
    )


def choose_task(folder: Path, wanted: str | None) -> str:
    """The task: the wanted one; else what the architecture serves; else text-classification."""
    if wanted:
        return wanted
    if (folder / "model_index.json").is_file():
        return "text-to-image"
    names = architectures(folder)
    return (tasks.task_of(names[0]) if names else None) or "text-classification"


def architectures(folder: Path) -> list[str]:
    """Of config.json; empty: it names none."""
    names = read_json(folder / "config.json").get("architectures")
    return [str(name) for name in names] if isinstance(names, list) else []


def broken_files(folder: Path) -> list[str]:
    """Looks for the file that an error was about, because the libraries' own messages often do not name it."""
    broken = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not path.is_file():
            continue
        size = f"{path.stat().st_size} bytes"
        if path.suffix == ".json" and not _is_json(path):
            broken.append(f"{name} is not whole JSON ({size})")
        elif path.suffix == ".safetensors" and (problem := _safetensors_problem(path)):
            broken.append(f"{name} is cut off or damaged ({size}; {problem})")
        elif path.suffix == ".bin" and path.name.startswith("pytorch_model") and not zipfile.is_zipfile(path):
            broken.append(f"{name} is cut off or damaged ({size})")
    return broken


def _refuse_pickles(folder: Path, prefix: str, allow_pickle: bool) -> None:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = sorted({str(name) for name in read_json(index).get("weight_map", {}).values()})
        missing = [name for name in shards if not (folder / name).is_file()]
        if missing:
            raise ModelLoadError(f"{index.name} names files that are missing: {', '.join(missing[:5])}")
    if next(folder.glob(f"{prefix}{_WEIGHTS}"), None):
        return
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(f"{prefix}{pattern}"))
    if pickles and not allow_pickle:
        raise ModelLoadError(
            f"the weights are a pickle ({pickles[0]}), which can run any code when it is loaded: save the model with "
            "save_pretrained(safe_serialization=True), or build the image with allow_pickle"
        )
    if not pickles:
        raise ModelLoadError(f"the weights are missing: {folder} has no model.safetensors")


def _is_native(configuration: dict[str, Any]) -> bool:
    """Whether transformers has the model's classes itself; the model's own code is not needed then."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return configuration.get("model_type") in CONFIG_MAPPING_NAMES


def _first_class(configuration: dict[str, Any]) -> str:
    auto_map = configuration["auto_map"]
    return str(next(iter(auto_map.values()))) if isinstance(auto_map, dict) else str(auto_map)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def _safetensors_problem(path: Path) -> str:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            return ""
    except (SafetensorError, OSError) as error:
        return str(error)
