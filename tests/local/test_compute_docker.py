"""The `docker` of image builds does three things and says so of everything else."""

import io
from pathlib import Path

import pytest

from localcloud.images import docker

BASE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:2.8.0-gpu"


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LOCALCLOUD_IMAGE_STORE", str(tmp_path / "images"))
    monkeypatch.setenv("LOCALCLOUD_REQUIREMENTS", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compose"], "docker compose: not supported here; what is: login, build, run, push"),
        ([], "docker without a command: not supported here"),
        (["build", "--platform", "linux/amd64", "."], "docker build --platform: not supported here; what is: --file"),
        (["build"], "docker build: needs 1 operand(s), got 0"),
        (["build", "."], "there is no Dockerfile Dockerfile"),
        (["build", "--secret", "id=a,env=A", "."], "docker build --secret id=a,env=A: not supported here"),
        (["build", "--secret", "id=a,src=nothing", "."], "failed to stat nothing: no such file or directory"),
        (["push", "nothing:1"], "An image does not exist locally with the tag: nothing:1"),
        (["login", "registry"], "docker login: needs --username and --password-stdin"),
    ],
)
def test_what_it_does_not_do_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert docker.main(arguments) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["image"], "docker run: needs --rm and an image"),
        (["--rm", "--detach", "image"], "docker run --detach: not supported here"),
        (["--rm", "nothing:1"], "An image does not exist locally with the tag: nothing:1"),
    ],
)
def test_what_cannot_be_run_is_dockers_own_error(
    place: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Not 1, with which what runs in a container may end
    assert docker.main(["run", *arguments]) == 125
    assert message in capsys.readouterr().err


def test_a_private_base_image_needs_a_login(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "Dockerfile").write_text(f"FROM {BASE}\n")
    assert docker.main(["build", "."]) == 1
    assert "no basic auth credentials: `docker login 763104351884.dkr.ecr" in capsys.readouterr().err


def test_an_empty_password_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert docker.main(["login", "--username", "AWS", "--password-stdin", "registry"]) == 1
    assert "no password on standard input" in capsys.readouterr().err
