"""The training request: what it may say, and the training job that follows from it.

Everything that decides who may do what (roles, network, keys, image) is absent here on purpose: the state machine holds
it as constants that no request can reach.
"""

import hashlib
import json
import re
from typing import Any

from validate_training_request import distribution
from validate_training_request.channels import (
    CODE_CHANNEL,
    MODEL_CHANNEL,
    bucket_problems,
    channel_problems,
    input_data,
    manifest_of,
    mirror_problems,
)
from validate_training_request.defaults import Defaults
from validate_training_request.evaluation import evaluation_of, evaluation_problems
from validate_training_request.fields import is_s3_uri, problems_of_fields, sound
from validate_training_request.file_systems import file_system_problems
from validate_training_request.git_code import archive_key, build_variables, git_problems, resolved
from validate_training_request.precision import precision_problems
from validate_training_request.preparation import preparation_of, preparation_problems, prepared
from validate_training_request.tuning import tuning_job, tuning_problems

Request = dict[str, Any]

_CODE_ARCHIVE = "/opt/ml/input/data/code/sourcedir.tar.gz"
_TOKEN = re.compile(r"\b(hf_[A-Za-z0-9]{30,}|AKIA[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,})\b")


_LARGEST_REQUEST = 24 * 1024
"""Bytes as JSON. An execution carries 256 KiB at most, and a request up to six times: as its input, in the job made of
it, in the job's description; where the job fails, in the error, in its text, and in what is read of that."""
_LONGEST_NAME = 40
"""Characters of a job's name before what tells executions, attempts and redrives apart: SageMaker takes 63."""


REFUSED = "The training request was refused, no job was started."


class InvalidTrainingRequest(ValueError):  # noqa: N818 (the name is what people see in the console)
    """The request cannot become a training job; the text names every field that is wrong, and why."""


def training_job(request: Request, defaults: Defaults, execution_id: str, commit: str | None = None) -> dict[str, Any]:
    """The members of CreateTrainingJob that a request decides, plus the names under which they run.

    execution_id: ARN of the execution; job names and checkpoints are derived from it, so that a retry means the same
    job and another execution another one.
    commit: of the code, where it comes from Git; None as long as that is not known. Then the answer has `fetch_code`,
    the variables of the build that brings it, and is no whole job yet.

    Raises InvalidTrainingRequest with all problems at once.
    """
    if problems := find_problems(request, defaults):
        raise InvalidTrainingRequest(f"{REFUSED} " + " ".join(problems))
    request = sound(request)
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
    if "keep_alive_period_in_seconds" in request:
        resources["KeepAlivePeriodInSeconds"] = request["keep_alive_period_in_seconds"]
    archive = _code(request, defaults, commit)
    ready = f"s3://{defaults.checkpoints_bucket}/prepared/{defaults.job_type}/{name}"
    code = resolved(request["git_config"], commit) if commit else {}
    return {
        **({"fetch_code": build_variables(request)} if "git_config" in request and not commit else {}),
        "image": {"name": image, "parameter": defaults.images[image]},
        "spot": request.get("use_spot_instances", defaults.use_spot_instances),
        "spot_job_name": f"{name}-spot",
        "on_demand_job_name": f"{name}-demand",
        "hyper_parameters": _hyper_parameters(request, instance_type),
        "input_data": input_data(
            request,
            defaults.models_bucket,
            archive if _is_for_training(request) else None,
            {each: f"{ready}/{each}/" for each in prepared(request)},
            defaults.file_systems,
        ),
        "resources": resources,
        "max_run": _max_run(request, defaults),
        "max_wait": _max_wait(request, defaults),
        "max_retry_attempts": request.get("max_retry_attempts", 1),
        "enable_network_isolation": request.get("enable_network_isolation", defaults.isolated),
        "checkpoint_s3_uri": request.get("checkpoint_s3_uri")
        or f"s3://{defaults.checkpoints_bucket}/{defaults.job_type}/{name}",
        "metric_definitions": request.get("metric_definitions", defaults.metric_definitions),
        "environment": {**request.get("environment", {}), **_lineage(request, name)},
        "tags": _tags(request, defaults, {"image": image, **code}),
        "code": code,
        "evaluation": evaluation_of(request, defaults.evaluation, f"{name}-score"),
        **(
            {"preparation": preparation_of(request, ready, f"{name}-prep", defaults.models_bucket, archive)}
            if "preparation" in request
            else {}
        ),
        **({"tuning": tuning_job(request, defaults.tuning, lineage)} if "tuning" in request else {}),
    }


