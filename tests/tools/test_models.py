"""`hfsm models` and `hfsm approve`: what is shown, what is written down, what is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from hfsm.cloud import Cloud

GROUP = "dev-text-classification"
METADATA = {
    "gate": "eval_accuracy 0.9 minimum 0.6",
    "data.train": "sha256:" + "b" * 64 + " objects:2 bytes:30 s3://dev-data/train",
    "training-image-uri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/training@sha256:" + "a" * 64,
    "commit": "1" * 40,
    "report": "s3://dev-models/reports/text-classification/run-1.json",
}


@pytest.fixture
def register(deploy: Callable[..., Cloud]) -> Callable[..., None]:
    """Registers versions with these approvals, in their order."""
    cloud = deploy()

    def make(*approvals: str) -> None:
        for approval in approvals:
            cloud.client("sagemaker").create_model_package(
                ModelPackageGroupName=GROUP, ModelApprovalStatus=approval, CustomerMetadataProperties=METADATA
            )

    return make


def _models(hfsm: Any) -> dict[int, Any]:
    document = json.loads(hfsm("models", "--json").out)
    return {each["version"]: each for each in document["models"]}


def test_models_are_listed_with_what_they_were_made_of(hfsm: Any, register: Any) -> None:
    register("Approved", "PendingManualApproval")
    found = _models(hfsm)
    assert [(number, each["approval"]) for number, each in found.items()] == [
        (2, "PendingManualApproval"),
        (1, "Approved"),
    ]
    assert found[2]["data"] == {"train": METADATA["data.train"]}
    lines = hfsm("models", "text-classification").out.splitlines()
    (line,) = [each for each in lines if "Pending" in each]
    for shown in ("eval_accuracy 0.9", "b" * 12, "a" * 12):
        assert shown in line


def test_the_model_that_endpoints_are_to_serve_is_marked(hfsm: Any, register: Any, put_parameters: Any) -> None:
    register("Approved", "Approved")
    put_parameters({"models/text-classification/approved": "1"})
    marked = [line.split()[1] for line in hfsm("models").out.splitlines() if "(deployed)" in line]
    assert marked == ["1"]


def test_whoever_approves_sees_what_it_was_made_of_and_may_still_say_no(
    hfsm: Any, register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    register("PendingManualApproval")
    monkeypatch.setattr("typer.confirm", lambda question: False)
    result = hfsm("approve", "text-classification")
    assert result.code == 1
    for shown in ("eval_accuracy 0.9", "s3://dev-data/train", "1" * 40, METADATA["report"]):
        assert shown in result.out
    assert _models(hfsm)[1]["approval"] == "PendingManualApproval"


def test_the_newest_is_approved_with_a_note_and_the_next_step_is_told(hfsm: Any, register: Any) -> None:
    register("PendingManualApproval", "PendingManualApproval")
    result = hfsm("approve", "text-classification", "--note", "looked at 20 answers", "--yes")
    assert result.code == 0, result.err
    found = _models(hfsm)
    assert [(found[n]["approval"], found[n]["note"]) for n in (1, 2)] == [
        ("PendingManualApproval", ""),
        ("Approved", "looked at 20 answers"),
    ]
    assert "No endpoint follows text-classification" in result.out


@pytest.mark.parametrize(
    ("approvals", "arguments", "told"),
    [
        (("PendingManualApproval",), [], "are moved to it"),
        (("PendingManualApproval", "Approved"), ["1"], "Version 2 is approved too and newer"),
        (("Approved", "Approved"), ["--reject"], "go back to version 1"),
        (("Approved",), ["--reject"], "no endpoint is taken away"),
    ],
)
def test_what_follows_for_endpoints_is_told(
    hfsm: Any, register: Any, put_parameters: Any, approvals: tuple[str, ...], arguments: list[str], told: str
) -> None:
    register(*approvals)
    put_parameters({"models/text-classification/approved": "none"})
    result = hfsm("approve", "text-classification", *arguments, "--yes")
    assert told in " ".join(result.out.split())
    number = 1 if "1" in arguments else len(approvals)
    assert _models(hfsm)[number]["approval"] == ("Rejected" if "--reject" in arguments else "Approved")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["speech"], "dev has no job type 'speech'. It has: text-classification."),
        (["text-classification", "9"], "has no version 9. The newest are: 1."),
        (["text-classification", "--note", "x" * 2000], "SageMaker keeps 1024"),
    ],
)
def test_what_cannot_be_decided_says_why(hfsm: Any, register: Any, arguments: list[str], reason: str) -> None:
    register("PendingManualApproval")
    result = hfsm("approve", *arguments, "--yes")
    assert result.code == 2
    assert reason in result.err
    assert _models(hfsm)[1]["approval"] == "PendingManualApproval"


def test_without_models_the_next_step_is_told(hfsm: Any, deploy: Any) -> None:
    deploy()
    assert "No model is registered in dev" in hfsm("models").out
    assert "has registered no model in dev yet" in hfsm("approve", "text-classification", "--yes").err
