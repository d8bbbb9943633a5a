"""Four lines of settings become an image, a training job runs in it, and another account runs it by its digest.

Nobody starts a build here: deployments do. The tests of this module build on each other and run in the order of the
file. The real CLI, toolkit and `hfsm`.
"""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.local.built_image import Inbox, inbox_of
from tests.local.compute_projects import until
from tests.local.embedded_aws import start_localcloud
from tests.local.image_environment import (
    DEV,
    FINDING,
    PROD,
    SCRIPT,
    a_day_passes,
    announce,
    base_moves,
    build_lines,
    builds,
    deploy,
    digests,
    find,
    looks,
    parameter,
    promote,
    said_in_prod,
    settings_of_dev,
    settings_of_prod,
)
from tests.local.test_end_to_end import ROOT, Environment
from tests.local.wheels import write_wheel

FIRST, SECOND, MISSING = "0.0.20260101", "0.0.20260202", "9.9.9"


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
    bootstrap = environment.cdk("bootstrap", "--app", "", f"aws://{DEV}/us-east-1")
    assert bootstrap.returncode == 0, bootstrap.stderr
    deploy(environment, {"dev": settings_of_dev(FIRST)}, "dev/*")
    yield environment
    running.stop()


@pytest.fixture(scope="module")
def inbox(environment: Environment) -> Inbox:
    """Of somebody whom the topic of builds tells."""
    inbox = inbox_of(environment.running)
    topic = parameter(environment, "builds/topic-arn")
    environment.running.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=inbox.arn)
    return inbox


@pytest.fixture(scope="module")
def prod(environment: Environment) -> Environment:
    """Another account that promotes what dev builds; it lives with a critical finding of dev's until yesterday."""
    config = environment.folder / "aws-config"
    profiles = {"dev": DEV, "prod": PROD}
    config.write_text(
        "".join(f"[profile {p}]\naws_access_key_id={a}\naws_secret_access_key=x\n" for p, a in profiles.items())
    )
    there = Environment(environment.running, environment.folder)
    there.variables |= {"AWS_ACCESS_KEY_ID": PROD, "AWS_CONFIG_FILE": str(config)}
    bootstrap = there.cdk("bootstrap", "--app", "", f"aws://{PROD}/us-east-1")
    assert bootstrap.returncode == 0, bootstrap.stderr
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    both = {"dev": settings_of_dev(SECOND), "prod": settings_of_prod(yesterday)}
    deploy(environment, both, "dev/Images", "prod/*")
    return there


def _digest(environment: Environment) -> str:
    """Of dev's image, as it is now."""
    return digests(environment)[-1].partition("@")[2]


def test_a_deployment_builds_its_images_and_does_not_wait_for_them(environment: Environment) -> None:
    # Given a deployment that has ended: then the builds that it has started end by themselves, one for each image
    for image in ("whisper", "inference"):
        assert builds(environment, image, 1) == ["SUCCEEDED"], build_lines(environment)
    assert [digest.partition("@")[0][-7:] for digest in digests(environment)] == ["none", "whisper"]
    # And none for an image of which the settings say that people build it
    assert builds(environment, "training", 0) == []


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
    assert job["AlgorithmSpecification"]["TrainingImage"] == digests(environment)[-1]
    tags = sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert {"Key": "hf-sagemaker:image", "Value": "whisper"} in tags
    (package,) = sagemaker.list_model_packages(ModelPackageGroupName="dev-text-classification")[
        "ModelPackageSummaryList"
    ]
    model = sagemaker.describe_model_package(ModelPackageName=package["ModelPackageArn"])
    assert model["CustomerMetadataProperties"]["training-image"] == "whisper"
    (container,) = model["InferenceSpecification"]["Containers"]
    assert container["Image"] == parameter(environment, "images/inference/digest")


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
    assert digests(environment)[-1].endswith(f"@{whisper['digest']}")
    assert whisper["used_by"] == ["requests of text-classification"]


def test_a_changed_requirement_gives_another_image_and_the_one_from_before_serves_until_then(
    environment: Environment,
) -> None:
    before = digests(environment)
    # When the same is deployed again, and then a changed requirement
    deploy(environment, {"dev": settings_of_dev(FIRST)}, "dev/Images")
    deploy(environment, {"dev": settings_of_dev(SECOND)}, "dev/Images")
    # Then one build was started for the change, and none for what was the same
    assert builds(environment, "whisper", 2) == ["SUCCEEDED"] * 2, build_lines(environment)
    assert builds(environment, "inference", 1) == ["SUCCEEDED"]
    # And nothing was between the two images
    *earlier, newest = digests(environment)
    assert earlier == before
    assert newest not in before


def test_a_build_that_fails_leaves_the_image_from_before_and_tells_people(
    environment: Environment, inbox: Inbox
) -> None:
    before = digests(environment)
    # When a version is deployed that does not exist
    deploy(environment, {"dev": settings_of_dev(MISSING)}, "dev/Images")
    # Then its build fails with pip's words in its log, and the environment goes on with the image that it has
    assert builds(environment, "whisper", 3)[0] == "FAILED"
    assert any(f"No matching distribution found for speechkit=={MISSING}" in line for line in build_lines(environment))
    assert digests(environment) == before
    # And people are told
    (message,) = until(inbox.messages, bool)
    assert "ended as FAILED" in message
    assert "goes on with the one from before" in message


