"""Loads the model the way that the inference toolkit's workers will, and asks it something."""

import json
import logging
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from model_files import ModelLoadError, broken_files

# Where neither HF_TASK nor the model's configuration names a task.
DEFAULT_TASK = "text-classification"

_QUESTION = "Is anybody there?"
# Tasks that answer to a text alone.
_TEXT_TASKS = {
    "text-classification",
    "sentiment-analysis",
    "token-classification",
    "ner",
    "feature-extraction",
    "text-generation",
    "text2text-generation",
    "summarization",
}
_OWN_FUNCTIONS = ("load", "preprocess", "predict", "postprocess", "transform_fn")


def check_model() -> str:
    """A line that says what was loaded and how long it took.

    Sets HF_TASK where only the default is left, so that the server does what was checked.
    ModelLoadError: any error at all, of the files, of the model's own code (code/inference.py) or in the answer.
    """
    if os.environ.get("HF_MODEL_ID") or os.environ.get("SAGEMAKER_MULTI_MODEL") == "true":
        return "the model server fetches its models itself: nothing was checked"
    from sagemaker_inference import environment

    folder = Path(environment.model_dir)
    started = time.monotonic()
    try:
        _require_files(folder)
        _choose_task(folder)
        service, answered = _load_and_ask(folder)
    except ModelLoadError:
        raise
    except BaseException as error:  # the model's own code may even exit
        raise ModelLoadError(_explain(error, folder)) from error
    what = type(getattr(service.model, "model", service.model)).__name__
    how = "loaded and answering" if answered else "loaded"
    return f"model {what} is {how} after {time.monotonic() - started:.1f} s"


def _require_files(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    if not files:
        raise ModelLoadError(f"{folder} is empty: the model data holds no files")
    if (folder / "code").is_dir() or (folder / "model_index.json").is_file():
        return  # its own code, or the pipeline's parts, say what they need
    if not (folder / "config.json").is_file():
        nested = sorted(path.parent.relative_to(folder) for path in files if path.name == "config.json")
        hint = f"; it is in {nested[0]}/, but belongs at the top of model.tar.gz" if nested else ""
        raise ModelLoadError(f"config.json is missing in {folder}{hint}")


def _choose_task(folder: Path) -> None:
    if os.environ.get("HF_TASK") or (folder / "model_index.json").is_file():
        return
    from sagemaker_huggingface_inference_toolkit.transformers_utils import infer_task_from_model_architecture

    configuration = folder / "config.json"
    if not configuration.is_file():
        return  # code/inference.py loads it
    try:
        infer_task_from_model_architecture(str(configuration))  # sets HF_TASK
    except json.JSONDecodeError:
        raise
    except (ValueError, TypeError, AttributeError, IndexError):
        os.environ["HF_TASK"] = DEFAULT_TASK


def _load_and_ask(folder: Path) -> tuple[Any, bool]:
    from sagemaker_huggingface_inference_toolkit.handler_service import HuggingFaceHandlerService
    from sagemaker_inference import model_server

    if Path(model_server.REQUIREMENTS_PATH).exists():
        model_server._install_requirements()  # the server would, later
    untrained = _UntrainedWeights()
    logging.getLogger("transformers.modeling_utils").addHandler(untrained)
    service = HuggingFaceHandlerService()
    own = {name: getattr(service, name) for name in _OWN_FUNCTIONS}
    context = SimpleNamespace(system_properties={"model_dir": str(folder), "batch_size": 1, "gpu_id": 0})
    service.initialize(context)
    if untrained.said:
        raise ModelLoadError(untrained.said)
    is_own = any(getattr(service, name) != function for name, function in own.items())
    if is_own or os.environ.get("HF_TASK") not in _TEXT_TASKS:
        return service, False  # what it takes for input is not known here
    body = json.dumps({"inputs": _QUESTION})
    service.transform_fn(service.model, body, "application/json", "application/json")
    return service, True


class _UntrainedWeights(logging.Handler):
    """Notes transformers' warning that weights are missing: it makes random ones up, and the model answers nonsense."""

    said = ""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if "newly initialized" in message:
            self.said = f"weights are missing: {' '.join(message.split())}"


def _explain(error: BaseException, folder: Path) -> str:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    broken = broken_files(folder)
    return f"{'; '.join(broken)} ({reason})" if broken else reason
