"""What the model registry is told of a trained model."""

import json
import re
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from jsonschema import Draft202012Validator

from evaluate_model.handler import handle
from evaluate_model.model_card import LONGEST_CARD
from tests.functions.model_card_schema import SCHEMA

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:machine:run-1"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/hf-sagemaker/dev/training@sha256:" + "a" * 64
DATA = {
    "train": {"uri": "s3://data/train", "objects": 2, "bytes": 30, "sha256": "b" * 64, "whole": True},
    "test": {"uri": "s3://data/test", "objects": 1, "bytes": 3, "sha256": "c" * 64, "whole": False},
}
# As SageMaker documents the pattern of keys and values, for Python: \w are letters, digits and the underscore.
ALLOWED = re.compile(r"[\w .:/=+\-@]*")


def _event(metrics: dict[str, float] | None = None, **changes: Any) -> dict[str, Any]:
    values = {"eval_accuracy": 0.9} if metrics is None else metrics
    job = {
        "TrainingJobName": "dev-sentiment-1-spot-0",
        "TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/dev-sentiment-1-spot-0",
        "AlgorithmSpecification": {"TrainingImage": IMAGE},
        "HyperParameters": {"epochs": "3"},
        "TrainingTimeInSeconds": 200,
        "BillableTimeInSeconds": 60,
        "EnableManagedSpotTraining": True,
        "ModelArtifacts": {"S3ModelArtifacts": "s3://models/trained/x/output/model.tar.gz"},
        "FinalMetricDataList": [{"MetricName": name, "Value": value} for name, value in values.items()],
    }
    return {
        "evaluation": {"metric": "eval_accuracy", "minimum": 0.5},
        "training": job,
        "image": "training",
        "code": {"repository": "https://github.com/team/code", "commit": "1" * 40},
        "data": DATA,
        "request": {"name": "sentiment", "model": "google-bert/bert-base-uncased@" + "2" * 40},
        "execution": EXECUTION,
        "registry": _rules(),
    } | changes


def _rules(**changes: Any) -> dict[str, Any]:
    rules = {
        "environment": "dev",
        "job_type": "text",
        "metric": "eval_accuracy",
        "reports": "s3://models/reports/text/",
    }
    return rules | changes


def _told(**changes: Any) -> dict[str, Any]:
    registered: dict[str, Any] = handle(_event(**changes), None)["registration"]
    return registered


def _card(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_told(**changes)["card"])
    return content


