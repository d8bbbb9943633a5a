"""What fits together: images, instances, host images, versions, isolation. The table is compatibility.json.

Every function answers with what must be changed, as a half-sentence that follows "must" in a message to people, or
None where all is well. Imports no CDK: settings are checked with it.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.dlc_catalog import Product
from hf_sagemaker.instance_types import InstanceType, Use

DType = Literal["float32", "float16", "bfloat16"]
Attention = Literal["eager", "sdpa", "flash_attention_2"]
_GPU_ROWS = ("bfloat16", "flash_attention_2")


class IncompatibleError(ValueError):
    """Things that do not fit together; the message holds every problem, one per line."""


@cache
def table() -> dict[str, Any]:
    """The rows, by name; each holds its source."""
    content: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return content


def refuse(*found: tuple[str, str | None]) -> None:
    """Raises IncompatibleError with every problem. found: (what it is about, its problem or None)."""
    if problems := [f"{what} {problem}." for what, problem in found if problem]:
        raise IncompatibleError("\n".join(problems))


def instance_problem(image: ContainerImage, instance: InstanceType, use: Use) -> str | None:
    """Why the image cannot run on the instance: the first reason, since the others hang on it."""
    return architecture_problem(image, instance) or device_problem(image, instance, use) or gpu_problem(image, instance)


def architecture_problem(image: ContainerImage, instance: InstanceType) -> str | None:
    """An image for another CPU."""
    if instance.architecture == image.architecture:
        return None
    return (
        f"must be an {image.architecture} instance: image {image.name!r} does not run on {instance.architecture}, "
        "and no Hugging Face image is published for it"
    )


def device_problem(image: ContainerImage, instance: InstanceType, use: Use) -> str | None:
    """A GPU image without a GPU, a CPU image that would leave one idle, a Neuron image on other silicon."""
    wanted = table()["devices"]["runs_on"][image.processor]
    family = instance.name.split(".")[1]
    if instance.accelerator == wanted["accelerator"] and family in wanted.get("families", [family]):
        return None
    kinds = {
        "gpu": "a GPU instance",
        "cpu": "a CPU instance",
        "neuron": "an Inferentia1 instance",
        "neuronx": "an Inferentia2 or Trainium instance",
    }
    return (
        f"must be {kinds[image.processor]} (for example {wanted['example'][use]}): image {image.name!r} is the "
        f"{image.processor.upper()} build; or take a build for {instance.name} as its base"
    )


def gpu_problem(image: ContainerImage, instance: InstanceType) -> str | None:
    """A GPU that the image's CUDA, or its server, was not built for."""
    if instance.compute_capability is None:
        return None
    capability = _version(instance.compute_capability)
    if image.cuda:
        oldest_cuda = table()["cuda_for_gpu"]["oldest_cuda"].get(instance.compute_capability)
        if oldest_cuda and image.cuda < _version(oldest_cuda):
            return (
                f"must have a GPU older than compute capability {instance.compute_capability}: image {image.name!r} is "
                f"built with CUDA {_text(image.cuda)}, and that GPU needs {oldest_cuda} or later; or take a newer base"
            )
    for what, oldest in _oldest_gpus(image):
        if capability < _version(oldest):
            return (
                f"must have a GPU of compute capability {oldest} or later (for example ml.g5.xlarge): image "
                f"{image.name!r} has {what}, which is not built for {instance.compute_capability}"
            )
    return None


def _oldest_gpus(image: ContainerImage) -> Iterable[tuple[str, str]]:
    """What the image has, and the oldest compute capability for which that is built."""
    for cuda, oldest in table()["gpu_for_cuda"]["oldest_gpu"].items():
        if image.cuda and image.cuda >= _version(cuda):
            yield f"CUDA {_text(image.cuda)}", oldest
    if oldest := table()["servers"]["oldest_gpu"].get(image.product):
        yield f"the server {image.product}", oldest


def precision_problem(instance: InstanceType, dtype: DType) -> str | None:
    """bf16 on a GPU that has none, as T4 (g4dn). CPUs and Neuron devices have it."""
    if dtype != "bfloat16" or instance.accelerator != "gpu":
        return None
    return _newer_gpu(instance, "bfloat16", table()["bfloat16"]["instead"])


def attention_problem(instance: InstanceType, attention: Attention) -> str | None:
    """FlashAttention 2 on a GPU that it does not know, as T4 (g4dn), or without one."""
    if attention != "flash_attention_2":
        return None
    return _newer_gpu(instance, "flash_attention_2", table()["flash_attention_2"]["instead"])


def _newer_gpu(instance: InstanceType, row: str, instead: str) -> str | None:
    if needs := _gpu_that_is_missing(instance, row):
        return f"must be {instead} on {instance.name}: {needs}, and {instance.name} {_has(instance)}"
    return None


def _gpu_that_is_missing(instance: InstanceType, row: str) -> str | None:
    oldest, what = table()[row]["oldest_gpu"], table()[row]["what"]
    if instance.compute_capability and _version(instance.compute_capability) >= _version(oldest):
        return None
    return f"{what} needs a GPU of compute capability {oldest} or later (for example ml.g5.xlarge)"


