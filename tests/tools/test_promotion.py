"""`hfsm images promote`: what is refused before anything is asked for. What is decided is in tests/functions."""

import json
from typing import Any

import pytest

from hfsm.cloud import Cloud

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
REPOSITORY = "hf-sagemaker/dev/training"
URI = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{REPOSITORY}"


@pytest.fixture
def promoting(aws: Cloud) -> Cloud:
    """dev with an image of its own, and prod in the same account, which runs an older one of dev's."""
    rules = {"environment": "dev", "account": "123456789012", "repository": REPOSITORY}
    aws.client("ecr").create_repository(repositoryName=REPOSITORY)
    for name, value in {
        "dev/images/training/digest": f"{URI}@{NEW}",
        "dev/images/training/project": "dev-training",
        "dev/images/new/digest": "none",
        "prod/images/training/digest": f"{URI}@{OLD}",
        "prod/images/training/promotion-rules": json.dumps(rules),
        "prod/images/training/promotion-request": "none",
        "prod/images/new/digest": "none",
        "prod/images/new/promotion-rules": json.dumps(rules),
    }.items():
        aws.client("ssm").put_parameter(Name=f"/hf-sagemaker/{name}", Value=value, Type="String")
    return aws


def test_what_would_change_is_shown_and_without_a_yes_nothing_is_asked(
    hfsm: Any, promoting: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.confirm", lambda question: False)
    result = hfsm("images", "promote", "training", "--to", "prod")
    assert result.code == 1
    assert [line.split()[:2] for line in result.out.splitlines()[1:3]] == [["now", OLD], ["then", NEW]]
    request = promoting.client("ssm").get_parameter(Name="/hf-sagemaker/prod/images/training/promotion-request")
    assert request["Parameter"]["Value"] == "none"


def test_what_runs_already_is_not_asked_for(hfsm: Any, promoting: Cloud) -> None:
    result = hfsm("images", "promote", "training", "--to", "prod", "--digest", OLD, "--yes")
    assert result.code == 0
    assert f"training of prod is {OLD} already." in result.out


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["inference", "--to", "prod"], 2, "prod promotes no image inference. It promotes new, training:"),
        (["training", "--to", "dev"], 2, "dev promotes no image training. It promotes none:"),
        (["training", "--to", "prod", "--from", "test"], 2, "prod takes training from dev, and not from test"),
        (["new", "--to", "prod"], 1, "dev has not built new yet: hfsm build new --env dev"),
    ],
)
def test_what_cannot_be_promoted_says_why(
    hfsm: Any, promoting: Cloud, arguments: list[str], code: int, reason: str
) -> None:
    result = hfsm("images", "promote", *arguments, "--yes")
    assert (result.code, reason in result.err) == (code, True), result.err


def test_a_promoted_image_is_listed_with_its_source_and_is_not_built(hfsm: Any, promoting: Cloud) -> None:
    (listed,) = [i for i in json.loads(hfsm("images", "--env", "prod", "--json").out)["images"] if i["name"] == "new"]
    assert (listed["promoted_from"], listed["digest"], listed["base"]) == ("dev", None, None)
    result = hfsm("build", "training", "--env", "prod")
    assert result.code == 2
    assert "prod does not build training" in result.err
