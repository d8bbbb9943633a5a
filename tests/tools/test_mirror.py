"""`hfsm mirror`, and models of the mirror in a training request. tests/local really brings some."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfsm.cloud import Cloud

FIRST, SECOND = "a" * 40, "b" * 40


@pytest.fixture
def mirror(deploy: Callable[..., Cloud]) -> Cloud:
    """dev, whose mirror has team/small at one commit, which is `main`, team/large at two, and half of a third."""
    aws = deploy()
    whole = [("team--small", FIRST), ("team--large", FIRST), ("team--large", SECOND)]
    keys = [f"hub/{folder}/{commit}.json" for folder, commit in whole]
    for key in (*keys, f"hub/team--small/{FIRST}/config.json", f"hub/team--half/{FIRST}/config.json"):
        aws.client("s3").put_object(Bucket="dev-models", Key=key, Body=b"{}")
    record = io.BytesIO(json.dumps({"commit": FIRST}).encode())
    aws.client("s3").put_object(Bucket="dev-models", Key="hub/team--small/refs/main.json", Body=record)
    return aws


def test_an_environment_whose_settings_name_no_model_says_so(hfsm: Any, deploy: Any) -> None:
    deploy()
    result = hfsm("mirror")
    assert result.code == 2
    assert "dev has no mirror. Name models under hub.models in environments/dev.yaml, and deploy." in result.err


def test_the_list_shows_whole_models_and_where_they_lie(hfsm: Any, mirror: Cloud) -> None:
    result = hfsm("mirror", "--list")
    assert result.code == 0
    assert f"s3://dev-models/hub/team--small/{FIRST}/" in result.out
    assert "team/large" in result.out
    assert "team/half" not in result.out


def test_an_empty_mirror_says_how_it_is_filled(hfsm: Any, deploy: Any) -> None:
    deploy()
    assert "`hfsm mirror` brings them" in hfsm("mirror", "--list").out


@pytest.mark.parametrize("name", ["hub/team/small", "hub/team/small@main", f"hub/team/small@{FIRST}"])
def test_a_request_gets_the_commit_of_its_model(
    hfsm: Any, mirror: Cloud, request_file: Callable[..., Path], name: str
) -> None:
    result = hfsm("train", request_file(model=name))
    assert result.code == 0, result.err
    step_functions = mirror.client("stepfunctions")
    machine = step_functions.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    (execution,) = step_functions.list_executions(stateMachineArn=machine)["executions"]
    sent = json.loads(step_functions.describe_execution(executionArn=execution["executionArn"])["input"])
    assert sent["model"] == f"hub/team/small@{FIRST}"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("team/small", "it must be hub/<namespace>/<name>@<revision>"),
        ("hub/team/half", "which the mirror of 'dev' does not have"),
        ("hub/team/small@other", "which the mirror of 'dev' does not have"),
        (f"hub/team/small@{SECOND}", "which the mirror of 'dev' does not have"),
        ("hub/team/large", "several commits are mirrored, write one of them"),
    ],
)
def test_a_model_that_is_not_there_starts_nothing(
    hfsm: Any, mirror: Cloud, request_file: Callable[..., Path], name: str, words: str
) -> None:
    result = hfsm("train", request_file(model=name))
    assert result.code == 2
    assert words in result.err
    # And nothing was uploaded before
    assert not mirror.client("s3").list_objects_v2(Bucket="dev-data").get("Contents")
