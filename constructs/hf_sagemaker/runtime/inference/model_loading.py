"""Loads the model as the toolkit does, but only a whole one, of the right task; or says in one line why not."""

import os
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tasks
from hub_model import model_folder
from model_files import (
    ModelLoadError,
    architectures,
    broken_files,
    check_files,
    check_tokenizer,
    choose_task,
)
from own_code import OwnCode, OwnCodeError, install_requirements
from request_errors import one_line
from server_settings import ServerSettings
from warm_up import warm_up_body

__all__ = ["LoadedModel", "ModelLoadError", "load_model", "warm_up_body"]

_PARTS = ("tokenizer", "image_processor", "feature_extractor", "processor", "video_processor")
# A head of one of these tasks can have the shape of another's: loading it for the wrong task goes unnoticed.
_OWN_HEADS = {
    "text-classification",
    "token-classification",
    "question-answering",
    "table-question-answering",
    "multiple-choice",
    "image-classification",
    "audio-classification",
    "object-detection",
}


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to be asked."""

    model: Any  # a transformers Pipeline, or whatever model_fn of the model's own code returned
    task: str | None  # as tasks.canonical names it; None: of a model that own code loads, where HF_TASK names none
    own: OwnCode
    device: str  # cpu, or cuda:<index>
    what: str  # one line for the log: what was loaded, and how long that took


def load_model(settings: ServerSettings, gpu: int | None) -> LoadedModel:
    """Installs the model's requirements and loads it. gpu: the index of the device; None: the CPU.

    ModelLoadError: any error at all, of the files, of the hub, or of the model's own code.
    """
    started = time.monotonic()
    folder = model_folder(settings)
    # Everything is in the folder now; transformers asks the hub for what is not, unless it reads these on its import.
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    # Where transformers copies a model's own Python modules to.
    os.environ.setdefault("HF_MODULES_CACHE", str(Path(tempfile.gettempdir()) / "hf-sagemaker-modules"))
    device = "cpu" if gpu is None else f"cuda:{gpu}"
    try:
        install_requirements(folder)
        own = OwnCode.load(folder, settings.program, settings.default_accept)
        check_files(
            folder,
            own_model=own.model_fn is not None,
            allow_pickle=settings.allow_pickle,
            trust_remote_code=settings.trust_remote_code,
        )
        if own.model_fn is not None:
            model = own.load_model(gpu)
            task = tasks.canonical(settings.task)
        else:
            task = choose_task(folder, settings.task)
            model = _pipeline(folder, task, device, settings)
    except ModelLoadError:
        raise
    except OwnCodeError as error:
        raise ModelLoadError(str(error)) from error
    except BaseException as error:  # the model's own code may even exit
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ModelLoadError(_explain(error, folder)) from error
    if _is_pipeline(model):
        task = tasks.canonical(model.task)
    else:
        own.calls_model = True
    name = type(getattr(model, "model", model)).__name__
    dtype = str(getattr(getattr(model, "model", None), "dtype", "")).removeprefix("torch.")
    what = f"model {name} for {task or 'its own code'} on {device}{f' in {dtype}' if dtype else ''}"
    return LoadedModel(model, task, own, device, f"{what} (loaded in {time.monotonic() - started:.1f} s)")


def _pipeline(folder: Path, task: str, device: str, settings: ServerSettings) -> Any:
    if task == "text-to-image":
        from text_to_image import TextToImage

        return TextToImage(folder, device)
    import transformers

    transformers.utils.logging.disable_progress_bar()
    targeted, pipeline_class = _supported(task)
    configuration = transformers.AutoConfig.from_pretrained(str(folder), trust_remote_code=settings.trust_remote_code)
    automatic = _model_class(task, folder, configuration, targeted["pt"])
    parts = {
        part: needed for part in _PARTS if (needed := getattr(pipeline_class, f"_load_{part}", False)) is not False
    }
    if getattr(pipeline_class, "_load_tokenizer", False):
        check_tokenizer(folder, task)
    # Without `attn_implementation` transformers takes scaled dot product attention wherever the model has it.
    model, found = automatic.from_pretrained(
        str(folder),
        config=configuration,
        trust_remote_code=settings.trust_remote_code,
        use_safetensors=None if settings.allow_pickle else True,
        output_loading_info=True,
        **{_dtype_argument(transformers.__version__): _dtype(settings.dtype, device)},
    )
    _refuse_made_up_weights(task, folder, found["missing_keys"])
    pipeline = transformers.pipeline(
        task,
        model=model.eval(),
        device=device,
        trust_remote_code=settings.trust_remote_code,
        **_sources(parts, folder, settings.trust_remote_code),
    )
    tokenizer = getattr(pipeline, "tokenizer", None)
    if tokenizer is not None and len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise ModelLoadError(f"the tokenizer in {folder} has no vocabulary: save it with tokenizer.save_pretrained()")
    return pipeline


def _sources(parts: dict[str, bool | None], folder: Path, trust_remote_code: bool) -> dict[str, Any]:
    """What transformers.pipeline is to take each part from. parts: whether each has to be there; None: if it is."""
    import transformers

    sources: dict[str, Any] = dict.fromkeys(parts, str(folder))
    if "feature_extractor" in parts:
        # Named by its folder, transformers 5 looks beside the model's name, too, which a loaded model does not have.
        try:
            sources["feature_extractor"] = transformers.AutoFeatureExtractor.from_pretrained(
                str(folder), trust_remote_code=trust_remote_code
            )
        except (OSError, ValueError):
            if parts["feature_extractor"]:
                raise
            del sources["feature_extractor"]
    return sources


def _supported(task: str) -> tuple[dict[str, Any], Any]:
    """What transformers has for the task: its automatic classes, and the pipeline's class."""
    import transformers
    from transformers.pipelines import PIPELINE_REGISTRY

    try:
        _, targeted, _ = PIPELINE_REGISTRY.check_task(task)
    except KeyError as error:
        if tasks.is_known(task):
            raise ModelLoadError(
                f"transformers {transformers.__version__} serves the task {task} no more: build the image with "
                "transformers 4, or serve it by code/inference.py of the model's own"
            ) from error
        known = ", ".join(sorted(PIPELINE_REGISTRY.get_supported_tasks()))
        raise ModelLoadError(
            f"transformers {transformers.__version__} has no task {task!r}: set HF_TASK to one of {known}"
        ) from error
    implementation = targeted["impl"]
    if isinstance(implementation, str):  # transformers 5 names classes that it has not imported
        implementation = getattr(transformers, implementation.rpartition(".")[2])
    return targeted, implementation