def find_problems(request: object, defaults: Defaults) -> list[str]:
    """One sentence for each thing that is wrong with the request; empty when it can run."""
    if not isinstance(request, dict):
        return [f"The request must be a JSON object, not {json.dumps(request)}."]
    problems = _size(request) + problems_of_fields(request)
    # What follows reads only fields that are of the right type: the others are told already.
    fit = sound(request)
    readable = [*defaults.data_buckets, defaults.models_bucket, defaults.checkpoints_bucket]
    problems += _limits(fit, defaults) + channel_problems(fit) + bucket_problems(fit, readable)
    problems += mirror_problems(fit, defaults.models_bucket) + git_problems(fit, defaults.git_repositories)
    problems += file_system_problems(fit, defaults.file_systems) + _distribution(request, fit, defaults)
    problems += precision_problems(fit, fit.get("instance_type", defaults.instance_type), defaults.precision)
    metrics = _metric_names(fit, defaults)
    problems += evaluation_problems(fit, defaults.evaluation, metrics, processing=defaults.processing)
    problems += preparation_problems(fit, processing=defaults.processing)
    problems += tuning_problems(fit, defaults.tuning, metrics)
    return problems + _spot(fit, defaults) + _secrets(fit)


def _metric_names(request: Request, defaults: Defaults) -> list[str]:
    return [definition["Name"] for definition in request.get("metric_definitions", defaults.metric_definitions)]


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
    if defaults.isolated and not request.get("enable_network_isolation", True):
        found.append("enable_network_isolation is false, and this environment gives containers no network.")
    if (seconds := request.get("keep_alive_period_in_seconds", 0)) > defaults.max_keep_alive:
        found.append(
            f"keep_alive_period_in_seconds is {seconds}; this job type allows at most {defaults.max_keep_alive}."
        )
    return found


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
    if wants_spot and "keep_alive_period_in_seconds" in request:
        found.append(
            "keep_alive_period_in_seconds keeps instances on demand only, and this run uses spot: say "
            '"use_spot_instances": false, or leave it out.'
        )
    return found


def _distribution(request: Request, fit: Request, defaults: Defaults) -> list[str]:
    if "distribution" in request and "distribution" not in fit:
        return []  # its shape is told already
    instance_type = fit.get("instance_type", defaults.instance_type)
    has_library = fit.get("image", defaults.image) in defaults.data_parallel_images
    return distribution.problems(fit.get("distribution"), fit, instance_type, has_library)


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
    if ("source_dir" in request or "git_config" in request) and _is_for_training(request):
        values["sagemaker_submit_directory"] = _CODE_ARCHIVE
    if "entry_point" in request:
        values["sagemaker_program"] = request["entry_point"]
    return {name: json.dumps(value) for name, value in values.items()}


def _is_for_training(request: Request) -> bool:
    """Whether the code is training's. Code that only names a file for preparation is that job's alone."""
    return "entry_point" in request or "entry_point" not in request.get("preparation", {})


def mirror_manifests(job: dict[str, Any], defaults: Defaults) -> dict[str, str]:
    """S3 URI of each channel that comes from the mirror of the Hub → the key, in the models bucket, of its manifest.

    job: from `training_job`. A manifest is written when all files of a model are there: without it, it is not whole.
    """
    sources = [channel["DataSource"].get("S3DataSource") for channel in job["input_data"]]
    uris = [source["S3Uri"] for source in sources if source]
    manifests = {uri: manifest_of(uri, defaults.models_bucket) for uri in uris}
    return {uri: key for uri, key in manifests.items() if key}


def code_archive(request: Request, commit: str) -> str:
    """The key, in the models bucket, of the archive of a request's Git code at that commit."""
    return archive_key(request["git_config"], request.get("source_dir", ""), commit)


def _code(request: Request, defaults: Defaults, commit: str | None) -> str | None:
    if commit:
        return f"s3://{defaults.models_bucket}/{code_archive(request, commit)}"
    return request.get("source_dir") if "git_config" not in request else None


def _tags(request: Request, defaults: Defaults, what: dict[str, str]) -> list[dict[str, str]]:
    ours = {
        "hf-sagemaker:environment": defaults.environment,
        "hf-sagemaker:job-type": defaults.job_type,
        **{f"hf-sagemaker:{name}": value for name, value in what.items()},
    }
    return [{"Key": key, "Value": value} for key, value in {**request.get("tags", {}), **ours}.items()]


__all__ = [
    "CODE_CHANNEL",
    "MODEL_CHANNEL",
    "REFUSED",
    "Defaults",
    "InvalidTrainingRequest",
    "code_archive",
    "find_problems",
    "is_s3_uri",
    "mirror_manifests",
    "training_job",
]
