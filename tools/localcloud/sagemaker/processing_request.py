"""CreateProcessingJob requests: what AWS refuses, and what can only be done there."""

from typing import Any

from moto.sagemaker.exceptions import ValidationError

from localcloud.sagemaker.job_request import check_shape, name_problems

ROOT = "/opt/ml/processing/"
_DAY = 24 * 3600


def check(request: dict[str, Any]) -> None:
    """ValidationError: all problems of the request, in one message."""
    check_shape("CreateProcessingJob", request)
    problems = [
        *name_problems("ProcessingJobName", request["ProcessingJobName"]),
        *(problem for each in inputs(request) for problem in _input_problems(each)),
        *(problem for each in outputs(request) for problem in _output_problems(each)),
    ]
    instances = request["ProcessingResources"]["ClusterConfig"].get("InstanceCount", 1)
    if instances != 1:
        problems.append(f"InstanceCount {instances}: the embedded AWS runs one instance per job")
    if problems:
        raise ValidationError("; ".join(problems))


def max_runtime(request: dict[str, Any]) -> int:
    """Seconds; AWS's default is a day."""
    return int((request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds") or _DAY)


def inputs(request: dict[str, Any]) -> list[dict[str, Any]]:
    return request.get("ProcessingInputs") or []


def outputs(request: dict[str, Any]) -> list[dict[str, Any]]:
    return (request.get("ProcessingOutputConfig") or {}).get("Outputs") or []


def _input_problems(given: dict[str, Any]) -> list[str]:
    name, source = given["InputName"], given.get("S3Input")
    if not source or given.get("AppManaged"):
        return [f"input {name!r}: the embedded AWS has inputs from S3 only"]
    problems = _path_problems(f"input {name!r}", source.get("LocalPath"))
    if source["S3DataType"] != "S3Prefix" or source.get("S3InputMode", "File") != "File":
        problems.append(f"input {name!r}: the embedded AWS has S3DataType S3Prefix and S3InputMode File only")
    return problems


def _output_problems(given: dict[str, Any]) -> list[str]:
    name, target = given["OutputName"], given.get("S3Output")
    if not target or given.get("AppManaged"):
        return [f"output {name!r}: the embedded AWS has outputs to S3 only"]
    return _path_problems(f"output {name!r}", target.get("LocalPath"))


def _path_problems(what: str, path: str | None) -> list[str]:
    if path and path.startswith(ROOT) and ".." not in path.split("/"):
        return []
    return [f"{what}: LocalPath is {path!r}, and must be an absolute path that begins with {ROOT}"]
