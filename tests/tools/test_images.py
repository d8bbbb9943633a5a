"""`hfsm images` and `hfsm images update`: what is listed, and what a pin's change looks like before it is made."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from hf_sagemaker.image_lock import Pin, lock_text, read_lock
from hfsm.cloud import Cloud
from hfsm.image_list import age_text, scan_findings

MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"digest": "sha256:" + "1" * 64},
        "layers": [],
    }
)
OLD = Pin(purpose="training", processor="gpu", transformers="4.56.2", pytorch="2.8.0")
NEW = Pin(purpose="training", processor="gpu", transformers="5.3.0", pytorch="2.9.0")


@pytest.fixture
def pushed(image_project: Cloud, put_parameters: Any) -> Cloud:
    """The environment's image is in its repository; a job type and an endpoint use images."""
    image = image_project.client("ecr").put_image(
        repositoryName="hf-sagemaker/dev/training", imageTag="abc-1", imageManifest=MANIFEST
    )["image"]
    image_project.client("ssm").put_parameter(
        Name="/hf-sagemaker/dev/images/training/digest",
        Value=f"hub/hf-sagemaker/dev/training@{image['imageId']['imageDigest']}",
        Overwrite=True,
    )
    put_parameters(
        {
            "training/text/image": "training",
            "training/text/inference-image": "inference",
            "inference/sentiment/image": "inference",
        }
    )
    return image_project


def test_an_image_is_listed_with_all_that_is_known_of_it(hfsm: Any, pushed: Cloud) -> None:
    # When the images are listed for a program
    result = hfsm("images", "--json")
    # Then everything is there, and what was not scanned is not called clean
    assert result.code == 0, result.err
    (image,) = json.loads(result.out)["images"]
    assert image["name"] == "training"
    assert image["base"] == "huggingface-pytorch-training:2.8.0-transformers4.56.2"
    assert image["tag"] == "abc"
    assert image["digest"].startswith("sha256:")
    assert image["used_by"] == ["job type text"]
    assert image["findings"] is None
    # And for people
    line = next(line for line in hfsm("images").out.splitlines() if line.startswith("training"))
    for part in ("huggingface-pytorch-training:2.8.0", "abc", "sha256:", "now", "not scanned", "job type text"):
        assert part in line


def test_an_image_that_was_never_built_says_how(hfsm: Any, image_project: Cloud) -> None:
    result = hfsm("images", "--env", "dev")
    assert "not built" in result.out
    assert "hfsm build --env dev" in result.out


def test_an_environment_that_is_not_deployed_says_so(hfsm: Any, aws: Cloud) -> None:
    result = hfsm("images")
    assert result.code == 1
    assert "is the environment deployed?" in result.err


def test_findings_are_counted_by_severity_worst_first() -> None:
    described = {
        "imageScanStatus": {"status": "COMPLETE"},
        "imageScanFindingsSummary": {"findingSeverityCounts": {"LOW": 9, "CRITICAL": 1, "HIGH": 0}},
    }
    assert list((scan_findings(described) or {}).items()) == [("CRITICAL", 1), ("LOW", 9)]
    assert scan_findings({"imageScanStatus": {"status": "COMPLETE"}}) == {}
    assert scan_findings({"imageScanStatus": {"status": "FAILED"}}) is None


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=59), "now"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(hours=5), "5 hours"),
        (timedelta(days=40), "40 days"),
    ],
)
def test_an_age_is_in_its_largest_unit(age: timedelta, text: str) -> None:
    assert age_text(age) == text


@pytest.fixture
def environments(tmp_path: Path) -> Callable[..., Path]:
    """A folder of settings: environment → transformers version of its one image, and pins that are there already."""

    def write(pins: dict[str, dict[str, Pin]] | None = None, **versions: str) -> Path:
        for name, version in versions.items():
            base = {"purpose": "training", "transformers": version}
            content = {"region": "us-east-1", "images": [{"name": "speech", "base": base}]}
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
        (tmp_path / "organization.yaml").write_text("account: '1'\n")
        if pins:
            (tmp_path / "images.lock.json").write_text(lock_text(pins))
        return tmp_path

    return write


def test_the_difference_is_shown_before_the_file_changes(hfsm: Any, environments: Any) -> None:
    # Given an old pin, an image that had none, and one whose settings name a version now
    folder = environments({"dev": {"speech": OLD}, "old": {"speech": OLD}}, dev="latest", prod="latest", old="4.56.2")
    # When the pins are renewed
    result = hfsm("images", "update", "--environments", folder, "--yes")
    # Then each change is a line, and the file says so
    assert result.code == 0, result.err
    assert result.out.splitlines()[:3] == [
        "dev / speech: transformers 4.56.2, PyTorch 2.8.0 → transformers 5.3.0, PyTorch 2.9.0",
        "old / speech: transformers 4.56.2, PyTorch 2.8.0 goes: the settings do not say `latest` any more",
        "prod / speech: transformers 5.3.0, PyTorch 2.9.0 (new)",
    ]
    assert read_lock(folder / "images.lock.json") == {"dev": {"speech": NEW}, "prod": {"speech": NEW}}
    # And a second time there is nothing to do
    assert "is current" in hfsm("images", "update", "--environments", folder).out


def test_one_environment_goes_before_the_others(hfsm: Any, environments: Any) -> None:
    folder = environments({"dev": {"speech": OLD}, "prod": {"speech": OLD}}, dev="latest", prod="latest")
    assert hfsm("images", "update", "dev", "--environments", folder, "--yes").code == 0
    assert read_lock(folder / "images.lock.json") == {"dev": {"speech": NEW}, "prod": {"speech": OLD}}


def test_without_a_yes_nothing_changes(hfsm: Any, environments: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = environments({"dev": {"speech": OLD}}, dev="latest")
    monkeypatch.setattr("typer.confirm", lambda question: False)
    result = hfsm("images", "update", "--environments", folder)
    assert result.code == 1
    assert "→ transformers 5.3.0" in result.out
    assert read_lock(folder / "images.lock.json") == {"dev": {"speech": OLD}}


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("dev.yaml", "images: [", "dev.yaml: is no environment file; `make synth` says what is wrong"),
        ("dev.yaml", "- a\n", "dev.yaml: is no environment file"),
        ("images.lock.json", "{}", "images.lock.json: is no lock file of images"),
    ],
)
def test_a_broken_file_is_named(hfsm: Any, environments: Any, file: str, text: str, reason: str) -> None:
    folder = environments(dev="latest")
    (folder / file).write_text(text)
    result = hfsm("images", "update", "--environments", folder, "--yes")
    assert result.code == 2
    assert reason in result.err


def test_an_unknown_environment_names_those_that_exist(hfsm: Any, environments: Any) -> None:
    result = hfsm("images", "update", "dvv", "--environments", environments(dev="latest"))
    assert result.code == 2
    assert "has no environment dvv. It has dev." in result.err


def test_an_image_that_is_not_published_there_cannot_be_pinned(hfsm: Any, environments: Any) -> None:
    folder = environments(dev="latest")
    (folder / "dev.yaml").write_text((folder / "dev.yaml").read_text().replace("us-east-1", "eusc-de-east-1"))
    result = hfsm("images", "update", "--environments", folder, "--yes")
    assert result.code == 1
    assert "dev: image speech cannot be pinned: no Hugging Face training image for gpu" in result.err
