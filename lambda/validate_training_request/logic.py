"""The training request: what it may say, and the training job that follows from it.

Everything that decides who may do what (roles, network, keys, image) is absent here on purpose: the state machine holds
it as constants that no request can reach.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from validate_training_request import distribution
from validate_training_request.fields import FIELDS, MIRRORED_MODEL, is_s3_uri, problems_of_fields
from validate_training_request.precision import precision_problems

Request = dict[str, Any]

CODE_CHANNEL = "code"
"""The source archive arrives as a channel, so that a job needs no network to fetch its code."""
MODEL_CHANNEL = "model"
"""The model to start from arrives as a channel too."""
MIRROR_PREFIX = "hub/"
"""Where models of the Hub lie in the models bucket."""
_MIRRORED = re.compile(rf"^({MIRROR_PREFIX}[^/]+/[0-9a-f]{{40}})/")
_CODE_ARCHIVE = "/opt/ml/input/data/code/sourcedir.tar.gz"
_TOKEN = re.compile(r"\b(hf_[A-Za-z0-9]{30,}|AKIA[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,})\b")


_LARGEST_REQUEST = 24 * 1024
"""Bytes as JSON. An execution carries 256 KiB at most, and a request up to six times: as its input, in the job made of
it, in the job's description; where the job fails, in the error, in its text, and in what is read of that."""
_LONGEST_NAME = 40
"""Characters of a job's name before what tells executions, attempts and redrives apart: SageMaker takes 63."""


