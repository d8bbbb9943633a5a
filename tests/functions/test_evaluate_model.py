"""The gate before the registry."""

from typing import Any

import pytest

from evaluate_model.handler import handle
from evaluate_model.logic import MetricMissing, ModelMissing
from evaluate_model.scores import ScoresUnreadable


def _job(**metrics: float) -> dict[str, Any]:
    return {
        "TrainingJobName": "dev-sentiment-1-spot",
        "TrainingTimeInSeconds": 200,
        "BillableTimeInSeconds": 60,
        "EnableManagedSpotTraining": True,
        "ModelArtifacts": {"S3ModelArtifacts": "s3://models/trained/x/output/model.tar.gz"},
        "FinalMetricDataList": [{"MetricName": name, "Value": value} for name, value in metrics.items()],
    }


def _evaluate(minimum: float, scores: str | None = None, **metrics: float) -> dict[str, Any]:
    gate = {"metric": "eval_accuracy", "minimum": minimum}
    event = {
        "evaluation": gate | ({"scores": scores} if scores else {}),
        "training": _job(**metrics),
        "image": "whisper",
        "request": {},
        "execution": "arn:aws:states:us-east-1:123456789012:execution:machine:run-1",
        "registry": {"environment": "dev", "job_type": "text", "metric": "eval_accuracy"},
    }
    return handle(event, None)


@pytest.mark.parametrize(("value", "passed"), [(0.81, True), (0.8, True), (0.79, False)])
def test_a_model_passes_when_it_reaches_the_minimum(value: float, passed: bool) -> None:
    assert _evaluate(0.8, eval_accuracy=value)["evaluation"]["passed"] is passed


def test_the_cost_of_the_run_is_told() -> None:
    training = _evaluate(0, eval_accuracy=1)["training"]
    assert (training["training_seconds"], training["billable_seconds"], training["savings_percent"]) == (200, 60, 70.0)


def test_a_missing_metric_says_which_there_were() -> None:
    with pytest.raises(MetricMissing, match=r"no metric 'eval_accuracy'.*It reported loss"):
        _evaluate(0, loss=1.0)


@pytest.mark.parametrize("left", [{}, {"ModelArtifacts": {}}])
def test_a_job_that_left_no_model_is_told(left: dict[str, Any]) -> None:
    job = {name: value for name, value in _job(eval_accuracy=1.0).items() if name != "ModelArtifacts"} | left
    with pytest.raises(ModelMissing, match="SM_MODEL_DIR"):
        handle({"evaluation": {"metric": "eval_accuracy", "minimum": 0}, "training": job, "image": "whisper"}, None)


def test_what_a_model_did_on_data_outweighs_what_its_job_said() -> None:
    judged = _evaluate(0.8, '{"eval_accuracy": 0.7, "eval_rows": 16}', eval_accuracy=0.9)
    assert judged["evaluation"]["passed"] is False
    assert judged["evaluation"]["metrics"] == {"eval_accuracy": 0.7, "eval_rows": 16}
    assert judged["registration"]["metadata"]["eval_accuracy"] == "0.7"


@pytest.mark.parametrize("said", ["all is well", "[1]", '{"eval_accuracy": "good"}', '{"eval_accuracy": true}'])
def test_scores_that_are_no_numbers_are_refused(said: str) -> None:
    with pytest.raises(ScoresUnreadable, match="no JSON object of metric"):
        _evaluate(0.8, said, eval_accuracy=0.9)