def test_going_back_finds_the_image_and_builds_nothing(environment: Environment) -> None:
    before = digests(environment)
    deploy(environment, {"dev": settings_of_dev(SECOND)}, "dev/Images")
    assert builds(environment, "whisper", 4)[0] == "SUCCEEDED"
    assert any("is there already: nothing to build" in line for line in build_lines(environment))
    assert digests(environment) == [*before, before[-1]]


def test_a_day_and_an_announcement_together_start_one_build_of_a_moved_base(environment: Environment) -> None:
    # Given a base that has not moved: when a day is over, then the deployed rule makes the function look, in vain
    before, seen = len(builds(environment, "whisper", 4)), looks(environment)
    a_day_passes(environment)
    until(lambda: looks(environment), lambda count: count > seen)
    assert len(builds(environment, "whisper", before)) == before
    # When the base moves, and AWS announces it while another day is over
    old, seen = digests(environment), looks(environment)
    base_moves(environment)
    announce(environment)
    a_day_passes(environment)
    until(lambda: looks(environment), lambda count: count > seen + 1)
    # Then there is one build more, which made an image on the new base
    assert len(builds(environment, "whisper", before + 1)) == before + 1
    assert digests(environment)[-1] not in old
    # And the next day finds nothing to do
    seen = looks(environment)
    a_day_passes(environment)
    until(lambda: looks(environment), lambda count: count > seen)
    assert len(builds(environment, "whisper", before + 1)) == before + 1


def test_a_critical_finding_and_one_accepted_until_yesterday_block_promotion(prod: Environment) -> None:
    # Given two critical findings in dev's image, one of them accepted until yesterday
    find(prod, _digest(prod), FINDING, "CVE-2026-2")
    # When it is promoted
    code, said = promote(prod, "whisper")
    # Then it is refused, with both, and nothing runs
    assert code == 1
    assert f"{FINDING} (accepted until" in said
    assert "CVE-2026-2" in said
    assert (said_in_prod(prod, "digest"), said_in_prod(prod, "promotion")) == ("none", "none")


def test_what_is_accepted_today_is_promoted_by_its_digest_and_recorded(prod: Environment) -> None:
    # Given that the other finding is gone, and the accepted one has a day more
    digest = _digest(prod)
    find(prod, digest, FINDING)
    today = {"dev": settings_of_dev(SECOND), "prod": settings_of_prod(datetime.now(UTC).date())}
    deploy(prod, today, "prod/Images")
    # When both images are promoted
    code, said = promote(prod, "whisper")
    assert code == 0, said
    assert promote(prod, "inference")[0] == 0
    # Then prod runs dev's digest, and the record says since when and who asked
    assert said_in_prod(prod, "digest") == f"{DEV}.dkr.ecr.us-east-1.amazonaws.com/hf-sagemaker/dev/whisper@{digest}"
    record = json.loads(said_in_prod(prod, "promotion"))
    assert (record["digest"], record["from"], record["before"]) == (digest, "dev", "none")
    assert f":{PROD}:" in record["by"].replace("::", ":")


def test_a_job_of_the_other_account_runs_what_was_promoted_and_nothing_was_built_there(prod: Environment) -> None:
    # When a training job is started in prod
    request = prod.request(
        "promoted", source_dir=str(prod.folder / "source"), entry_point="mine.py", hyperparameters={}
    )
    done = prod.hfsm("train", str(request), "--env", "prod")
    assert done.returncode == 0, done.stdout + done.stderr
    # Then it ran dev's image
    sagemaker = prod.running.client("sagemaker", PROD)
    (job,) = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    described = sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
    assert described["AlgorithmSpecification"]["TrainingImage"] == said_in_prod(prod, "digest")
    # And prod has neither a repository nor a build
    assert prod.running.client("codebuild", PROD).list_projects()["projects"] == []
    names = [r["repositoryName"] for r in prod.running.client("ecr", PROD).describe_repositories()["repositories"]]
    assert [name for name in names if name.startswith("hf-sagemaker/")] == []


def test_operators_see_where_a_promoted_image_is_from(prod: Environment) -> None:
    done = prod.hfsm("images", "--env", "prod", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (whisper,) = [image for image in json.loads(done.stdout)["images"] if image["name"] == "whisper"]
    assert (whisper["promoted_from"], whisper["digest"]) == ("dev", _digest(prod))


def test_what_another_account_may_not_pull_it_cannot_run(prod: Environment) -> None:
    # Given dev's repository with its policy gone
    ecr = prod.running.client("ecr")
    policy = ecr.delete_repository_policy(repositoryName="hf-sagemaker/dev/whisper")["policyText"]
    # When a job is started in prod, then SageMaker may not pull
    try:
        done = prod.hfsm("train", str(prod.folder / "promoted.json"), "--env", "prod")
    finally:
        ecr.set_repository_policy(repositoryName="hf-sagemaker/dev/whisper", policyText=policy)
    assert done.returncode == 1
    assert "Access denied for repository: hf-sagemaker/dev/whisper" in " ".join((done.stdout + done.stderr).split())
