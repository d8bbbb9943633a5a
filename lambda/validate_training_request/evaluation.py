"""How the trained model is judged: by the job's own metrics, or by those of a job that lets it answer on data."""

from typing import Any

from validate_training_request.channels import channels
from validate_training_request.file_systems import is_file_system

SCORES = ("eval_accuracy", "eval_loss", "eval_rows", "majority_baseline")
"""What the image's own evaluation says of a model: runtime/training/score_model.py, with which a test compares it."""


def evaluation_of(request: dict[str, Any], gate: dict[str, Any], job_name: str) -> dict[str, Any]:
    """{metric, minimum}, and of a request that names data also `s3_data` and `job_name`, of the job that reads it.

    gate: the job type's metric and minimum. job_name: how that job is called, before the number of redrives.
    """
    given = request.get("evaluation", {})
    judged = {name: given.get(name, gate.get(name)) for name in ("metric", "minimum")}
    data = _data(request)
    return judged | ({"s3_data": data, "job_name": job_name} if data else {})


def evaluation_problems(
    request: dict[str, Any], gate: dict[str, Any], metrics: list[str], *, processing: bool
) -> list[str]:
    """Why the gate could not be held against anything.

    metrics: names that the job's definitions have. processing: whether the job type has jobs after training.
    """
    given = request.get("evaluation", {})
    metric = given.get("metric", gate.get("metric"))
    found = []
    if given.keys() & {"channel", "s3_data"}:
        if not processing:
            found.append(
                "evaluation names data, and this job type has no instances to evaluate on: settings "
                "processing_instance_type."
            )
        if metric not in SCORES:
            found.append(
                f"evaluation.metric is {metric!r}; evaluated on data, a model has the metrics {', '.join(SCORES)}."
            )
    elif metric not in metrics:
        found.append(
            f"evaluation.metric is {metric!r}, which is not among the metric definitions: {', '.join(metrics)}."
        )
    if {"channel", "s3_data"} <= given.keys():
        found.append("evaluation.channel and evaluation.s3_data are both given: each is the data to evaluate on.")
    if (name := given.get("channel")) and "channels" in request:
        channel = channels(request).get(name)
        if channel is None:
            known = ", ".join(channels(request))
            found.append(f"evaluation.channel is {name!r}, which is not among the channels: {known}.")
        elif is_file_system(channel):
            found.append(f"evaluation.channel is {name!r}, a file system: a model is evaluated on data in S3.")
        elif channel.get("s3_data_type", "S3Prefix") != "S3Prefix":
            found.append(f"evaluation.channel is {name!r}, whose s3_data_type must be S3Prefix.")
    return found


def _data(request: dict[str, Any]) -> str | None:
    given = request.get("evaluation", {})
    if name := given.get("channel"):
        return str(channels(request)[name]["s3_data"])
    data: str | None = given.get("s3_data")
    return data
