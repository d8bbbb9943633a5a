"""Triggers and the limit in the settings: what is refused, and what an environment gets that asks for them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, Stage

from stacks.ml_environment import MlEnvironment
from stacks.settings import EnvironmentSettings
from stacks.settings_files import SettingsError, load_environments
from stacks.trigger_problems import request_limits

ROOT = Path(__file__).parents[2]
REQUEST = {
    "schema_version": "1",
    "channels": {"train": "s3://${data-bucket}/reviews/"},
    "source_dir": "s3://${models-bucket}/sources/1/sourcedir.tar.gz",
    "entry_point": "train.py",
    "checkpoint_s3_uri": "s3://${checkpoints-bucket}/reviews/",
}
SCHEDULE = {"name": "nightly", "request": "requests/nightly.json", "schedule": "cron(0 3 * * ? *)"}
DATA = {"name": "corpus", "request": "requests/nightly.json", "new_data": {"prefix": "reviews/"}}
ALARM = {"name": "drift", "request": "requests/nightly.json", "alarm": {"name": "accuracy"}}


def _load(folder: Path, *triggers: Any, request: Any = REQUEST, **training: Any) -> EnvironmentSettings:
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    content["training"] |= training
    content["training"]["job_types"][0]["triggers"] = list(triggers)
    file_system = {"name": "corpora", "type": "EFS", "id": "fs-0a1b2c3d", "security_group_id": "sg-0a1b2c3d"}
    content["data"] = {"read_only_buckets": [{"name": "the-lake"}], "file_systems": [file_system]}
    (folder / "dev.yaml").write_text(yaml.safe_dump(content))
    (folder / "requests").mkdir(exist_ok=True)
    text = request if isinstance(request, str) else json.dumps(request)
    (folder / "requests/nightly.json").write_text(text)
    return load_environments(folder)["dev"]


def _problems(folder: Path, *triggers: Any, request: Any = REQUEST) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        _load(folder, *triggers, request=request)
    return caught.value.problems


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (SCHEDULE | {"schedule": "cron(0 25 * * ? *)"}, 'triggers.0.schedule is "cron(0 25 * * ? *)": hours is 25'),
        (SCHEDULE | {"schedule": "every night"}, "must be rate"),
        (SCHEDULE | {"request": "requests/none.json"}, "cannot be read"),
        (SCHEDULE | {"new_data": {"prefix": "a/"}}, "must have exactly one of schedule, new_data and alarm"),
        ({"name": "idle", "request": "requests/nightly.json"}, "must have exactly one"),
        (DATA | {"new_data": {"prefix": ""}}, "new_data.prefix"),
        (DATA | {"new_data": {"prefix": "a*"}}, "new_data.prefix"),
        (DATA | {"new_data": {"prefix": "/a"}}, "new_data.prefix"),
        (DATA | {"new_data": {"prefix": "a/", "quiet_minutes": 0}}, "quiet_minutes"),
        (DATA | {"new_data": {"prefix": "a/", "bucket": "a-pond"}}, "must be one of data.read_only_buckets"),
        (
            ALARM | {"alarm": {"name": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"}},
            "must be the ARN of an alarm in account 123456789012, us-east-1",
        ),
        (ALARM | {"name": "Drift"}, "triggers.0.name"),
    ],
)
def test_what_triggers_may_not_say(tmp_path: Path, trigger: dict[str, Any], words: str) -> None:
    assert words in "\n".join(_problems(tmp_path, trigger))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("{", "must be a training request in JSON"),
        ("[]", "must hold a JSON object"),
        (REQUEST | {"instance_type": "ml.p5.48xlarge"}, "this environment allows ml.g4dn.2xlarge"),
        (REQUEST | {"job_type": "audio"}, "this state machine runs 'text-classification'"),
        (REQUEST | {"epochs": 3}, "epochs is not a field of a training request"),
        (REQUEST | {"channels": {"train": "./data"}}, "channels.train"),
        (REQUEST | {"channels": {"train": "s3://${date-bucket}/a/"}}, "channels.train"),
        (REQUEST | {"channels": {"train": "s3://a-bucket/a/"}}, "Upload to s3://${data-bucket}/"),
        (REQUEST | {"hyperparameters": {"template": "{{text}}"}}, "which CloudFormation would take for a reference"),
        (REQUEST | {"hyperparameters": {"text": "x" * 3000}}, "a trigger carries 3000"),
        (REQUEST | {"hyperparameters": {"token": f"hf_{'a' * 34}"}}, "looks like an access token"),
    ],
)
def test_what_a_triggers_request_may_not_say(tmp_path: Path, request_: Any, words: str) -> None:
    found = "\n".join(_problems(tmp_path, SCHEDULE, request=request_))
    assert words in found
    assert "training.job_types.0.triggers.0.request is" in found


def test_all_problems_of_all_triggers_are_told_at_once(tmp_path: Path) -> None:
    request = REQUEST | {"epochs": 3, "max_run": 60, "max_wait": 30}
    found = _problems(tmp_path, SCHEDULE, SCHEDULE | {"alarm": {"name": "a"}}, request=request)
    assert sum("epochs is not a field" in each for each in found) == 2
    assert sum("max_wait is 30 s" in each for each in found) == 2
    assert any("triggers.1.name" in each for each in found)
    assert any("exactly one" in each for each in found)


def test_a_read_only_bucket_may_be_named(tmp_path: Path) -> None:
    request = REQUEST | {"channels": {"train": "s3://the-lake/reviews/"}}
    data = DATA | {"new_data": {"prefix": "reviews/", "bucket": "the-lake"}}
    settings = _load(tmp_path, data, request=request)
    (policy,) = [
        each["Properties"]["PolicyDocument"]["Statement"]
        for name, each in _training(settings)["Resources"].items()
        if name.startswith("TriggersStarterPolicy")
    ]
    (listing,) = [each for each in policy if each["Action"] == "s3:ListBucket"]
    assert "the-lake" in json.dumps(listing["Resource"])


def _training(settings: EnvironmentSettings) -> dict[str, Any]:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=context, builtin_cloud_formation_validation=False)
    stacks = {stack.stack_name: stack.template for stack in Stage.synth(MlEnvironment(app, "dev", settings)).stacks}
    found: dict[str, Any] = stacks["dev-Training"]
    return found


def _definition(template: dict[str, Any]) -> dict[str, Any]:
    (machine,) = [r for r in template["Resources"].values() if r["Type"] == "AWS::StepFunctions::StateMachine"]
    parts = machine["Properties"]["DefinitionString"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else "reference" for part in parts)
    definition: dict[str, Any] = json.loads(text)
    return definition


# Members of `Defaults` that settings cannot know, and that decide no problem but by their equality.
_DEPLOYED = {"environment", "images", "checkpoints_bucket", "data_buckets", "models_bucket", "volume_key"}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[EnvironmentSettings, dict[str, Any]]:
    """Settings with all triggers and a limit, and their training stack."""
    git = {"allowed_repositories": ["https://github.com/team/*"]}
    folder = tmp_path_factory.mktemp("asked")
    settings = _load(folder, SCHEDULE, DATA, ALARM, max_concurrent_runs=2, git=git)
    return settings, _training(settings)


def test_a_request_is_judged_as_the_first_state_judges_it(
    asked: tuple[EnvironmentSettings, dict[str, Any]],
) -> None:
    settings, template = asked
    deployed = _definition(template)["States"]["Validate"]["Parameters"]["defaults"]
    (job,) = settings.training.job_types
    ours = asdict(request_limits(settings, job))
    assert set(deployed) <= set(ours)
    for each in (deployed, ours):
        each["tuning"].pop("prefix")  # begins with the environment's name
    assert {name: ours[name] for name in set(deployed) - _DEPLOYED} == {
        name: value for name, value in deployed.items() if name not in _DEPLOYED
    }
    assert list(ours["images"]) == list(deployed["images"])


def test_operators_find_triggers_by_their_names(asked: tuple[EnvironmentSettings, dict[str, Any]]) -> None:
    parameters = [r["Properties"] for r in asked[1]["Resources"].values() if r["Type"] == "AWS::SSM::Parameter"]
    names = {each["Name"]: each["Value"] for each in parameters}
    for name in ("nightly", "corpus", "drift"):
        value = names[f"/hf-sagemaker/dev/training/text-classification/triggers/{name}"]
        # With the names that the buckets have when they are deployed
        assert "-bucket}" not in json.dumps(value)
        assert f'{{"name":"{name}",' in json.dumps(value).replace("\\", "")


def test_a_limit_waits_in_the_first_state_and_adds_none(
    asked: tuple[EnvironmentSettings, dict[str, Any]],
) -> None:
    definition = _definition(asked[1])
    states = definition["States"]
    validate = states["Validate"]
    assert validate["Parameters"]["limit"] == {
        "runs": 2,
        "machines": "/hf-sagemaker/dev/limits/state-machines",
        "started.$": "$$.Execution.StartTime",
    }
    (retry,) = [each for each in validate["Retry"] if each["ErrorEquals"] == ["TooManyRuns"]]
    assert retry["IntervalSeconds"] == 60
    # For 18 hours on average, since a pause is half as long as it may be; and then it fails in words
    pauses = [min(60 * retry["BackoffRate"] ** look, retry["MaxDelaySeconds"]) for look in range(retry["MaxAttempts"])]
    assert 17 < sum(pauses) / 2 / 3600 < 19
    # And the machine's own time limit has room for the longest wait
    assert definition["TimeoutSeconds"] > 4 * 3600 + sum(pauses)
    # The code of Git is brought when the turn has come: no second wait
    assert "limit" not in states["MakeJobOfCode"]["Parameters"]


def test_every_job_types_function_counts_the_runs_of_all(tmp_path: Path) -> None:
    # Given two job types and a limit
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    (job,) = content["training"]["job_types"]
    content["training"] |= {"max_concurrent_runs": 1, "job_types": [job, job | {"name": "audio"}]}
    (tmp_path / "dev.yaml").write_text(yaml.safe_dump(content))
    resources = _training(load_environments(tmp_path)["dev"])["Resources"]
    machines = [name for name, each in resources.items() if each["Type"] == "AWS::StepFunctions::StateMachine"]
    assert len(machines) == 2
    # Then one parameter lists both machines
    (listed,) = [each for name, each in resources.items() if name.startswith("LimitedRunsMachines")]
    assert [part["Ref"] for part in listed["Properties"]["Value"]["Fn::Join"][1] if part != ","] == machines
    # And the role of each function may list both's executions
    policies = [each["Properties"] for name, each in resources.items() if name.startswith("LimitedRunsCountPolicy")]
    assert len({policy["Roles"][0]["Ref"] for policy in policies}) == 2
    for policy in policies:
        (listing,) = [s for s in policy["PolicyDocument"]["Statement"] if s["Action"] == "states:ListExecutions"]
        assert sorted(each["Ref"] for each in listing["Resource"]) == sorted(machines)


def test_an_environment_that_asks_for_nothing_gets_nothing(tmp_path: Path) -> None:
    template = _training(_load(tmp_path))
    text = json.dumps(template)
    for word in ("TooManyRuns", "start_training", "max_concurrent_runs"):
        assert word not in text
