"""`hfsm build`: what it refuses, and what it says when a build does not succeed. tests/local really builds."""

from typing import Any

from hfsm.cloud import Cloud


def test_an_unknown_image_names_those_that_exist(hfsm: Any, image_project: Cloud) -> None:
    result = hfsm("build", "trainig")
    assert result.code == 2
    assert "dev has no image trainig. It has training." in result.err
    assert image_project.client("codebuild").list_builds()["ids"] == []


def test_an_environment_that_is_not_deployed_says_so(hfsm: Any, aws: Cloud) -> None:
    result = hfsm("build")
    assert result.code == 1
    assert "is the environment deployed?" in result.err


def test_a_build_that_pushed_nothing_is_a_failure(hfsm: Any, image_project: Cloud) -> None:
    # Given a build that says that it succeeded, and wrote down no digest
    result = hfsm("build")
    # Then that is no success
    assert result.code == 1
    assert "Image training was built, but its parameter says none" in result.err
