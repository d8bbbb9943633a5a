"""Batch transforms: what settings may say, what is refused, and what they make."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, Stage

from stacks.ml_environment import MlEnvironment
from stacks.settings import EnvironmentSettings
from stacks.settings_files import SettingsError, load_environments

ROOT = Path(__file__).parents[2]
ARCHIVE = {"s3": "trained/1/output/model.tar.gz", "task": "text-classification"}
BUCKET = {"name": "the-teams-corpus", "key_arn": "arn:aws:kms:us-east-1:555555555555:key/x"}
NIGHTLY = {
    "name": "nightly-reviews",
    "model": ARCHIVE,
    "input": "incoming/reviews/",
    "output": "scored/reviews/",
    "schedule": {"cron": "0 3 ? * MON-FRI *", "time_zone": "Europe/Berlin"},
}


def _load(folder: Path, *transforms: dict[str, Any]) -> EnvironmentSettings:
    """dev with these transforms."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    content["inference"]["batch_transforms"] = list(transforms)
    content["data"] = {"read_only_buckets": [BUCKET]}
    (folder / "dev.yaml").write_text(yaml.safe_dump(content))
    return load_environments(folder)["dev"]


def _synthesise(settings: EnvironmentSettings) -> dict[str, dict[str, Any]]:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=context, builtin_cloud_formation_validation=False)
    return {stack.stack_name: stack.template for stack in Stage.synth(MlEnvironment(app, "dev", settings)).stacks}


def _of_type(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each["Properties"] for each in template["Resources"].values() if each["Type"] == kind]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {"approved": "text-classification"}}, "Name the version in model_package"),
        ({"model": {"s3": "trained/model.tar.gz"}}, "must be the pipeline task to serve"),
        ({"image": "training"}, "must be the name of an image under `images` with purpose inference"),
        ({"input": "s3://somebodys/reviews/"}, "must lie in a bucket of data.read_only_buckets"),
        ({"input": "incoming/reviews"}, "inference.batch_transforms.0.input"),
        ({"output": "incoming/reviews/scored/"}, "where the next run would read it"),
        ({"instance_type": "ml.m5.xlarge"}, "must be a GPU instance"),
        ({"instance_type": "ml.g4dn.3xlarge"}, "ml.g4dn"),
        ({"split": "None", "strategy": "MultiRecord"}, "since split is None"),
        ({"max_payload_mb": 60, "max_concurrent": 2}, "must be at most 100, and is 120"),
        ({"max_hours": 0}, "max_hours"),
        ({"schedule": {"cron": "0 3 * * * *"}}, "exactly one of day of month and day of week must be ?"),
        ({"schedule": {"cron": "0 3 ? * * *", "time_zone": "Europe/Nowhere"}}, "IANA"),
        ({"environment": {"HFSM_NOBODYS": "1"}}, "must be left out"),
    ],
)
def test_what_cannot_run_is_refused_with_what_it_must_be(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, {**NIGHTLY, **changes})
    assert words in " ".join(caught.value.problems)


def test_a_name_is_used_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, NIGHTLY, NIGHTLY)
    assert "inference.batch_transforms.1.name" in " ".join(caught.value.problems)


def test_a_transform_has_a_stack_that_tells_operators_of_it(tmp_path: Path) -> None:
    # Given a transform of what lies in a team's bucket
    stacks = _synthesise(_load(tmp_path, {**NIGHTLY, "input": "s3://the-teams-corpus/reviews/", "max_hours": 2}))
    template = stacks["dev-BatchNightlyReviews"]
    # Then its stack says where it starts, reads and writes
    values = {each["Name"]: each["Value"] for each in _of_type(template, "AWS::SSM::Parameter")}
    assert values["/hf-sagemaker/dev/batch/nightly-reviews/input"] == "reviews/"
    assert values["/hf-sagemaker/dev/batch/nightly-reviews/output"] == "scored/reviews/"
    assert "/hf-sagemaker/dev/batch/nightly-reviews/state-machine-arn" in values
    # and it reads that bucket, by the clock of the settings
    (machine,) = _of_type(template, "AWS::StepFunctions::StateMachine")
    assert "s3://the-teams-corpus/{}" in json.dumps(machine)
    (schedule,) = _of_type(template, "AWS::Scheduler::Schedule")
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]) == (
        "cron(0 3 ? * MON-FRI *)",
        "Europe/Berlin",
    )


def test_its_role_reads_the_input_and_writes_the_output_and_nothing_else_of_the_data(tmp_path: Path) -> None:
    # Given a transform within the data bucket
    template = _synthesise(_load(tmp_path, NIGHTLY))["dev-Data"]
    (document,) = [
        each["Properties"]["PolicyDocument"]
        for name, each in template["Resources"].items()
        if each["Type"] == "AWS::IAM::ManagedPolicy" and "Transforming" in name
    ]
    # Then objects of the data bucket are there by these prefixes alone
    objects = {
        (action, json.dumps(resource).rpartition("/")[0].rpartition('"')[2] + "/")
        for statement in document["Statement"]
        for action in _listed(statement["Action"])
        if action in ("s3:GetObject", "s3:PutObject")
        for resource in _listed(statement["Resource"])
        if "Data" in json.dumps(resource)
    }
    assert objects == {
        ("s3:GetObject", "/incoming/reviews/"),
        ("s3:PutObject", "/scored/reviews/"),
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_the_guardrails_admit_its_instance_type(tmp_path: Path) -> None:
    stacks = _synthesise(_load(tmp_path, {**NIGHTLY, "instance_type": "ml.g5.2xlarge"}))
    assert "ml.g5.2xlarge" in json.dumps(stacks["dev-Guardrails"])


def test_without_transforms_nothing_is_there(tmp_path: Path) -> None:
    stacks = _synthesise(_load(tmp_path))
    assert [name for name in stacks if name.startswith("dev-Batch")] == []
    assert "Transforming" not in json.dumps(stacks["dev-Data"])