def _has(instance: InstanceType) -> str:
    return f"has {instance.compute_capability}" if instance.compute_capability else "has no NVIDIA GPU"


def variable_problems(environment: Mapping[str, str], instance: InstanceType) -> list[tuple[str, str]]:
    """(variable, problem) for each variable of a container that asks for what the instance's GPU lacks."""
    if instance.accelerator != "gpu":
        return []
    found = []
    for row in _GPU_ROWS:
        for name, asked in table()[row]["variables"].items():
            wanted = environment.get(name, "").lower() in asked["values"]
            if wanted and (problem := _newer_gpu(instance, row, asked["instead"])):
                found.append((name, problem))
    return found


def hyperparameter_rules(instances: Iterable[InstanceType]) -> list[dict[str, Any]]:
    """What no request for a job may ask for on which of the instance types, as Validate reads it; empty: anything.

    Each: needs (what is missing, in words), lacking (instance type → what it has), hyperparameters and variables (name
    → values, in lower case, and what to say instead).
    """
    gpus = [instance for instance in instances if instance.accelerator == "gpu"]
    rules = []
    for row in _GPU_ROWS:
        lacking = {each.name: _has(each) for each in gpus if _gpu_that_is_missing(each, row)}
        needs = next((needs for each in gpus if (needs := _gpu_that_is_missing(each, row))), None)
        if needs:
            asked = {kind: table()[row][kind] for kind in ("hyperparameters", "variables")}
            rules.append({"needs": needs, "lacking": lacking, **asked})
    return rules


def inference_ami_version(image: ContainerImage) -> str | None:
    """The host image whose NVIDIA driver runs the image's CUDA; None for an image without CUDA.

    IncompatibleError: no host image does.
    """
    if image.cuda is None:
        return None
    for row in table()["inference_amis"]["newest_cuda"]:
        if row["default_choice"] and image.cuda <= _version(row["cuda"]):
            return str(row["ami"])
    newest = table()["inference_amis"]["newest_cuda"][-1]
    raise IncompatibleError(
        f"image {image.name!r} has CUDA {_text(image.cuda)}, and the newest host image of SageMaker, {newest['ami']}, "
        f"runs {newest['cuda']}: take an older base."
    )


def inference_ami_problem(image: ContainerImage, ami: str) -> str | None:
    """A host image whose driver is too old: the container would die before its first log line."""
    rows = {row["ami"]: row for row in table()["inference_amis"]["newest_cuda"]}
    if ami not in rows:
        return f"must be one of {', '.join(rows)}"
    if image.cuda is None or image.cuda <= _version(rows[ami]["cuda"]):
        return None
    return (
        f"must be {inference_ami_version(image)}, or left out: image {image.name!r} has CUDA {_text(image.cuda)}, and "
        f"driver {rows[ami]['driver']} of {ami} runs {rows[ami]['cuda']} at most"
    )


def serving_problem(training: ContainerImage, serving: ContainerImage) -> str | None:
    """A serving image whose transformers is of an older major version than that which saves the models."""
    trained, served = training.transformers, serving.transformers
    if not trained or not served or _version(served)[0] >= _version(trained)[0]:
        return None
    return (
        f"must be an image with transformers {_version(trained)[0]} or later: {training.name!r} saves models with "
        f"{trained}, which {served} of {serving.name!r} cannot load"
    )


def toolkit_problem(image: ContainerImage) -> str | None:
    """transformers 5 in an image whose inference toolkit cannot import it."""
    if image.product != "inference" or not image.transformers or not image.toolkit:
        return None
    row = table()["inference_toolkit"]
    if _version(image.transformers)[0] < 5 or _version(image.toolkit) > _version(row["newest_without_5"]):
        return None
    return (
        f"must be transformers 4.x, or have a base with transformers 5: {row['distribution']} {image.toolkit} of image "
        f"{image.name!r} cannot import transformers {image.transformers}"
    )


def task_problem(product: Product, task: str) -> str | None:
    """A task that the image's server does not serve, as far as that is known."""
    row = table()["tei_tasks"]
    if product != "tei" or task in row["tasks"]:
        return None
    return (
        f"must be one of {', '.join(row['tasks'])}: TEI serves embeddings, rerankers and sequence classification; or "
        "take an inference image, which serves every task of transformers"
    )


def isolation_problems(
    *, isolated: bool, leaves_vpc: bool, environment: Mapping[str, str], files: Iterable[str] = ()
) -> list[str]:
    """What needs the internet when the container starts, and cannot have it.

    isolated: EnableNetworkIsolation. leaves_vpc: a container without isolation gets out of its network.
    environment: variables of the container; a model given by its path is one that SageMaker brought.
    files: names of the files beside the model or the training code.
    """
    if leaves_vpc and not isolated:
        return []
    reason = "network isolation lets nothing out" if isolated else "nothing leaves the network with its egress mode"
    row = table()["isolation"]
    return [
        f"{name} must not be set: {reason}, so the model has to come from S3 (mirror it, or register a trained one)"
        for name in row["variables"]
        if name in environment and not environment[name].startswith("/")
    ] + [
        f"{name} must not be there: {reason}, so what it names has to be in the image (`requirements` of the image)"
        for name in row["files"]
        if name in files
    ]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _text(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