class InvalidTrainingRequest(ValueError):  # noqa: N818 (the name is what people see in the console)
    """The request cannot become a training job; the text names every field that is wrong, and why."""


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What the environment decides for a job type; the state machine passes it.

    image: name of the image for a request that names none.
    images: name of an image that a request may name → name of the parameter with its digest.
    unfit_images: name of one that it may not name → why, in a sentence.
    instance_types: allowed type → whether its volume takes a KMS key.
    checkpoints: whether jobs keep any; without them spot is refused.
    checkpoints_bucket: bucket name; a job's checkpoints stay below it.
    data_buckets, models_bucket: names of the buckets that a job may read.
    volume_key: ARN of the key for storage volumes.
    data_parallel_images: names of those of `images` that carry SageMaker's data-parallel library.
    precision: what the GPUs of which instance types lack, see `precision`.
    """

    job_type: str
    environment: str
    image: str
    images: dict[str, str]
    unfit_images: dict[str, str]
    instance_type: str
    instance_types: dict[str, bool]
    max_instance_count: int
    volume_size: int
    use_spot_instances: bool
    checkpoints: bool
    max_run: int
    max_wait: int
    metric_definitions: list[dict[str, str]]
    evaluation: dict[str, Any]
    checkpoints_bucket: str
    data_buckets: list[str]
    models_bucket: str
    volume_key: str
    data_parallel_images: list[str] = field(default_factory=list)
    precision: list[dict[str, Any]] = field(default_factory=list)


def training_job(request: Request, defaults: Defaults, execution_id: str) -> dict[str, Any]:
    """The members of CreateTrainingJob that a request decides, plus the names under which they run.

    execution_id: ARN of the execution; job names and checkpoints are derived from it, so that a retry means the same
    job and another execution another one.

    Raises InvalidTrainingRequest with all problems at once.
    """
    if problems := find_problems(request, defaults):
        raise InvalidTrainingRequest("The training request was refused, no job was started. " + " ".join(problems))
    lineage = hashlib.sha256(execution_id.encode()).hexdigest()[:12]
    name = f"{defaults.environment}-{request['name']}"[:_LONGEST_NAME].rstrip("-") + f"-{lineage}"
    image = request.get("image", defaults.image)
    instance_type = request.get("instance_type", defaults.instance_type)
    resources = {
        "InstanceType": instance_type,
        "InstanceCount": request.get("instance_count", 1),
        "VolumeSizeInGB": request.get("volume_size", defaults.volume_size),
    }
    if defaults.instance_types[instance_type]:
        resources["VolumeKmsKeyId"] = defaults.volume_key
    return {
        "image": {"name": image, "parameter": defaults.images[image]},
        "spot": request.get("use_spot_instances", defaults.use_spot_instances),
        "spot_job_name": f"{name}-spot",
        "on_demand_job_name": f"{name}-demand",
        "hyper_parameters": _hyper_parameters(request, instance_type),
        "input_data": _input_data(request, defaults),
        "resources": resources,
        "max_run": _max_run(request, defaults),
        "max_wait": _max_wait(request, defaults),
        "checkpoint_s3_uri": request.get("checkpoint_s3_uri")
        or f"s3://{defaults.checkpoints_bucket}/{defaults.job_type}/{name}",
        "metric_definitions": request.get("metric_definitions", defaults.metric_definitions),
        "environment": {**request.get("environment", {}), **_lineage(request, name)},
        "tags": _tags(request, defaults, image),
        "evaluation": {**defaults.evaluation, **request.get("evaluation", {})},
    }


def find_problems(request: object, defaults: Defaults) -> list[str]:
    """One sentence for each thing that is wrong with the request; empty when it can run."""
    if not isinstance(request, dict):
        return [f"The request must be a JSON object, not {json.dumps(request)}."]
    problems = _size(request) + problems_of_fields(request)
    # What follows reads fields that may be of a wrong type, which is told already.
    sound = {name: value for name, value in request.items() if name in FIELDS and FIELDS[name].fits(value)}
    problems += _limits(sound, defaults) + _buckets(sound, defaults) + _mirror(sound, defaults)
    problems += _distribution(request, sound, defaults)
    problems += precision_problems(sound, sound.get("instance_type", defaults.instance_type), defaults.precision)
    return problems + _spot(sound, defaults) + _secrets(sound)


def _size(request: Request) -> list[str]:
    size = len(json.dumps(request))
    if size <= _LARGEST_REQUEST:
        return []
    return [
        f"The request has {size} bytes as JSON, and {_LARGEST_REQUEST} ({_LARGEST_REQUEST // 1024} KiB) are the "
        "most that a run can carry. Put what is long into a file in a channel."
    ]


def _limits(request: Request, defaults: Defaults) -> list[str]:
    found = []
    if (job_type := request.get("job_type", defaults.job_type)) != defaults.job_type:
        found.append(f"job_type is {job_type!r}, but this state machine runs {defaults.job_type!r}.")
    if (image := request.get("image", defaults.image)) not in defaults.images:
        why = f" {defaults.unfit_images[image]}" if image in defaults.unfit_images else ""
        found.append(f"image is {image!r}; this job type allows {', '.join(sorted(defaults.images))}.{why}")
    instance_type = request.get("instance_type", defaults.instance_type)
    if instance_type not in defaults.instance_types:
        allowed = ", ".join(sorted(defaults.instance_types))
        found.append(f"instance_type is {instance_type!r}; this environment allows {allowed}.")
    count = request.get("instance_count", 1)
    if count > defaults.max_instance_count:
        found.append(f"instance_count is {count}; this environment allows at most {defaults.max_instance_count}.")
    if "train" not in request.get("channels", {"train": ""}):
        found.append("channels must hold 'train'.")
    if CODE_CHANNEL in request.get("channels", {}):
        found.append(f"channels must not hold {CODE_CHANNEL!r}: source_dir becomes that channel.")
    metric = {**defaults.evaluation, **request.get("evaluation", {})}.get("metric")
    names = [definition["Name"] for definition in request.get("metric_definitions", defaults.metric_definitions)]
    if MODEL_CHANNEL in request.get("channels", {}) and "model" in request:
        found.append(f"model and channels.{MODEL_CHANNEL} are both given: each is the model to start from.")
    if metric not in names:
        found.append(f"evaluation.metric is {metric!r}, which is not among the metric definitions: {', '.join(names)}.")
    return found


def _places(request: Request) -> dict[str, str]:
    """Field → S3 URI, of all that the job reads."""
    places = {f"channels.{name}": uri for name, uri in request.get("channels", {}).items()}
    return {**places, **({"source_dir": request["source_dir"]} if "source_dir" in request else {})}


def _buckets(request: Request, defaults: Defaults) -> list[str]:
    """A job on a foreign bucket would be refused by S3 or KMS, minutes later and without saying which rule did it."""
    readable = [*defaults.data_buckets, defaults.models_bucket, defaults.checkpoints_bucket]
    return [
        f"{field} is {uri!r}, and the training role may not read that bucket. Upload to "
        f"s3://{defaults.data_buckets[0]}/, or have the platform team add the bucket, and the key that encrypts it, to "
        "data.read_only_buckets in the environment's settings."
        for field, uri in _places(request).items()
        if uri.split("/")[2] not in readable
    ]


def _mirror(request: Request, defaults: Defaults) -> list[str]:
    """Models of the Hub are read one by one: only of a commit can be told whether it is there whole."""
    models = f"s3://{defaults.models_bucket}/"
    return [
        f"{field} is {uri!r}, which is no model of the mirror: it must be "
        f"{models}{MIRROR_PREFIX}<namespace>--<name>/<commit>/, with the slash at its end. The field model writes that "
        "for you."
        for field, uri in _places(request).items()
        if uri.startswith(models + MIRROR_PREFIX) and not _MIRRORED.match(uri.removeprefix(models))
    ]


def _spot(request: Request, defaults: Defaults) -> list[str]:
    found = []
    max_run, max_wait = _max_run(request, defaults), _max_wait(request, defaults)
    if max_wait < max_run:
        found.append(
            f"max_wait is {max_wait} s, below max_run ({max_run} s); it counts waiting and training together, so it "
            "must be at least that."
        )
    uri = request.get("checkpoint_s3_uri")
    if uri and not uri.startswith(f"s3://{defaults.checkpoints_bucket}/"):
        found.append(f"checkpoint_s3_uri is {uri!r}; it must be below s3://{defaults.checkpoints_bucket}/.")
    wants_spot = request.get("use_spot_instances", defaults.use_spot_instances)
    if wants_spot and not defaults.checkpoints:
        found.append("use_spot_instances needs checkpoints, and this job type keeps none (checkpoints: false).")
    if "checkpoint_s3_uri" in request and not uri and wants_spot:
        found.append("use_spot_instances needs checkpoints: leave checkpoint_s3_uri out to get a place for them.")
    return found


def _distribution(request: Request, sound: Request, defaults: Defaults) -> list[str]:
    if "distribution" in request and "distribution" not in sound:
        return []  # its shape is told already
    instance_type = sound.get("instance_type", defaults.instance_type)
    has_library = sound.get("image", defaults.image) in defaults.data_parallel_images
    return distribution.problems(sound.get("distribution"), sound, instance_type, has_library)


def _secrets(request: Request) -> list[str]:
    return [
        f"{field}.{name} looks like an access token. Jobs must read tokens from Secrets Manager, since everybody who "
        "may describe the job can read this."
        for field in ("hyperparameters", "environment")
        for name, value in request.get(field, {}).items()
        if isinstance(value, str) and _TOKEN.search(value)
    ]


def _max_run(request: Request, defaults: Defaults) -> int:
    value: int = request.get("max_run", defaults.max_run)
    return value


def _max_wait(request: Request, defaults: Defaults) -> int:
    # A request that only shortens or lengthens the run keeps the environment's proportion of patience.
    patience = defaults.max_wait / defaults.max_run
    value: int = request.get("max_wait", int(_max_run(request, defaults) * patience))
    return value


def _lineage(request: Request, name: str) -> dict[str, str]:
    """By which a job's code knows whether the checkpoints that it finds are its own."""
    place = "named" if request.get("checkpoint_s3_uri") else "own"
    return {"HF_SAGEMAKER_LINEAGE": name, "HF_SAGEMAKER_CHECKPOINTS": place}


