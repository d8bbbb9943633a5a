"""The channels of a training request: from where a job's data comes, and how."""

import re
from collections.abc import Mapping
from typing import Any

from validate_training_request.fields import MIRRORED_MODEL
from validate_training_request.file_systems import FileSystems, data_source, is_file_system

CODE_CHANNEL = "code"
"""The source archive arrives as a channel, so that a job needs no network to fetch its code."""
MODEL_CHANNEL = "model"
"""The model to start from arrives as a channel too."""
MIRROR_PREFIX = "hub/"
"""Where models of the Hub lie in the models bucket."""
_MIRRORED = re.compile(rf"^({MIRROR_PREFIX}[^/]+/[0-9a-f]{{40}})/")

Channel = dict[str, Any]


def channels(request: dict[str, Any]) -> dict[str, Channel]:
    """By name, each with `s3_data`, as the SDK's TrainingInput has it, or as its FileSystemInput."""
    named = request.get("channels", {})
    return {name: {"s3_data": each} if isinstance(each, str) else each for name, each in named.items()}


def places(request: dict[str, Any]) -> dict[str, str]:
    """Field → S3 URI, of all that the job reads."""
    found = {
        f"channels.{name}" + ("" if isinstance(request["channels"][name], str) else ".s3_data"): each["s3_data"]
        for name, each in channels(request).items()
        if not is_file_system(each)
    }
    source = request.get("source_dir", "")
    if data := request.get("evaluation", {}).get("s3_data"):
        found["evaluation.s3_data"] = data
    return {**found, **({"source_dir": source} if source.startswith("s3://") else {})}


def channel_problems(request: dict[str, Any]) -> list[str]:
    """What SageMaker would refuse, or the script not find."""
    found = []
    if "train" not in request.get("channels", {"train": ""}):
        found.append("channels must hold 'train'.")
    if CODE_CHANNEL in request.get("channels", {}):
        found.append(f"channels must not hold {CODE_CHANNEL!r}: the training code becomes that channel.")
    if MODEL_CHANNEL in request.get("channels", {}) and "model" in request:
        found.append(f"model and channels.{MODEL_CHANNEL} are both given: each is the model to start from.")
    for name, channel in channels(request).items():
        if is_file_system(channel):
            continue
        found += [f"channels.{name}{problem}" for problem in _problems(channel, input_mode(request, channel), request)]
    return found


def _problems(channel: Channel, mode: str, request: dict[str, Any]) -> list[str]:
    found = []
    augmented = channel.get("s3_data_type") == "AugmentedManifestFile"
    if augmented and mode != "Pipe":
        found.append(f".s3_data_type is AugmentedManifestFile, which needs input_mode Pipe, and this is {mode}.")
    if augmented != ("attribute_names" in channel):
        found.append(".attribute_names and s3_data_type AugmentedManifestFile need each other.")
    if "record_wrapping" in channel and mode != "Pipe":
        found.append(f".record_wrapping needs input_mode Pipe, and this is {mode}.")
    if mode == "Pipe" and "entry_point" not in request:
        found.append(
            " has input_mode Pipe, and the image's own code reads files: take File or FastFile, or bring code."
        )
    return found


def bucket_problems(request: dict[str, Any], readable: list[str]) -> list[str]:
    """A job on a foreign bucket would be refused by S3 or KMS, minutes later and without saying which rule did it.

    readable: names of buckets, first the one for uploads.
    """
    return [
        f"{field} is {uri!r}, and the training role may not read that bucket. Upload to "
        f"s3://{readable[0]}/, or have the platform team add the bucket, and the key that encrypts it, to "
        "data.read_only_buckets in the environment's settings."
        for field, uri in places(request).items()
        if uri.split("/")[2] not in readable
    ]


def mirror_problems(request: dict[str, Any], models_bucket: str) -> list[str]:
    """Models of the Hub are read one by one: only of a commit can be told whether it is there whole."""
    models = f"s3://{models_bucket}/"
    return [
        f"{field} is {uri!r}, which is no model of the mirror: it must be "
        f"{models}{MIRROR_PREFIX}<namespace>--<name>/<commit>/, with the slash at its end. The field model writes that "
        "for you."
        for field, uri in places(request).items()
        if uri.startswith(models + MIRROR_PREFIX) and not _MIRRORED.match(uri.removeprefix(models))
    ]


def manifest_of(uri: str, models_bucket: str) -> str | None:
    """The key of the manifest of the mirrored model that the URI means; None where it means something else."""
    match = _MIRRORED.match(uri.removeprefix(f"s3://{models_bucket}/"))
    return f"{match[1]}.json" if match else None


def input_data(
    request: dict[str, Any],
    models_bucket: str,
    code: str | None,
    prepared: Mapping[str, str],
    file_systems: FileSystems,
) -> list[dict[str, Any]]:
    """`InputDataConfig`.

    code: S3 URI of the source archive, None for the image's own code. prepared: channel → S3 prefix, of those that a
    job before prepares. file_systems: those that channels may name.
    """
    found = [
        _mounted(name, each, file_systems)
        if is_file_system(each)
        else _channel(name, each | {"s3_data": prepared.get(name, each["s3_data"])}, input_mode(request, each))
        for name, each in channels(request).items()
    ]
    if folder := model_folder(request):
        found.append(_channel(MODEL_CHANNEL, {"s3_data": f"s3://{models_bucket}/{folder}"}, "File"))
    if code:
        found.append(_channel(CODE_CHANNEL, {"s3_data": code}, "File"))
    return found


def model_folder(request: dict[str, Any]) -> str | None:
    """Where the mirrored model to start from lies in the models bucket. None: the field names none."""
    match = MIRRORED_MODEL.match(request.get("model", ""))
    return f"{MIRROR_PREFIX}{match['id'].replace('/', '--')}/{match['commit']}/" if match else None


def input_mode(request: dict[str, Any], channel: Channel) -> str:
    """How a channel's data comes."""
    return str(channel.get("input_mode") or request.get("input_mode", "File"))


def _channel(name: str, channel: Channel, mode: str) -> dict[str, Any]:
    source = {
        "S3DataType": channel.get("s3_data_type", "S3Prefix"),
        "S3Uri": channel["s3_data"],
        "S3DataDistributionType": channel.get("distribution", "FullyReplicated"),
    }
    if "attribute_names" in channel:
        source["AttributeNames"] = channel["attribute_names"]
    made = {"ChannelName": name, "InputMode": mode, "DataSource": {"S3DataSource": source}}
    if "content_type" in channel:
        made["ContentType"] = channel["content_type"]
    if "record_wrapping" in channel:
        made["RecordWrapperType"] = channel["record_wrapping"]
    return made


def _mounted(name: str, channel: Channel, file_systems: FileSystems) -> dict[str, Any]:
    """A file system is mounted, which SageMaker calls File, whatever the request's `input_mode` is for S3."""
    made = {"ChannelName": name, "InputMode": "File", "DataSource": data_source(channel, file_systems)}
    return {**made, **({"ContentType": channel["content_type"]} if "content_type" in channel else {})}
