"""Build contexts: what goes into an image, and that it depends on nothing else."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Template

from hf_sagemaker import dlc_catalog
from hf_sagemaker.execution_roles import ExecutionRoles
from hf_sagemaker.extended_image import ExtendedImage
from hf_sagemaker.image_extension import ImageExtension, runtime_pins

OWN = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"


@pytest.fixture
def extension() -> ImageExtension:
    base = dlc_catalog.resolve("training", transformers="4.56.2", region="us-east-1")
    return ImageExtension(purpose="training", base=base)


@pytest.fixture
def own_dockerfile(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "Dockerfile").write_text(OWN)
    (folder / "data.txt").write_text("1")
    return folder / "Dockerfile"


def _written(extension: ImageExtension, folder: Path) -> dict[str, str]:
    """Path → content."""
    extension.write_context(folder)
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def _build(stack: Any, extension: ImageExtension) -> tuple[str, dict[str, Any]]:
    """(tag of the image, variables of the build)"""
    image = ExtendedImage(
        stack,
        "Image",
        extension=extension,
        repository_name="hf-sagemaker/dev/mine",
        keys=stack.keys,
        role=ExecutionRoles(stack, "Roles").building,
        artifacts=stack.buckets.builds,
        parameter_path="/hf-sagemaker/dev/images/mine",
    )
    (project,) = Template.from_stack(stack).find_resources("AWS::CodeBuild::Project").values()
    variables = project["Properties"]["Environment"]["EnvironmentVariables"]
    return image.tag, {variable["Name"]: variable["Value"] for variable in variables}


def test_nothing_added_is_the_runtime_alone(extension: ImageExtension, tmp_path: Path) -> None:
    files = _written(extension, tmp_path / "context")
    assert {path.split("/")[0] for path in files} == {"image_checks", "images", "training"}
    assert "training/entrypoint.py" in files
    assert "install_requirements" not in files["images/training/Dockerfile"]
    assert not [path for path in files if path.startswith(("inference", "images/inference")) or "__pycache__" in path]


def test_additions_follow_the_runtimes_own_instructions(extension: ImageExtension, tmp_path: Path) -> None:
    # Given packages of both kinds
    added = replace(extension, requirements=("soundfile==0.13.1",), apt_packages=("ffmpeg", "libsndfile1"))
    # When the context is written
    files = _written(added, tmp_path / "context")
    # Then Debian's are installed first, since Python's may need them
    _, _, instructions = files[added.dockerfile_path].partition("# What the settings of the environment add.\n")
    apt, copy, install = instructions.splitlines()
    assert apt.startswith(
        "RUN --mount=type=secret,id=apt.conf,target=/etc/apt/apt.conf.d/99proxy "
        "apt-get update && apt-get install --yes --no-install-recommends ffmpeg libsndfile1 && rm"
    )
    assert copy.startswith("COPY images/training/install_requirements.py images/training/added-requirements.txt ")
    assert install.endswith("install_requirements.py /opt/hf_sagemaker/added-requirements.txt")
    assert files["images/training/added-requirements.txt"] == "soundfile==0.13.1\n"


def test_a_base_of_another_major_version_keeps_its_libraries(tmp_path: Path) -> None:
    base = dlc_catalog.resolve("training", transformers="5.3.0", region="us-east-1")
    files = _written(ImageExtension(purpose="training", base=base), tmp_path / "context")
    assert files["images/training/requirements.txt"] == (
        "# transformers 5.3.0 and what goes with it are the base's own.\n"
    )


def test_the_server_is_put_over_a_base_that_keeps_its_libraries(tmp_path: Path) -> None:
    base = dlc_catalog.resolve("inference", transformers="5.5.3", region="us-east-1")
    files = _written(ImageExtension(purpose="inference", base=base), tmp_path / "context")
    assert "transformers==" not in files["images/inference/requirements.txt"]
    assert "uvicorn==" in files["images/inference/server-requirements.txt"]


def test_everybody_can_read_what_an_image_is_made_of(extension: ImageExtension, tmp_path: Path) -> None:
    # Given a checkout of somebody who keeps files to themselves
    before = os.umask(0o077)
    try:
        extension.write_context(tmp_path / "context")
    finally:
        os.umask(before)
    # Then the image's files are no secret to whoever runs in it
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "context").rglob("*")}
    assert modes <= {0o755, 0o644}


def test_what_is_added_decides_what_the_image_is_compatible_with(extension: ImageExtension) -> None:
    assert extension.described("mine").transformers == runtime_pins("training")["transformers"]
    assert replace(extension, requirements=("transformers==4.50.0",)).described("mine").transformers == "4.50.0"


def test_the_same_inputs_have_the_same_tag(new_stack: Any, extension: ImageExtension) -> None:
    added = replace(extension, requirements=("soundfile==0.13.1",))
    assert _build(new_stack(), added) == _build(new_stack(), added)


@pytest.mark.parametrize(
    "change",
    [
        {"requirements": ("soundfile==0.13.2",)},
        {"requirements": ()},
        {"apt_packages": ("ffmpeg",)},
        {"base": dlc_catalog.resolve("training", transformers="4.55.0", region="us-east-1")},
    ],
    ids=["another version", "none", "a package more", "another base"],
)
def test_another_input_has_another_tag(new_stack: Any, extension: ImageExtension, change: dict[str, Any]) -> None:
    before = replace(extension, requirements=("soundfile==0.13.1",))
    assert _build(new_stack(), before)[0] != _build(new_stack(), replace(before, **change))[0]


def test_a_file_beside_ones_own_dockerfile_is_an_input(
    new_stack: Any, extension: ImageExtension, own_dockerfile: Path
) -> None:
    mine = replace(extension, dockerfile=own_dockerfile)
    before, variables = _build(new_stack(), mine)
    own_dockerfile.with_name("data.txt").write_text("2")
    assert _build(new_stack(), mine)[0] != before
    assert variables["OWN_DOCKERFILE"] == "own/Dockerfile"
    assert "OWN_DOCKERFILE" not in _build(new_stack(), extension)[1]
