"""Builds run their buildspec as CodeBuild runs it."""

import os
from pathlib import Path
from typing import Any

import pytest

from localcloud.codebuild.buildspec import BuildspecError, parse
from localcloud.codebuild.shell import BuildShell, CommandFailure
from tests.local.compute_projects import Projects, until
from tests.local.embedded_aws import start_localcloud

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


@pytest.fixture(scope="module")
def projects(localcloud: Any) -> Projects:
    return Projects(localcloud)


@pytest.fixture
def shell(tmp_path: Path) -> tuple[BuildShell, list[str]]:
    lines: list[str] = []
    (tmp_path / "src/sub").mkdir(parents=True)
    return BuildShell(tmp_path / "src", tmp_path, lines.append), lines


def test_all_problems_of_a_buildspec_are_told_at_once() -> None:
    text = """
version: 0.1
artifacts: {}
env: {secrets-manager: {}}
phases:
  install: {runtime-versions: {python: 3.12, java: corretto21}}
  build: {commands: make, runtime-versions: {python: 3.12}}
  deploy: {}
"""
    with pytest.raises(BuildspecError) as error:
        parse(text)
    for problem in (
        "buildspec.artifacts is not supported",
        "version is 0.1: only 0.2 is supported",
        "phases.install.runtime-versions.java is not supported",
        "phases.build.runtime-versions is not supported",
        "phases.build.commands is not a list of strings",
        "phases.deploy is not supported",
        "env.secrets-manager is not supported",
    ):
        assert problem in str(error.value)


def test_what_a_command_sets_the_next_phase_sees(shell: tuple[BuildShell, list[str]]) -> None:
    # Given a phase that changes the folder and sets variables
    build_shell, lines = shell
    assert build_shell.run(["cd sub", "export A='one two'", "B=three"], ENVIRONMENT, {}, 30) is None

    # When the next one looks
    failure = build_shell.run(['echo "$A $B ${PWD##*/} $CHANGED"'], ENVIRONMENT, {"CHANGED": "yes"}, 30)

    # Then they are there
    assert failure is None
    assert lines[-1] == "one two three sub yes"


def test_a_phase_ends_with_its_first_failing_command(shell: tuple[BuildShell, list[str]]) -> None:
    build_shell, lines = shell
    failure = build_shell.run(["echo before", "false", "echo after"], ENVIRONMENT, {}, 30)
    assert failure == CommandFailure("false", 1)
    assert "before" in lines
    assert "after" not in lines


def test_exit_ends_the_phase_and_not_the_build(shell: tuple[BuildShell, list[str]]) -> None:
    build_shell, lines = shell
    assert build_shell.run(["exit 3"], ENVIRONMENT, {}, 30) == CommandFailure("exit 3", 3)
    assert build_shell.run(["echo still here"], ENVIRONMENT, {}, 30) is None
    assert lines[-1] == "still here"


def test_a_phase_that_takes_too_long_is_killed(shell: tuple[BuildShell, list[str]]) -> None:
    build_shell, _ = shell
    with pytest.raises(TimeoutError):
        build_shell.run(["sleep 60"], ENVIRONMENT, {}, 0.5)


def test_a_build_makes_an_image_that_ecr_has_and_a_second_one_the_same(projects: Projects) -> None:
    # Given a project whose Dockerfile extends a Deep Learning Container
    dockerfile = "ARG BASE_IMAGE\nFROM $BASE_IMAGE\nCOPY a.txt /opt/\n"
    name, image = projects.create({"Dockerfile": dockerfile, "a.txt": "a"})

    # When it is built twice
    first, second = projects.build(name), projects.build(name)

    # Then both succeed, immutable tag or not, and ECR has one image
    assert [record["buildStatus"] for record in (first, second)] == ["SUCCEEDED", "SUCCEEDED"], projects.log(second)
    repository, _, tag = image.partition("/")[2].rpartition(":")
    details = projects.ecr.describe_images(repositoryName=repository)["imageDetails"]
    assert [detail["imageTags"] for detail in details] == [[tag]]
    assert f"digest: {details[0]['imageDigest']}" in "\n".join(projects.log(second))
    phases = {phase["phaseType"]: phase.get("phaseStatus") for phase in second["phases"]}
    assert phases["PRE_BUILD"] == phases["BUILD"] == phases["POST_BUILD"] == "SUCCEEDED"


def test_another_image_under_an_immutable_tag_is_refused(projects: Projects) -> None:
    # Given a pushed image, and then other content under the same tag
    dockerfile = "ARG BASE_IMAGE\nFROM $BASE_IMAGE\nLABEL version={}\n"
    name, _ = projects.create({"Dockerfile": dockerfile.format(1)})
    assert projects.build(name)["buildStatus"] == "SUCCEEDED"
    projects.put_source(name, {"Dockerfile": dockerfile.format(2)})

    # When it is built
    record = projects.build(name)

    # Then the push fails, and says why
    assert record["buildStatus"] == "FAILED"
    log = "\n".join(projects.log(record))
    assert "ERROR: tag invalid: The image tag '1' already exists" in log, log


