"""Data that a job of its own prepares before training: what that job reads and writes, and what training then gets."""

from typing import Any

from validate_training_request.channels import CODE_CHANNEL, MODEL_CHANNEL, channels, input_mode, model_folder
from validate_training_request.file_systems import is_file_system

_OWN = ("train", "test")
"""The channels that the image's own script prepares."""
_PASSED_ON = ("max_length", "vocab_size")
"""Hyperparameters of training that tokenising depends on."""
_MOST_INPUTS = 10
_LONGEST_ARGUMENT = 256
"""Characters that SageMaker takes."""
_FOLDER = "/opt/ml/processing/input"


def prepared(request: dict[str, Any]) -> list[str]:
    """The channels that are prepared. Empty where the request asks for no preparation."""
    given = request.get("preparation")
    if given is None:
        return []
    others = [name for name in channels(request) if name not in (MODEL_CHANNEL, CODE_CHANNEL)]
    return given.get("channels") or (others if "entry_point" in given else [name for name in others if name in _OWN])


def preparation_of(
    request: dict[str, Any], output: str, job_name: str, models_bucket: str, code: str | None
) -> dict[str, Any]:
    """What the states read: {inputs, arguments, s3_output, job_name}.

    output: S3 prefix of what is prepared, of this run alone. job_name: before the number of redrives.
    code: S3 URI of the source archive, None for the image's own code.
    """
    given, named = request["preparation"], channels(request)
    places = {name: named[name]["s3_data"] for name in prepared(request)}
    if MODEL_CHANNEL in named:
        places[MODEL_CHANNEL] = named[MODEL_CHANNEL]["s3_data"]
    elif folder := model_folder(request):
        places[MODEL_CHANNEL] = f"s3://{models_bucket}/{folder}"
    if code and "entry_point" in given:
        places[CODE_CHANNEL] = code
    return {
        "inputs": [_input(name, uri) for name, uri in places.items()],
        "arguments": _arguments(request),
        "s3_output": output,
        "job_name": job_name,
    }


def preparation_problems(request: dict[str, Any], *, processing: bool) -> list[str]:
    """What could not be prepared. processing: whether the job type has jobs before training."""
    given = request.get("preparation")
    if given is None or "channels" not in request:
        return []
    named, found = channels(request), []
    if not processing:
        found.append("this job type has no instances to prepare data on: settings processing_instance_type")
    for name in prepared(request):
        if name not in named:
            found.append(f"channels names {name!r}, which is not among the channels: {', '.join(named)}")
            continue
        if "entry_point" not in given and name not in _OWN:
            found.append(f"the image's own script prepares {' and '.join(_OWN)}, not {name}: bring an entry_point")
        if named[name].keys() - {"s3_data", "input_mode"} or input_mode(request, named[name]) == "Pipe":
            found.append(f"channels.{name} must be an S3 prefix, with input_mode File or FastFile")
    if MODEL_CHANNEL in named and is_file_system(named[MODEL_CHANNEL]):
        found.append(f"channels.{MODEL_CHANNEL} is a file system, and the job that prepares data reads S3 only")
    if "train" not in prepared(request):
        found.append("its channels must hold 'train'")
    if "entry_point" in given and not {"source_dir", "git_config"} & set(request):
        found.append("entry_point needs source_dir or git_config, where that file is")
    if len(prepared(request)) > _MOST_INPUTS - 2:
        found.append(f"it has {len(prepared(request))} channels, and {_MOST_INPUTS - 2} are the most")
    if long := [word for word in _arguments(request) if len(word) > _LONGEST_ARGUMENT]:
        found.append(f"{long[0][:40]!r}… has {len(long[0])} characters, and an argument may have {_LONGEST_ARGUMENT}")
    return [f"preparation: {problem}." for problem in found]


def _arguments(request: dict[str, Any]) -> list[str]:
    """Of the script: `--name value`, as a training script gets its hyperparameters."""
    given = request["preparation"]
    of_training = {name: value for name, value in request.get("hyperparameters", {}).items() if name in _PASSED_ON}
    values = {**of_training, **given.get("hyperparameters", {})}
    words = ["--channels", ",".join(prepared(request))]
    if "entry_point" in given:
        words += ["--entry_point", given["entry_point"]]
    for name, value in values.items():
        words += [f"--{name}", str(value).lower() if isinstance(value, bool) else str(value)]
    return words


def _input(name: str, uri: str) -> dict[str, Any]:
    """One of `ProcessingInputs`."""
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"{_FOLDER}/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
        },
    }
