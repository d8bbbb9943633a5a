"""CreateTrainingJob requests: what AWS refuses, and what can only be done there."""

from typing import Any

from moto.sagemaker.exceptions import ValidationError

from localcloud.sagemaker.job_request import check_shape, name_problems

LARGEST_HYPERPARAMETER = 2500  # characters of one value
MOST_INSTANCES = 8  # all of them are on this machine


def check(request: dict[str, Any]) -> None:
    """ValidationError: all problems of the request, in one message."""
    check_shape("CreateTrainingJob", request)
    problems = [
        *name_problems("TrainingJobName", request["TrainingJobName"]),
        *_time_problems(request),
        *_hyperparameter_problems(request.get("HyperParameters") or {}),
        *_channel_problems(request.get("InputDataConfig") or []),
        *_mount_problems(request),
        *_local_problems(request),
    ]
    if problems:
        raise ValidationError("; ".join(problems))


def max_runtime(request: dict[str, Any]) -> int:
    """Seconds; AWS's default is a day."""
    return int((request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds") or 86400)


def _time_problems(request: dict[str, Any]) -> list[str]:
    wait = (request.get("StoppingCondition") or {}).get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining"):
        return ["MaxWaitTimeInSeconds above 0 needs EnableManagedSpotTraining"] if wait else []
    if wait is None or wait < max_runtime(request):
        return [
            f"Invalid MaxWaitTimeInSeconds ({wait}). It must be present and be greater than or equal to "
            f"MaxRuntimeInSeconds ({max_runtime(request)})"
        ]
    return []


def _hyperparameter_problems(values: dict[str, str]) -> list[str]:
    problems = [
        f"hyperparameter {name!r} has {len(value)} characters, at most {LARGEST_HYPERPARAMETER} are allowed"
        for name, value in values.items()
        if len(value) > LARGEST_HYPERPARAMETER
    ]
    if len(values) > 100:
        problems.append(f"{len(values)} hyperparameters, at most 100 are allowed")
    return problems


def _channel_problems(channels: list[dict[str, Any]]) -> list[str]:
    names = [channel["ChannelName"] for channel in channels]
    return [f"channel {name!r} is given twice" for name in sorted(set(names)) if names.count(name) > 1]


def _mount_problems(request: dict[str, Any]) -> list[str]:
    """A file system is reached from inside the VPC, and mounted as it is."""
    mounted = [
        channel for channel in request.get("InputDataConfig") or [] if channel["DataSource"].get("FileSystemDataSource")
    ]
    problems = [
        f"channel {channel['ChannelName']!r}: a FileSystemDataSource needs InputMode File"
        for channel in mounted
        if channel.get("InputMode", "File") != "File"
    ]
    if mounted and not request.get("VpcConfig"):
        problems.append("VpcConfig is required where a channel has a FileSystemDataSource")
    return problems + [
        f"channel {channel['ChannelName']!r}: give one of S3DataSource and FileSystemDataSource"
        for channel in mounted
        if channel["DataSource"].get("S3DataSource")
    ]


def _local_problems(request: dict[str, Any]) -> list[str]:
    """What AWS can do and the embedded one cannot: better said than half done."""
    problems = []
    algorithm = request["AlgorithmSpecification"]
    if not algorithm.get("TrainingImage"):
        problems.append("AlgorithmSpecification.TrainingImage is required: the embedded AWS has no built-in algorithms")
    if algorithm["TrainingInputMode"] != "File":
        problems.append(f"TrainingInputMode {algorithm['TrainingInputMode']}: the embedded AWS has File only")
    instances = request["ResourceConfig"].get("InstanceCount", 1)
    if instances > MOST_INSTANCES:
        problems.append(f"InstanceCount {instances}: the embedded AWS runs {MOST_INSTANCES} instances per job at most")
    for channel in request.get("InputDataConfig") or []:
        if channel["DataSource"].get("FileSystemDataSource"):
            continue
        source = channel["DataSource"].get("S3DataSource") or {}
        kind, mode = source.get("S3DataType"), channel.get("InputMode", "File")
        if (
            kind not in ("S3Prefix", "ManifestFile")
            or mode == "Pipe"
            or channel.get("CompressionType", "None") != "None"
        ):
            problems.append(
                f"channel {channel['ChannelName']!r}: the embedded AWS has S3DataType S3Prefix and ManifestFile, "
                "InputMode File and FastFile (whose files are there before the job begins), CompressionType None only"
            )
    return problems