def test_after_a_failed_build_post_build_runs_and_knows(projects: Projects) -> None:
    # Given a build that fails
    buildspec = """
version: 0.2
env:
  variables: {GREETING: weak, OTHER: kept}
phases:
  build:
    commands: ["echo building $GREETING $OTHER $CODEBUILD_BUILD_SUCCEEDING", "ls missing-file", "echo never"]
  post_build:
    commands: ["echo succeeding=$CODEBUILD_BUILD_SUCCEEDING"]
"""
    name, _ = projects.create({"Dockerfile": ""}, buildspec=buildspec)

    # When it runs with a variable given at its start
    record = projects.build(name, environmentVariablesOverride=[{"name": "GREETING", "value": "strong"}])

    # Then it failed at that command, and what came after it knew
    assert record["buildStatus"] == "FAILED"
    build = next(phase for phase in record["phases"] if phase["phaseType"] == "BUILD")
    assert build["phaseStatus"] == "FAILED"
    context = {
        "statusCode": "COMMAND_EXECUTION_ERROR",
        "message": "Error while executing command: ls missing-file. Reason: exit status 2",
    }
    assert build["contexts"] == [context]
    log = projects.log(record)
    assert "building strong kept 1" in log
    assert "succeeding=0" in log
    assert "never" not in log


def test_after_a_failed_pre_build_nothing_runs(projects: Projects) -> None:
    buildspec = "version: 0.2\nphases:\n  pre_build: {commands: ['false']}\n  post_build: {commands: ['echo ran']}\n"
    name, _ = projects.create({"Dockerfile": ""}, buildspec=buildspec)
    record = projects.build(name)
    assert record["buildStatus"] == "FAILED"
    assert "ran" not in projects.log(record)


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        ("ARG BASE_IMAGE\nFROM python:3.12\n", "line 2: FROM: the image 'python:3.12' is not known here"),
        ("ARG BASE_IMAGE\nFROM $BASE_IMAGE\nRUN make\n", "line 3: RUN: only `pip install ...` and `python /...`"),
        ("ARG BASE_IMAGE\nFROM $BASE_IMAGE\nRUN pip install --no-index no-such-package\n", "No matching distribution"),
    ],
)
def test_a_dockerfile_that_cannot_be_built_fails_with_the_reason(
    projects: Projects, dockerfile: str, words: str
) -> None:
    name, _ = projects.create({"Dockerfile": dockerfile})
    record = projects.build(name)
    assert record["buildStatus"] == "FAILED"
    assert words in "\n".join(projects.log(record))


def test_an_unknown_docker_command_fails_the_build(projects: Projects) -> None:
    buildspec = "version: 0.2\nphases:\n  build: {commands: ['docker compose up']}\n"
    name, _ = projects.create({"Dockerfile": ""}, buildspec=buildspec)
    record = projects.build(name)
    assert record["buildStatus"] == "FAILED"
    assert "ERROR: docker compose: not supported here; what is: login, build, run, push" in projects.log(record)


def test_missing_source_fails_the_download(projects: Projects) -> None:
    name, _ = projects.create({"Dockerfile": ""})
    record = projects.build(name, sourceLocationOverride=f"{projects.bucket}/nothing.zip")
    assert record["buildStatus"] == "FAILED"
    failed = [phase["phaseType"] for phase in record["phases"] if phase.get("phaseStatus") == "FAILED"]
    assert failed == ["DOWNLOAD_SOURCE"]


def test_a_build_can_be_stopped(projects: Projects) -> None:
    # Given a build that takes long
    buildspec = "version: 0.2\nphases:\n  build: {commands: ['echo begun', 'sleep 600']}\n"
    name, _ = projects.create({"Dockerfile": ""}, buildspec=buildspec)
    identifier = projects.codebuild.start_build(projectName=name)["build"]["id"]
    until(lambda: projects.log(projects.record(identifier)), lambda lines: "begun" in lines)

    # When it is stopped
    projects.codebuild.stop_build(id=identifier)

    # Then it ends
    record = until(lambda: projects.record(identifier), lambda record: record["buildComplete"], seconds=30)
    assert record["buildStatus"] == "STOPPED"


def test_a_token_starts_one_build_and_none_with_other_parameters(projects: Projects) -> None:
    # Given a build that was started with a token
    name, _ = projects.create({"Dockerfile": ""}, buildspec="version: 0.2\nphases:\n  build: {commands: [true]}\n")
    first = projects.codebuild.start_build(projectName=name, idempotencyToken="a")["build"]["id"]
    # When it is started again with that token, then it is the same build
    assert projects.codebuild.start_build(projectName=name, idempotencyToken="a")["build"]["id"] == first
    # And another token, or none, is another one
    tokens: list[dict[str, str]] = [{"idempotencyToken": "b"}, {}]
    others = [projects.codebuild.start_build(projectName=name, **token)["build"]["id"] for token in tokens]
    assert len({first, *others}) == 3
    # And the builds of a project are listed by their age, the newest first
    ages = [first, *others]
    assert projects.codebuild.list_builds_for_project(projectName=name)["ids"] == ages[::-1]
    assert projects.codebuild.list_builds_for_project(projectName=name, sortOrder="ASCENDING")["ids"] == ages
    # And other parameters are refused
    with pytest.raises(projects.codebuild.exceptions.InvalidInputException, match="idempotency token"):
        projects.codebuild.start_build(projectName=name, idempotencyToken="a", timeoutInMinutesOverride=5)


def test_no_build_outlives_the_server(tmp_path: Path) -> None:
    # Given a server with a build that takes long
    running = start_localcloud(tmp_path / "cloud")
    projects = Projects(running)
    buildspec = "version: 0.2\nphases:\n  build: {commands: ['echo $$ > %s', 'sleep 600']}\n" % (tmp_path / "pid")
    name, _ = projects.create({"Dockerfile": ""}, buildspec=buildspec)
    projects.codebuild.start_build(projectName=name)
    pid = int(until(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text().strip(), bool))
    # When the server is stopped
    assert running.stop() == 0
    # Then the build's processes are gone
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