def _model_class(task: str, folder: Path, configuration: Any, automatic: Iterable[Any]) -> Any:
    """The automatic class of the task that knows the model. ModelLoadError: none does, or it would make up a head."""
    import transformers

    names = architectures(folder)
    classes = {
        each: _names(each._model_mapping[type(configuration)])
        for each in automatic
        if type(configuration) in each._model_mapping
    }
    for each, native in classes.items():
        if set(names) & native:
            return each
    remote = getattr(configuration, "auto_map", None) or {}
    for each in automatic:
        if each.__name__ in remote:
            return each
    serves = tasks.task_of(names[0]) if names else None
    takes_any_head = any(each.__name__ == "AutoModel" for each in classes)
    if classes and (takes_any_head or serves not in _OWN_HEADS):
        return next(iter(classes))
    what = f"this model's architecture is {names[0]}" if names else f"this model is a {type(configuration).__name__}"
    if serves and serves != task:
        raise ModelLoadError(f"{what}, which serves {serves}, not {task}: set HF_TASK to {serves}, or leave it out")
    raise ModelLoadError(f"{what}, which transformers {transformers.__version__} cannot use for {task}: check HF_TASK")


def _names(classes: Any) -> set[str]:
    return {each.__name__ for each in (classes if isinstance(classes, (tuple, list)) else (classes,))}


def _refuse_made_up_weights(task: str, folder: Path, missing: Iterable[str]) -> None:
    # What the pooler makes is no part of these answers; many models are saved without one.
    poolers = task in ("feature-extraction", "image-feature-extraction")
    lacking = sorted(name for name in missing if not (poolers and "pooler" in name.split(".")))
    if not lacking:
        return
    shown = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
    names = architectures(folder)
    serves = tasks.task_of(names[0]) if names else None
    hint = f"; this model's architecture is {names[0]}, which serves {serves}" if serves and serves != task else ""
    raise ModelLoadError(f"weights are missing: {shown}{hint}: transformers would make them up at random for {task}")


def _dtype_argument(version: str) -> str:
    major, minor = (int(part) for part in version.split(".")[:2])
    return "dtype" if (major, minor) >= (4, 56) else "torch_dtype"


def _dtype(setting: str, device: str) -> Any:
    import torch

    if device == "cpu":
        return torch.float32 if setting == "auto" else getattr(torch, setting)
    capability = torch.cuda.get_device_capability(device)
    if setting == "bfloat16" and capability < (8, 0):
        raise ModelLoadError(
            f"HFSM_DTYPE is bfloat16, which {torch.cuda.get_device_name(device)} (compute capability "
            f"{capability[0]}.{capability[1]}) does not compute in: set it to float16"
        )
    return torch.float16 if setting == "auto" else getattr(torch, setting)


def _is_pipeline(model: Any) -> bool:
    return any(each.__module__ == "transformers.pipelines.base" for each in type(model).__mro__)


def _explain(error: BaseException, folder: Path) -> str:
    reason = one_line(error)
    broken = broken_files(folder)
    return f"{'; '.join(broken)} ({reason})" if broken else reason
