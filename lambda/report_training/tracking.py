"""What MLflow gets to know of a run: one MLflow run per execution, its parameters, metrics and tags.

A redriven execution is the same run, which then has another end. Unlike a report this holds what the run was asked for:
who may read it is for the tracking server's permissions to say.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from report_training.logic import without_secrets
from report_training.tracking_server import TrackingError, TrackingServer

EXECUTION_TAG = "hf-sagemaker.execution"
_STATUSES = {"SUCCEEDED": "FINISHED", "ABORTED": "KILLED"}
_FIELDS = (
    "distribution",
    "enable_network_isolation",
    "entry_point",
    "image",
    "input_mode",
    "instance_count",
    "instance_type",
    "max_run",
    "max_wait",
    "model",
    "use_spot_instances",
    "volume_size",
)
"""Of a request, that may make a difference for the model. Hyperparameters are besides; data and code are tags."""
_LONGEST_KEY = 250
_LONGEST_VALUE = 5000
"""Characters that every storage of MLflow takes."""
_MOST = 100
"""Parameters, and tags, of one call."""
_UNFIT = re.compile(r"[^A-Za-z0-9_./ -]")


def log(
    server: TrackingServer,
    report: Mapping[str, Any],
    execution: Mapping[str, Any],
    jobs: Sequence[Mapping[str, Any]],
    uri: str,
) -> dict[str, Any]:
    """{experiment, run_id}, or {problem}: whatever goes wrong here, the run has ended as it has and is reported.

    report: from `make_report`. execution: DescribeExecution. jobs: DescribeTrainingJob of each. uri: of the report.
    """
    name = f"{report['environment']}-{report['job_type']}"
    try:
        experiment = server.experiment(name)
        run = server.run(experiment, EXECUTION_TAG, report["execution_arn"]) or server.create_run(
            experiment, report["name"], _time(execution["startDate"]), {EXECUTION_TAG: report["execution_arn"]}
        )
        end = _time(execution.get("stopDate") or execution["startDate"])
        server.log(run, metrics(report, jobs, end), parameters(execution), tags(report, execution, jobs, uri))
        server.end_run(run, _STATUSES.get(report["status"], "FAILED"), end)
    except TrackingError as error:
        return {"experiment": name, "problem": str(error)}
    except Exception as error:  # an answer of another shape, for one: no reason to report nothing
        return {"experiment": name, "problem": f"{type(error).__name__}: {error}"}
    return {"experiment": name, "run_id": run}


def metrics(report: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]], end: int) -> list[dict[str, Any]]:
    """The last value of each metric of the last job that has any, and what the run cost."""
    final: list[Any] = next(
        (job["FinalMetricDataList"] for job in reversed(jobs) if job.get("FinalMetricDataList")), []
    )
    found = [(each["MetricName"], each["Value"], each.get("Timestamp")) for each in final]
    totals = {
        "training_seconds": report["training_seconds"],
        "billable_seconds": report["billable_seconds"],
        "savings_percent": report["savings_percent"],
        "interruptions": report["interruptions"],
        "steps_lost": report["steps_lost"],
        "cost_usd": report["money"].get("cost"),
    }
    found += [(f"run/{name}", value, None) for name, value in totals.items() if value is not None]
    return [
        {"key": _key(name), "value": float(value), "timestamp": _time(when) if when else end, "step": 0}
        for name, value, when in found
        if math.isfinite(value)
    ]


def parameters(execution: Mapping[str, Any]) -> dict[str, str]:
    """Hyperparameters by their own names, and of the other fields of the request those that may matter."""
    request = _request(execution)
    given = request.get("hyperparameters")
    found: dict[str, Any] = dict(given) if isinstance(given, dict) else {}
    found |= {f"request/{name}": request[name] for name in _FIELDS if name in request}
    return _fitting(found)


def tags(
    report: Mapping[str, Any], execution: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]], uri: str
) -> dict[str, str]:
    """Which execution and jobs it was, with which image, data and code, and what came out."""
    job = jobs[-1] if jobs else {}
    code = _code(execution)
    found = {
        EXECUTION_TAG: report["execution_arn"],
        "mlflow.source.type": "JOB",
        "mlflow.source.name": code.get("git-repository") or job.get("TrainingJobName"),
        "mlflow.source.git.commit": code.get("git-commit"),
        "hf-sagemaker.environment": report["environment"],
        "hf-sagemaker.job_type": report["job_type"],
        "hf-sagemaker.status": report["status"],
        "hf-sagemaker.error": report["error"],
        "hf-sagemaker.redrives": report["redrives"],
        "hf-sagemaker.training_jobs": ", ".join(each["TrainingJobName"] for each in jobs),
        "hf-sagemaker.image": (job.get("AlgorithmSpecification") or {}).get("TrainingImage"),
        "hf-sagemaker.model": (job.get("ModelArtifacts") or {}).get("S3ModelArtifacts"),
        "hf-sagemaker.model_package": report["model_package_arn"],
        "hf-sagemaker.report": uri,
    }
    found |= {f"hf-sagemaker.channel.{name}": place for name, place in _channels(job).items()}
    return _fitting({name: value for name, value in found.items() if value not in (None, "")})


def _code(execution: Mapping[str, Any]) -> dict[str, str]:
    """Repository and commit: those that were trained, or of a run that failed those that the request names."""
    done = json.loads(execution.get("output") or "{}")
    if isinstance(done, dict) and done.get("code"):
        return dict(done["code"])
    git = _request(execution).get("git_config")
    named = {"git-repository": git.get("repo"), "git-commit": git.get("commit")} if isinstance(git, dict) else {}
    return {name: str(value) for name, value in named.items() if value}


def _channels(job: Mapping[str, Any]) -> dict[str, str]:
    """Name → where its data came from."""
    found = {}
    for channel in job.get("InputDataConfig") or ():
        source = channel["DataSource"]
        mounted = source.get("FileSystemDataSource")
        found[channel["ChannelName"]] = (
            f"{mounted['FileSystemId']}:{mounted['DirectoryPath']}" if mounted else source["S3DataSource"]["S3Uri"]
        )
    return found


def _request(execution: Mapping[str, Any]) -> dict[str, Any]:
    """Whatever somebody started the execution with: it may be no training request."""
    request = json.loads(execution.get("input") or "{}")
    return request if isinstance(request, dict) else {}


def _fitting(values: Mapping[str, Any]) -> dict[str, str]:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    some = list(texts.items())[:_MOST]
    return {_key(name): without_secrets(text)[:_LONGEST_VALUE] for name, text in some}


def _key(name: str) -> str:
    return _UNFIT.sub("_", name)[:_LONGEST_KEY]


def _time(when: datetime) -> int:
    return int(when.timestamp() * 1000)