def _hyper_parameters(request: Request, instance_type: str) -> dict[str, str]:
    """As the SageMaker SDK sends them: every value is JSON text, so that the toolkit gets types back."""
    values: dict[str, Any] = dict(request.get("hyperparameters", {}))
    values |= distribution.hyper_parameters(request.get("distribution"), instance_type)
    if "source_dir" in request:
        values["sagemaker_submit_directory"] = _CODE_ARCHIVE
    if "entry_point" in request:
        values["sagemaker_program"] = request["entry_point"]
    return {name: json.dumps(value) for name, value in values.items()}


def mirror_manifests(job: dict[str, Any], defaults: Defaults) -> dict[str, str]:
    """S3 URI of each channel that comes from the mirror of the Hub → the key, in the models bucket, of its manifest.

    job: from `training_job`. A manifest is written when all files of a model are there: without it, it is not whole.
    """
    uris = [channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in job["input_data"]]
    folders = {uri: _MIRRORED.match(uri.removeprefix(f"s3://{defaults.models_bucket}/")) for uri in uris}
    return {uri: f"{match[1]}.json" for uri, match in folders.items() if match}


def _input_data(request: Request, defaults: Defaults) -> list[dict[str, Any]]:
    channels = dict(request["channels"])
    if match := MIRRORED_MODEL.match(request.get("model", "")):
        folder = f"{MIRROR_PREFIX}{match['id'].replace('/', '--')}/{match['commit']}/"
        channels[MODEL_CHANNEL] = f"s3://{defaults.models_bucket}/{folder}"
    if "source_dir" in request:
        channels[CODE_CHANNEL] = request["source_dir"]
    return [
        {
            "ChannelName": name,
            "InputMode": "File",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": uri,
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
        for name, uri in channels.items()
    ]


def _tags(request: Request, defaults: Defaults, image: str) -> list[dict[str, str]]:
    ours = {
        "hf-sagemaker:environment": defaults.environment,
        "hf-sagemaker:job-type": defaults.job_type,
        "hf-sagemaker:image": image,
    }
    return [{"Key": key, "Value": value} for key, value in {**request.get("tags", {}), **ours}.items()]


__all__ = [
    "CODE_CHANNEL",
    "MODEL_CHANNEL",
    "Defaults",
    "InvalidTrainingRequest",
    "find_problems",
    "is_s3_uri",
    "mirror_manifests",
    "training_job",
]
