"""Four lines of settings become an image, and a training job runs in it: the real CLI, toolkit and `hfsm`."""

import json
import os
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import yaml

from tests.local.compute_projects import until
from tests.local.control import control
from tests.local.embedded_aws import start_localcloud
from tests.local.test_end_to_end import ROOT, Environment
from tests.local.wheels import write_wheel

VERSION = "0.0.20260101"
REQUIREMENT = f"speechkit=={VERSION}"
SCRIPT = """
import importlib.metadata, os, pathlib
print("speechkit", importlib.metadata.version("speechkit"), "in the job")
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("trained")
print("eval_accuracy=1.0")
"""


def _settings(requirement: str) -> dict[str, Any]:
    """dev with an image of our own, and with a job type that runs in it."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    base = {"purpose": "training", "transformers": "4.56"}
    rebuild = {"on_announcement": True}
    content["images"].append({"name": "speech", "base": base, "requirements": [requirement], "rebuild": rebuild})
    content["training"]["job_types"][0] |= {"name": "speech", "image": "speech"}
    return content


def _deploy(environment: Environment, requirement: str) -> None:
    settings, out = environment.folder / "environments", str(environment.folder / "cdk.out")
    settings.mkdir(exist_ok=True)
    (settings / "dev.yaml").write_text(yaml.safe_dump(_settings(requirement)))
    synth = environment.cdk("synth", "--quiet", "--output", out, "-c", f"environments={settings}")
    assert synth.returncode == 0, synth.stderr
    done = environment.cdk("deploy", "--app", out, "dev/*", "--require-approval", "never", "--method", "direct")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """dev, deployed, with a library that pip finds in a folder."""
    folder = tmp_path_factory.mktemp("images")
    write_wheel(folder / "wheels", VERSION, "speech", name="speechkit")
    store = os.environ.get("HFSM_IMAGE_STORE", str(ROOT / ".localcloud/images"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_FIND_LINKS", str(folder / "wheels"))
        patch.setenv("PIP_RETRIES", "0")
        running = start_localcloud(folder / "cloud", arguments=("--image-store", store))
    environment = Environment(running, folder)
    bootstrap = environment.cdk("bootstrap", "--app", "", "aws://123456789012/us-east-1")
    assert bootstrap.returncode == 0, bootstrap.stderr
    _deploy(environment, REQUIREMENT)
    yield environment
    running.stop()


def _digest(environment: Environment) -> list[str]:
    ecr = environment.running.client("ecr")
    return [
        image["imageDigest"] for image in ecr.describe_images(repositoryName="hf-sagemaker/dev/speech")["imageDetails"]
    ]


def _build_lines(environment: Environment) -> list[str]:
    logs = environment.running.client("logs")
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    builds = [name for name in groups if "SpeechImageBuild" in name]
    return [event["message"] for name in builds for event in logs.filter_log_events(logGroupName=name)["events"]]


def test_a_job_prints_the_version_of_the_library_that_the_settings_name(environment: Environment) -> None:
    # Given the image, built, and the one that a model is registered with
    built = environment.hfsm("build", "speech", "inference", "--env", "dev")
    assert built.returncode == 0, built.stdout + built.stderr
    # When a training job is started in it, with a script of one's own
    source = environment.folder / "source"
    source.mkdir()
    (source / "mine.py").write_text(SCRIPT)
    request = environment.request("speech", source_dir=str(source), entry_point="mine.py", hyperparameters={})
    done = environment.hfsm("train", str(request), "--env", "dev")
    assert done.returncode == 0, done.stdout + done.stderr
    # Then the library is there, in that version
    (job,) = environment.running.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert f"speechkit {VERSION} in the job" in environment.job_lines(job["TrainingJobName"])


def test_operators_see_what_it_is_made_of_and_what_runs_it(environment: Environment) -> None:
    done = environment.hfsm("images", "--env", "dev", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (speech,) = [image for image in json.loads(done.stdout)["images"] if image["name"] == "speech"]
    assert speech["base"].startswith("huggingface-pytorch-training:2.8.0-transformers4.56.2-gpu-")
    assert [speech["digest"]] == _digest(environment)
    assert speech["used_by"] == ["job type speech"]


def test_the_same_settings_build_nothing_again(environment: Environment) -> None:
    before = _digest(environment)
    _deploy(environment, REQUIREMENT)
    done = environment.hfsm("build", "speech", "--env", "dev")
    assert done.returncode == 0, done.stdout + done.stderr
    assert _digest(environment) == before
    assert any("is there already: nothing to build" in line for line in _build_lines(environment))


def _base(environment: Environment) -> str:
    """Repository and tag of the published image below `speech`."""
    name = "/hf-sagemaker/dev/images/speech/base"
    base: str = environment.running.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    return base


def _builds(environment: Environment, *, at_least: int) -> int:
    """How many builds of `speech` were started, once there are so many and none of them runs."""
    codebuild, ssm = environment.running.client("codebuild"), environment.running.client("ssm")
    project = ssm.get_parameter(Name="/hf-sagemaker/dev/images/speech/project")["Parameter"]["Value"]

    def look() -> list[dict[str, Any]]:
        ids = codebuild.list_builds_for_project(projectName=project)["ids"]
        records: list[dict[str, Any]] = codebuild.batch_get_builds(ids=ids)["builds"]
        return records

    all_ended = until(
        look, lambda found: len(found) >= at_least and all(each["buildComplete"] for each in found), seconds=280
    )
    return len(all_ended)


def _looks(environment: Environment) -> list[str]:
    """What the function printed: a line per look at `speech`."""
    logs = environment.running.client("logs")
    groups = [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
    (group,) = [each for each in groups if "Watcher" in each]
    lines = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
    return [line for line in lines if "'project'" in line and "Speech" in line]


def _daily(environment: Environment) -> None:
    """The time of the deployed rule has come."""
    stack = environment.running.client("cloudformation").describe_stack_resources(StackName="dev-Images")
    rules = [each for each in stack["StackResources"] if each["ResourceType"] == "AWS::Events::Rule"]
    (rule,) = [each["PhysicalResourceId"] for each in rules if "Daily" in each["LogicalResourceId"]]
    control(environment.running, f"rules/{rule}/trigger")


def _announced(environment: Environment) -> None:
    """AWS announces a new image, with a message that says nothing true about ours."""
    sns = boto3.client(
        "sns",
        region_name="us-west-2",
        endpoint_url=environment.running.endpoint_url,
        aws_access_key_id="767397762724",
        aws_secret_access_key="aws",
    )
    sns.publish(TopicArn="arn:aws:sns:us-west-2:767397762724:dlc-updates", Message='{"images": [{"project": "x"}]}')


def test_a_day_and_an_announcement_together_start_one_build_of_a_moved_base(environment: Environment) -> None:
    # Given the image, built on a base that has not moved
    before, built = _builds(environment, at_least=1), _digest(environment)
    # When a day is over, then the deployed rule makes the function look, and nothing is built
    _daily(environment)
    until(lambda: _looks(environment), lambda lines: len(lines) == 1)
    assert _builds(environment, at_least=before) == before
    # When the base moves, and AWS announces it while another day is over
    repository, tag = _base(environment).split(":")
    control(environment.running, f"base-images/{repository}/{tag}/republish")
    _announced(environment)
    _daily(environment)
    until(lambda: _looks(environment), lambda lines: len(lines) == 3)
    # Then there is one build more, which made an image on the new base
    assert _builds(environment, at_least=before + 1) == before + 1
    assert len(_digest(environment)) == len(built) + 1
    # And the next day finds nothing to do
    _daily(environment)
    until(lambda: _looks(environment), lambda lines: len(lines) == 4)
    assert _builds(environment, at_least=before + 1) == before + 1


def test_a_build_that_fails_leaves_the_image_from_before(environment: Environment) -> None:
    # Given a version that does not exist
    before = _digest(environment)
    _deploy(environment, "speechkit==9.9.9")
    # When it is built, then it fails with pip's words in its log, and the repository is as it was
    done = environment.hfsm("build", "speech", "--env", "dev")
    assert done.returncode == 1
    assert "The image from before is still in place." in done.stderr
    wanted = "No matching distribution found for speechkit==9.9.9"
    assert any(wanted in line for line in _build_lines(environment))
    assert _digest(environment) == before