def _assert_taken(registered: dict[str, Any]) -> None:
    """By SageMaker: the form of the request, the limits of its texts, and the card's schema."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    request = {
        "ModelPackageGroupName": "dev-text",
        "ModelApprovalStatus": registered["approval_status"],
        "ModelPackageDescription": registered["description"],
        "CustomerMetadataProperties": registered["metadata"],
        "ModelCard": {"ModelCardStatus": "Draft", "ModelCardContent": registered["card"]},
    }
    shape = model.operation_model("CreateModelPackage").input_shape
    assert not ParamValidator().validate(request, shape).has_errors()
    metadata = registered["metadata"]
    assert len(metadata) <= 50
    for key, value in metadata.items():
        assert 1 <= len(key) <= 128
        assert ALLOWED.fullmatch(key), key
        assert 1 <= len(value) <= 256
        assert ALLOWED.fullmatch(value), value
    assert len(registered["card"]) <= LONGEST_CARD
    assert not list(Draft202012Validator(SCHEMA).iter_errors(json.loads(registered["card"])))


# --- metadata -----------------------------------------------------------------------------------------------------


def test_the_registry_knows_everything_that_a_model_was_made_of() -> None:
    registered = _told()
    _assert_taken(registered)
    assert registered["metadata"] == {
        "training-job": "dev-sentiment-1-spot-0",
        "training-image": "training",
        "training-image-uri": IMAGE,
        "environment": "dev",
        "job-type": "text",
        "execution": EXECUTION,
        "request-sha256": registered["metadata"]["request-sha256"],
        "report": "s3://models/reports/text/run-1.json",
        "repository": "https://github.com/team/code",
        "commit": "1" * 40,
        "parent": "hub/google-bert/bert-base-uncased@" + "2" * 40,
        "data.test": f"sha256:{'c' * 64} objects:1 bytes:3 first-only s3://data/test",
        "data.train": f"sha256:{'b' * 64} objects:2 bytes:30 s3://data/train",
        "gate": "eval_accuracy 0.9 minimum 0.5",
        "eval_accuracy": "0.9",
    }


def test_a_request_has_one_hash_however_it_is_written_and_another_when_it_changes() -> None:
    one = _told(request={"name": "a", "epochs": 1})["metadata"]["request-sha256"]
    assert _told(request={"epochs": 1, "name": "a"})["metadata"]["request-sha256"] == one
    assert _told(request={"epochs": 2, "name": "a"})["metadata"]["request-sha256"] != one


def test_a_run_that_goes_on_from_checkpoints_or_a_trained_model_names_them() -> None:
    channel = {"model": DATA["train"] | {"uri": "s3://models/trained/older/output/model.tar.gz"}}
    metadata = _told(request={"checkpoint_s3_uri": "s3://checkpoints/text/older"}, data=channel)["metadata"]
    assert metadata["parent"] == "s3://models/trained/older/output/model.tar.gz"
    assert metadata["checkpoints"] == "s3://checkpoints/text/older"


def test_what_is_too_long_or_too_much_is_cut_the_same_way_each_time_and_said() -> None:
    # Given more metrics than there are places, and a place that is longer than a value may be
    metrics = {"eval_accuracy": 0.9} | {f"metric({i:02})": float(i) for i in range(60)}
    long = {"train": DATA["train"] | {"uri": "s3://data/" + "x" * 400}}
    registered = _told(metrics=metrics, data=long)
    # Then SageMaker takes it, and what is missing is named
    _assert_taken(registered)
    metadata = registered["metadata"]
    assert len(metadata) == 50
    assert metadata["shortened"] == "data.train"
    assert metadata["data.train"].startswith(f"sha256:{'b' * 64} objects:2")
    assert re.match(r"\d+ metrics: metric_", metadata["left-out"])
    assert registered == _told(metrics=dict(reversed(metrics.items())), data=long)


def test_a_metric_cannot_pass_for_an_origin() -> None:
    metadata = _told(metrics={"eval_accuracy": 0.9, "training-job": 7.0, "approved-by": 1.0})["metadata"]
    assert metadata["training-job"] == "dev-sentiment-1-spot-0"


# --- approval -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("approve_at", "status"), [(None, "PendingManualApproval"), (0.91, "PendingManualApproval"), (0.9, "Approved")]
)
def test_a_model_is_approved_by_itself_from_the_settings_value_on(approve_at: float | None, status: str) -> None:
    registered = _told(registry=_rules(**({} if approve_at is None else {"approve_at": approve_at})))
    assert registered["approval_status"] == status
    assert ("approved-by" in registered["metadata"]) is (status == "Approved")


def test_a_request_with_a_metric_of_its_own_is_not_approved_by_it() -> None:
    # Given a request whose gate is another metric than the job type's
    event = _event({"loss": 5.0}, evaluation={"metric": "loss", "minimum": 0.0}, registry=_rules(approve_at=0.9))
    result = handle(event, None)
    assert result["evaluation"]["passed"] is True
    assert result["registration"]["approval_status"] == "PendingManualApproval"


# --- model card ---------------------------------------------------------------------------------------------------


def test_the_card_says_what_people_said_and_what_the_run_knows() -> None:
    card = _card(
        registry=_rules(card={"purpose_of_model": "Sorts mail.", "risk_rating": "Low", "model_creator": "NLP"})
    )
    assert card["model_overview"] == {
        "model_creator": "NLP",
        "model_artifact": ["s3://models/trained/x/output/model.tar.gz"],
    }
    assert card["intended_uses"] == {"purpose_of_model": "Sorts mail.", "risk_rating": "Low"}
    details = card["training_details"]["training_job_details"]
    assert details["training_environment"]["container_image"] == [IMAGE]
    assert details["training_datasets"] == ["s3://data/test", "s3://data/train"]
    assert details["hyper_parameters"] == [{"name": "epochs", "value": "3"}]
    (evaluation,) = card["evaluation_details"]
    assert evaluation["datasets"] == ["s3://data/test"]
    assert evaluation["metric_groups"][0]["metric_data"] == [{"name": "eval_accuracy", "value": 0.9, "type": "number"}]
    assert card["additional_information"]["custom_details"]["commit"] == "1" * 40


def test_a_card_of_which_nobody_said_anything_has_an_unknown_risk() -> None:
    assert _card()["intended_uses"] == {"risk_rating": "Unknown"}
    assert _card()["model_overview"]["model_creator"] == "text of dev"


def test_a_card_that_would_be_too_long_leaves_out_what_is_said_elsewhere_and_says_so() -> None:
    # Given everything at its longest
    event = _event(registry=_rules(card={"purpose_of_model": "p" * 3000, "ethical_considerations": "e" * 3000}))
    event["training"]["HyperParameters"] = {f"parameter-{i}": "v" * 400 for i in range(150)}
    event["data"] = {f"channel-{i}": DATA["train"] | {"uri": f"s3://data/{i}" + "x" * 900} for i in range(20)}
    registered = handle(event, None)["registration"]
    _assert_taken(registered)
    card = json.loads(registered["card"])
    assert "hyper_parameters" not in card["training_details"]["training_job_details"]
    assert "Left out, too long: hyper_parameters." in card["training_details"]["training_observations"]


def test_the_schema_refuses_what_sagemaker_would() -> None:
    # The check of the tests above can fail.
    card = _card()
    card["intended_uses"]["risk_rating"] = "Tiny"
    card["training_details"]["training_job_details"]["training_metrics"][0]["value"] = "high"
    card["surprise"] = 1
    assert len(list(Draft202012Validator(SCHEMA).iter_errors(card))) == 3
