"""What the images are made of, read as Docker would."""

import re
from pathlib import Path

import pytest

from localcloud.images.dockerfile import Instruction, parse

IMAGES = ("training", "inference")


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def instructions(runtime: Path, image: str) -> list[Instruction]:
    return parse((runtime / f"images/{image}/Dockerfile").read_text())


def _locked(runtime: Path, image: str) -> dict[str, str]:
    lock = (runtime / f"images/{image}/requirements.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))


def test_it_extends_whatever_base_it_is_given(instructions: list[Instruction]) -> None:
    assert [str(i) for i in instructions[:2]] == ["ARG BASE_IMAGE", "FROM ${BASE_IMAGE}"]


def test_it_copies_only_what_its_build_context_holds(
    instructions: list[Instruction], image: str, runtime: Path
) -> None:
    sources = [i.text.split()[0] for i in instructions if i.name == "COPY"]

    assert sources == [f"images/{image}/requirements.txt", f"{image}/"]
    assert all((runtime / source).exists() for source in sources)


def test_it_installs_nothing_without_a_hash_and_no_dependencies(instructions: list[Instruction]) -> None:
    (install,) = [i.text for i in instructions if i.name == "RUN"]

    assert install.startswith("--mount=type=secret,id=pip.conf pip install ")
    assert {"--no-deps", "--require-hashes"} <= set(install.split())


def test_it_starts_code_that_it_has(instructions: list[Instruction], image: str, runtime: Path) -> None:
    (entrypoint,) = [i.exec_form() for i in instructions if i.name == "ENTRYPOINT"]
    prefix = "/opt/hf_sagemaker/"

    assert entrypoint[0] == "python"
    assert entrypoint[1].startswith(f"{prefix}{image}/")
    assert (runtime / entrypoint[1].removeprefix(prefix)).is_file()


def test_torch_stays_the_bases_own(image: str, runtime: Path) -> None:
    locked = _locked(runtime, image)

    assert "transformers" in locked
    assert not [name for name in locked if name.startswith(("torch", "nvidia-", "cuda-", "triton", "numpy"))]


def test_both_images_have_the_same_transformers(runtime: Path) -> None:
    training, inference = (_locked(runtime, image) for image in IMAGES)

    assert {name: training[name] for name in inference} == inference
