"""The contexts that the library writes for its images, built as CodeBuild builds them, over a small base."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hf_sagemaker import dlc_catalog
from hf_sagemaker.image_extension import ImageExtension
from localcloud.images import deep_learning_containers
from localcloud.images.build import ImageBuild
from localcloud.images.container import Container
from localcloud.images.deep_learning_containers import InstallationError
from localcloud.images.dockerfile import DockerfileError
from localcloud.images.store import Image, ImageConfig, ImageStore, key_of
from tests.local.wheels import write_wheel

# Of another major version than the runtime's own: the base keeps its libraries, and nothing is downloaded.
BASE = dlc_catalog.resolve("training", transformers="5.3.0", region="us-east-1")

Builder = Callable[..., Image]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    return ImageStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def small_base(store: ImageStore, tmp_path_factory: pytest.TempPathFactory) -> ImageConfig:
    """A base image with a torch that is none, and with version 1.0 of a package."""
    wheels = tmp_path_factory.mktemp("base")
    installed = [write_wheel(wheels, "1.0", "from the base"), write_wheel(wheels, "1.0", "the base's", name="torch")]
    key = key_of("small base of extensions")

    def make(folder: Path) -> None:
        venv = folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/python", "-m", "pip", "install", "-q", "--no-index", *installed], check=True)

    store.layer(key, make)
    return ImageConfig(layers=(key,), venv=key, cmd=("train",))


@pytest.fixture
def docker_build(
    monkeypatch: pytest.MonkeyPatch, store: ImageStore, small_base: ImageConfig, tmp_path: Path
) -> Builder:
    """Writes the context of an extension and builds it; pip finds wheels in the folder `wheels` and nowhere else."""
    monkeypatch.setattr(deep_learning_containers, "base", lambda *_: small_base)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))

    def run(extension: ImageExtension, lines: list[str] | None = None) -> Image:
        context = tmp_path / "context"
        extension.write_context(context)

        def build(dockerfile: str, base: str, folder: Path) -> Image:
            return ImageBuild(
                store=store,
                requirements_dir=context,
                context=folder,
                dockerfile=context / dockerfile,
                build_args={"BASE_IMAGE": base},
                report=lines.append if lines is not None else print,
            ).run()

        image = build(extension.dockerfile_path, extension.base.uri, context)
        if not extension.own_dockerfile_path:
            return image
        store.tag("extended:1", image)
        return build(extension.own_dockerfile_path, "extended:1", context / "own")

    return run


def says(image: Image, folder: Path, code: str) -> list[str]:
    """What Python says in a container of the image."""
    lines: list[str] = []
    container = Container(image, folder)
    container.create()
    try:
        container.start([], {}, lines.append, entrypoint=["python", "-c", code])
        assert container.wait(60) == 0, lines
    finally:
        container.remove()
    return lines


def test_what_the_settings_add_is_in_the_image(docker_build: Builder, tmp_path: Path) -> None:
    # Given a requirement which depends on something that the base lacks
    write_wheel(tmp_path / "wheels", "2.0", "added", requires="helper")
    write_wheel(tmp_path / "wheels", "3.0", "along with it", name="helper")
    # When an image with it is built
    image = docker_build(ImageExtension(purpose="training", base=BASE, requirements=("greeting==2.0",)))
    # Then both are there
    code = "import greeting, helper; print(greeting.WORD, helper.WORD)"
    assert says(image, tmp_path / "container", code) == ["added along with it"]
    # And so is the project's own code, which is what it starts
    assert image.config.entrypoint == ("python", "/opt/hf_sagemaker/training/entrypoint.py")


def test_a_requirement_that_wants_another_torch_fails_the_build(docker_build: Builder, tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels", "2.1", "added", requires="torch==2.0")
    write_wheel(tmp_path / "wheels", "2.0", "another", name="torch")
    lines: list[str] = []
    with pytest.raises(InstallationError):
        docker_build(ImageExtension(purpose="training", base=BASE, requirements=("greeting==2.1",)), lines)
    assert any("torch==1.0" in line for line in lines), lines


def test_a_dockerfile_of_ones_own_goes_on_from_all_of_it(docker_build: Builder, tmp_path: Path) -> None:
    # Given a Dockerfile with a file beside it
    own = tmp_path / "own image"
    own.mkdir()
    (own / "Dockerfile").write_text(
        "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY words.txt /opt/words.txt\nENV WORDS=/opt/words.txt\n"
    )
    (own / "words.txt").write_text("beside it")
    write_wheel(tmp_path / "wheels", "2.2", "added")
    # When an image is built with it
    extension = ImageExtension(
        purpose="training", base=BASE, requirements=("greeting==2.2",), dockerfile=own / "Dockerfile"
    )
    image = docker_build(extension)
    # Then it has what the settings add, and what the Dockerfile adds
    code = "import greeting, os, pathlib; print(greeting.WORD, pathlib.Path(os.environ['WORDS']).read_text())"
    assert says(image, tmp_path / "container", code) == ["added beside it"]


def test_debian_packages_are_refused_with_the_reason(docker_build: Builder) -> None:
    extension = ImageExtension(purpose="training", base=BASE, apt_packages=("ffmpeg",))
    with pytest.raises(DockerfileError, match=r"line \d+: RUN: Debian packages cannot be installed here, .* ffmpeg"):
        docker_build(extension)
