"""Reads a finished training job's metrics and cost, and holds them against the gate."""

from typing import Any

from evaluate_model.scores import read_scores


class MetricMissing(LookupError):  # noqa: N818 (the name is what people see in the console)
    """The training job printed no line that the gate's metric definition matches."""


class ModelMissing(LookupError):  # noqa: N818 (the name is what people see in the console)
    """The training job has completed, and left no model."""


def evaluate(gate: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """What the workflow goes on with.

    gate: {metric, minimum}; the model passes when the metric is at least the minimum. With `scores`, the exit message
        of a job that evaluated the model on data, the metrics are that job's, and not the training job's own.
    job: the answer of DescribeTrainingJob for a completed job.

    Returns {training, evaluation}: `training` {job_name, training_seconds, billable_seconds, savings_percent,
    model_data, spot}, `evaluation` {metric, value, minimum, passed, metrics}.

    Raises MetricMissing and ModelMissing.
    """
    if not job.get("ModelArtifacts", {}).get("S3ModelArtifacts"):
        raise ModelMissing(
            f"training job {job['TrainingJobName']} completed and left no model, so there is nothing to register. Let "
            "the script save it below SM_MODEL_DIR (/opt/ml/model): only what lies there goes to S3. Then start again."
        )
    reported = {metric["MetricName"]: metric["Value"] for metric in job.get("FinalMetricDataList", [])}
    metrics = read_scores(gate["scores"]) if "scores" in gate else reported
    name, minimum = gate["metric"], gate["minimum"]
    if name not in metrics:
        raise MetricMissing(
            f"training job {job['TrainingJobName']} reported no metric {name!r}, so the model cannot be judged. "
            f"It reported {', '.join(sorted(metrics)) or 'none'}. Let the script print a line that the regular "
            "expression of that metric definition matches, or name another metric in evaluation.metric."
        )
    trained, billed = job["TrainingTimeInSeconds"], job["BillableTimeInSeconds"]
    training = {
        "job_name": job["TrainingJobName"],
        "training_seconds": trained,
        "billable_seconds": billed,
        "savings_percent": round(100 * (1 - billed / trained), 1) if trained else 0.0,
        "model_data": job["ModelArtifacts"]["S3ModelArtifacts"],
        "spot": job.get("EnableManagedSpotTraining", False),
    }
    evaluation = {
        "metric": name,
        "value": metrics[name],
        "minimum": minimum,
        "passed": metrics[name] >= minimum,
        "metrics": metrics,
    }
    return {"training": training, "evaluation": evaluation}
