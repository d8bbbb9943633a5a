"""What the images are made of, read as Docker would."""

import json
import re
from pathlib import Path

import pytest

from hf_sagemaker.serving import Serving
from localcloud.images.dockerfile import Instruction, parse

IMAGES = ("training", "inference")


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def instructions(runtime: Path, image: str) -> list[Instruction]:
    return parse((runtime / f"images/{image}/Dockerfile").read_text())


def _locked(runtime: Path, image: str, lock: str = "requirements") -> dict[str, str]:
    text = (runtime / f"images/{image}/{lock}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def test_it_extends_whatever_base_it_is_given(instructions: list[Instruction]) -> None:
    assert [str(i) for i in instructions[:2]] == ["ARG BASE_IMAGE", "FROM ${BASE_IMAGE}"]


def test_it_copies_only_what_its_build_context_holds(
    instructions: list[Instruction], image: str, runtime: Path
) -> None:
    sources = [source for i in instructions if i.name == "COPY" for source in i.text.split()[:-1]]

    assert {f"images/{image}/requirements.txt", f"{image}/"} <= set(sources)
    assert all((runtime / source).exists() for source in sources)


def test_it_installs_nothing_without_a_hash_and_no_dependencies(instructions: list[Instruction]) -> None:
    (install,) = [i.text for i in instructions if i.name == "RUN"]

    assert install.startswith("--mount=type=secret,id=pip.conf pip install ")
    assert {"--no-deps", "--require-hashes"} <= set(install.split())


def test_it_installs_every_lock_that_it_has(instructions: list[Instruction], image: str, runtime: Path) -> None:
    (install,) = [i.text for i in instructions if i.name == "RUN"]
    locks = {lock.name for lock in (runtime / f"images/{image}").glob("*.txt")}

    assert set(re.findall(r"--requirement /opt/hf_sagemaker/(\S+)", install)) == locks


def test_it_starts_code_that_it_has(instructions: list[Instruction], image: str, runtime: Path) -> None:
    (entrypoint,) = [i.exec_form() for i in instructions if i.name == "ENTRYPOINT"]
    prefix = "/opt/hf_sagemaker/"

    assert entrypoint[0] == "python"
    for program in entrypoint[1:]:
        assert program.startswith(f"{prefix}{image}/")
        assert (runtime / program.removeprefix(prefix)).is_file()


def test_torch_stays_the_bases_own(image: str, runtime: Path) -> None:
    locked = _locked(runtime, image)

    assert "transformers" in locked
    assert not [name for name in locked if name.startswith(("torch", "nvidia-", "cuda-", "triton", "numpy"))]


def test_both_images_have_the_same_transformers(runtime: Path) -> None:
    training, inference = (_locked(runtime, image) for image in IMAGES)

    assert {name: training[name] for name in inference} == inference


def test_what_the_server_is_made_of_replaces_nothing_that_transformers_needs(runtime: Path) -> None:
    server, libraries = (_locked(runtime, "inference", lock) for lock in ("server-requirements", "requirements"))

    assert {"uvicorn", "httptools", "uvloop"} <= set(server)
    assert not set(server) & set(libraries)


def test_the_settings_of_a_checkout_are_the_defaults(runtime: Path) -> None:
    settings = (runtime / "images/inference/image_settings.json").read_text()

    assert json.loads(settings) == json.loads(Serving().as_json())
