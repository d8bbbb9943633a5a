"""Four lines of settings become an image, and a training job runs in it: the real CLI, toolkit and `hfsm`.

Nobody starts a build here: deployments do. The tests of this module build on each other and run in the order of the
file.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.local.built_image import Inbox, inbox_of
from tests.local.compute_projects import until
from tests.local.embedded_aws import start_localcloud
from tests.local.test_end_to_end import ROOT, Environment
from tests.local.wheels import write_wheel

FIRST, SECOND, MISSING = "0.0.20260101", "0.0.20260202", "9.9.9"
SCRIPT = """
import importlib.metadata, os, pathlib
print("speechkit", importlib.metadata.version("speechkit"), "in the job")
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("trained")
print("eval_accuracy=1.0")
"""


def _settings(version: str) -> dict[str, Any]:
    """dev with an image of our own; that of the job type is nobody's matter here, and not built."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    base = {"purpose": "training", "transformers": "4.56"}
    content["images"].append({"name": "whisper", "base": base, "requirements": [f"speechkit=={version}"]})
    content["images"][0]["rebuild"] = {"on_change": False}
    return content


def _deploy(environment: Environment, version: str, stacks: str = "dev/*") -> None:
    settings, out = environment.folder / "environments", str(environment.folder / "cdk.out")
    settings.mkdir(exist_ok=True)
    (settings / "dev.yaml").write_text(yaml.safe_dump(_settings(version)))
    synth = environment.cdk("synth", "--quiet", "--output", out, "-c", f"environments={settings}")
    assert synth.returncode == 0, synth.stderr
    done = environment.cdk("deploy", "--app", out, stacks, "--require-approval", "never", "--method", "direct")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """dev, deployed, with a library that pip finds in a folder."""
    folder = tmp_path_factory.mktemp("images")
    for version in (FIRST, SECOND):
        write_wheel(folder / "wheels", version, "speech", name="speechkit")
    store = os.environ.get("HFSM_IMAGE_STORE", str(ROOT / ".localcloud/images"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_FIND_LINKS", str(folder / "wheels"))
        patch.setenv("PIP_RETRIES", "0")
        running = start_localcloud(folder / "cloud", arguments=("--image-store", store))
    environment = Environment(running, folder)
    bootstrap = environment.cdk("bootstrap", "--app", "", "aws://123456789012/us-east-1")
    assert bootstrap.returncode == 0, bootstrap.stderr
    _deploy(environment, FIRST)
    yield environment
    running.stop()


@pytest.fixture(scope="module")
def inbox(environment: Environment) -> Inbox:
    """Of somebody whom the topic of builds tells."""
    inbox = inbox_of(environment.running)
    topic = _parameter(environment, "builds/topic-arn")
    environment.running.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=inbox.arn)
    return inbox


def _parameter(environment: Environment, path: str) -> str:
    ssm = environment.running.client("ssm")
    return str(ssm.get_parameter(Name=f"/hf-sagemaker/dev/{path}")["Parameter"]["Value"])


def _builds(environment: Environment, image: str, count: int) -> list[str]:
    """How the builds of an image have ended, the newest first, when there are so many."""
    codebuild = environment.running.client("codebuild")

    def look() -> list[str]:
        project = _parameter(environment, f"images/{image}/project")
        ids = codebuild.list_builds_for_project(projectName=project, sortOrder="DESCENDING")["ids"]
        builds = codebuild.batch_get_builds(ids=ids)["builds"] if ids else []
        return [build["buildStatus"] for build in builds]

    return until(look, lambda seen: len(seen) >= count and "IN_PROGRESS" not in seen, seconds=280)


def _digests(environment: Environment) -> list[str]:
    """What the environment has used as whisper, one after the other."""
    history = environment.running.client("ssm").get_parameter_history(Name="/hf-sagemaker/dev/images/whisper/digest")
    return [entry["Value"] for entry in history["Parameters"]]


def _build_lines(environment: Environment) -> list[str]:
    logs = environment.running.client("logs")
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    builds = [name for name in groups if "WhisperImageBuild" in name]
    return [event["message"] for name in builds for event in logs.filter_log_events(logGroupName=name)["events"]]


def test_a_deployment_builds_its_images_and_does_not_wait_for_them(environment: Environment) -> None:
    # Given a deployment that has ended: then the builds that it has started end by themselves, one for each image
    for image in ("whisper", "inference"):
        assert _builds(environment, image, 1) == ["SUCCEEDED"], _build_lines(environment)
    assert [digest.partition("@")[0][-7:] for digest in _digests(environment)] == ["none", "whisper"]
    # And none for an image of which the settings say that people build it
    assert _builds(environment, "training", 0) == []


def test_a_request_names_it_and_prints_the_version_of_the_library(environment: Environment) -> None:
    # Given a script of one's own
    source = environment.folder / "source"
    source.mkdir()
    (source / "mine.py").write_text(SCRIPT)
    request = environment.request("speech", source_dir=str(source), entry_point="mine.py", hyperparameters={})
    # When it is trained in the image, by a job type whose own is another
    done = environment.hfsm("train", str(request), "--image", "whisper", "--env", "dev")
    assert done.returncode == 0, done.stdout + done.stderr
    # Then the library is there, in that version
    sagemaker = environment.running.client("sagemaker")
    (name,) = [job["TrainingJobName"] for job in sagemaker.list_training_jobs()["TrainingJobSummaries"]]
    assert f"speechkit {FIRST} in the job" in environment.job_lines(name)
    # And job and model say which image it was
    job = sagemaker.describe_training_job(TrainingJobName=name)
    assert job["AlgorithmSpecification"]["TrainingImage"] == _digests(environment)[-1]
    tags = sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert {"Key": "hf-sagemaker:image", "Value": "whisper"} in tags
    (package,) = sagemaker.list_model_packages(ModelPackageGroupName="dev-text-classification")[
        "ModelPackageSummaryList"
    ]
    model = sagemaker.describe_model_package(ModelPackageName=package["ModelPackageArn"])
    assert model["CustomerMetadataProperties"]["training-image"] == "whisper"
    (container,) = model["InferenceSpecification"]["Containers"]
    assert container["Image"] == _parameter(environment, "images/inference/digest")


def test_a_name_that_is_no_image_is_answered_with_those_there_are(environment: Environment) -> None:
    done = environment.hfsm("train", str(environment.folder / "speech.json"), "--image", "wisper", "--env", "dev")
    assert done.returncode == 1
    said = " ".join((done.stdout + done.stderr).split())
    assert "image is 'wisper'; this job type allows training, whisper." in said


def test_operators_see_what_it_is_made_of_and_what_runs_it(environment: Environment) -> None:
    done = environment.hfsm("images", "--env", "dev", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (whisper,) = [image for image in json.loads(done.stdout)["images"] if image["name"] == "whisper"]
    assert whisper["base"].startswith("huggingface-pytorch-training:2.8.0-transformers4.56.2-gpu-")
    assert _digests(environment)[-1].endswith(f"@{whisper['digest']}")
    assert whisper["used_by"] == ["requests of text-classification"]


def test_a_changed_requirement_gives_another_image_and_the_one_from_before_serves_until_then(
    environment: Environment,
) -> None:
    before = _digests(environment)
    # When the same is deployed again, and then a changed requirement
    _deploy(environment, FIRST, "dev/Images")
    _deploy(environment, SECOND, "dev/Images")
    # Then one build was started for the change, and none for what was the same
    assert _builds(environment, "whisper", 2) == ["SUCCEEDED"] * 2, _build_lines(environment)
    assert _builds(environment, "inference", 1) == ["SUCCEEDED"]
    # And nothing was between the two images
    *earlier, newest = _digests(environment)
    assert earlier == before
    assert newest not in before


def test_a_build_that_fails_leaves_the_image_from_before_and_tells_people(
    environment: Environment, inbox: Inbox
) -> None:
    before = _digests(environment)
    # When a version is deployed that does not exist
    _deploy(environment, MISSING, "dev/Images")
    # Then its build fails with pip's words in its log, and the environment goes on with the image that it has
    assert _builds(environment, "whisper", 3)[0] == "FAILED"
    assert any(f"No matching distribution found for speechkit=={MISSING}" in line for line in _build_lines(environment))
    assert _digests(environment) == before
    # And people are told
    (message,) = until(inbox.messages, bool)
    assert "ended as FAILED" in message
    assert "goes on with the one from before" in message
