"""Images: layers made once, digests that depend on content alone, and no half-built layer ever used."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from localcloud.images import deep_learning_containers
from localcloud.images.build import ImageBuild
from localcloud.images.container import Container
from localcloud.images.deep_learning_containers import InstallationError
from localcloud.images.dockerfile import DockerfileError
from localcloud.images.store import Image, ImageConfig, ImageStore, UnknownImageError, key_of, manifest_of
from tests.local.wheels import write_wheel

BASE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:2.8.0-gpu"
EXTENSION = f"""
ARG BASE={BASE}
FROM $BASE
COPY wheels/ /wheels/
RUN pip install --no-index --no-deps --find-links /wheels greeting==2.0
COPY code/ /opt/code/
ENV PROGRAM=/opt/code/main.py PLAIN=text
ENTRYPOINT ["python", "/opt/code/main.py"]
"""

Builder = Callable[..., Image]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    return ImageStore(tmp_path_factory.mktemp("image store"))  # a path with a blank in it


@pytest.fixture(scope="module")
def small_base(store: ImageStore, tmp_path_factory: pytest.TempPathFactory) -> ImageConfig:
    """A base image that carries version 1.0 of a package, and no torch."""
    key = key_of("small base")
    wheel = write_wheel(tmp_path_factory.mktemp("base"), "1.0", "from the base")

    def make(folder: Path) -> None:
        venv = folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/python", "-m", "pip", "install", "-q", "--no-index", wheel], check=True)

    store.layer(key, make)
    return ImageConfig(layers=(key,), venv=key, cmd=("train",))


@pytest.fixture
def context(tmp_path: Path) -> Path:
    write_wheel(tmp_path / "wheels", "2.0", "from the extension")
    (tmp_path / "code").mkdir()
    (tmp_path / "code/main.py").write_text("import greeting\nprint(greeting.WORD)\n")
    (tmp_path / "Dockerfile").write_text(EXTENSION)
    return tmp_path


@pytest.fixture
def docker_build(monkeypatch: pytest.MonkeyPatch, store: ImageStore, small_base: ImageConfig, context: Path) -> Builder:
    """Builds the context, on the small base instead of a Deep Learning Container; lines go to the given list."""
    monkeypatch.setattr(deep_learning_containers, "base", lambda *_: small_base)

    def run(lines: list[str] | None = None, **build_args: str) -> Image:
        report = lines.append if lines is not None else print
        return ImageBuild(
            store=store,
            requirements_dir=context,
            context=context,
            dockerfile=context / "Dockerfile",
            build_args=build_args,
            report=report,
        ).run()

    return run


def output_of(image: Image, folder: Path, command: list[str], entrypoint: list[str] | None = None) -> list[str]:
    """What a container of the image prints."""
    lines: list[str] = []
    container = Container(image, folder)
    container.create()
    try:
        container.start(command, {}, lines.append, entrypoint=entrypoint)
        assert container.wait(60) == 0, lines
    finally:
        container.remove()
    return lines


def test_the_extension_wins_over_the_base(docker_build: Builder, tmp_path: Path) -> None:
    # Given an image that installs 2.0 of what its base has in 1.0
    image = docker_build()

    # When its own entry point runs, and when a program that pip wrote runs
    started = output_of(image, tmp_path / "container", ["train"])
    program = output_of(image, tmp_path / "container", [], entrypoint=["greet"])

    # Then both are the extension's
    assert started == program == ["from the extension"]


def test_the_base_is_left_as_it_was(docker_build: Builder, store: ImageStore, small_base: ImageConfig) -> None:
    # Given that an image was built upon it
    docker_build()

    # When the base's own interpreter looks
    assert small_base.venv
    python = store.folder(small_base.venv) / "venv/bin/python"
    word = subprocess.run([python, "-c", "import greeting; print(greeting.WORD)"], capture_output=True, text=True)

    # Then it has its own version
    assert word.stdout.strip() == "from the base"


def test_the_same_inputs_do_no_work_and_have_the_same_digest(docker_build: Builder, context: Path) -> None:
    # Given an image, and its files written anew as a fresh clone does
    first = docker_build()
    for path in [path for path in context.rglob("*") if path.is_file()]:
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)

    # When it is built again
    lines: list[str] = []
    second = docker_build(lines)

    # Then every layer was there
    assert second.digest == first.digest
    assert sum(line.endswith("CACHED") for line in lines) == 3


def test_a_change_of_code_reuses_what_was_installed(docker_build: Builder, context: Path) -> None:
    # Given an image, and then a change in what is copied last
    first = docker_build()
    (context / "code/main.py").write_text("print('changed')\n")

    # When it is built again
    lines: list[str] = []
    second = docker_build(lines)

    # Then only that layer is new
    assert second.digest != first.digest
    assert second.venv == first.venv
    assert sum(line.endswith("CACHED") for line in lines) == 2


def test_a_broken_installation_fails_and_keeps_the_previous_image(
    docker_build: Builder, store: ImageStore, context: Path
) -> None:
    # Given a tagged image, and then a Dockerfile that asks for a version that does not exist
    store.tag("mine:1", docker_build())
    before = {path.name for path in (store.root / "layers").iterdir()}
    (context / "Dockerfile").write_text(EXTENSION.replace("greeting==2.0", "greeting==9.9"))

    # When it is built
    lines: list[str] = []
    with pytest.raises(InstallationError):
        docker_build(lines)

    # Then pip's words are in the output, no layer was left, and the old image is still the one
    assert any("No matching distribution found for greeting==9.9" in line for line in lines)
    assert {path.name for path in (store.root / "layers").iterdir()} == before
    assert store.tagged("mine:1").venv.is_dir()


def test_a_layer_that_was_cut_off_is_made_again(store: ImageStore) -> None:
    # Given a layer whose making was interrupted, as by a power cut
    key = key_of("cut off")
    store.folder(key).mkdir()
    (store.folder(key) / "half").touch()

    # When it is asked for
    was_there = store.layer(key, lambda folder: (folder / "whole").touch())

    # Then it is made anew, and afterwards it is there
    assert not was_there
    assert not (store.folder(key) / "half").exists()
    assert store.layer(key, lambda folder: pytest.fail("made twice"))


def test_paths_of_the_image_are_rewritten_where_its_settings_name_them(docker_build: Builder, tmp_path: Path) -> None:
    # Given a container of an image whose ENV names a file that it carries
    container = Container(docker_build(), tmp_path / "container")
    container.create()
    try:
        # When its environment is made
        environment = container.environment({"DATA": "/opt/ml/input", "OTHER": "/usr/bin"})

        # Then paths that the container has lead to its own files, and others stay
        assert Path(environment["PROGRAM"]).read_text().startswith("import greeting")
        assert environment["PROGRAM"].startswith(str(tmp_path))
        assert environment["DATA"] == str(tmp_path / "container/opt/ml/input")
        assert environment["OTHER"] == "/usr/bin"
        assert environment["PLAIN"] == "text"
    finally:
        container.remove()


def test_containers_do_not_see_the_operators_credentials(
    docker_build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an operator with credentials in the environment
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an operator's secret")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    # When a container's environment is made
    container = Container(docker_build(), tmp_path / "container")

    # Then neither is in it
    environment = container.environment({})
    assert "an operator's secret" not in environment.values()
    assert "PYTHONDONTWRITEBYTECODE" not in environment


def test_what_a_container_writes_stays_in_it(docker_build: Builder, tmp_path: Path) -> None:
    # Given a container
    image = docker_build()
    assert image.rootfs
    container = Container(image, tmp_path / "container")
    container.create()

    # When it replaces a file of its image and is removed
    copy = container.paths.rootfs / "opt/code/main.py"
    copy.unlink()
    copy.write_text("print('mine')\n")
    container.remove()

    # Then the image is unchanged, and nothing is left of the container
    assert "greeting" in (image.rootfs / "opt/code/main.py").read_text()
    assert not (tmp_path / "container").exists()


def test_what_a_container_installs_stays_in_it(docker_build: Builder, tmp_path: Path) -> None:
    # Given a container of an image that has version 2.0 of a package, and a newer one
    image = docker_build()
    wheel = write_wheel(tmp_path / "newer", "3.0", "from the container")
    container = Container(image, tmp_path / "container")
    container.create()
    lines: list[str] = []

    def run(*words: str) -> None:
        container.start([], {}, lines.append, entrypoint=words)
        assert container.wait(60) == 0, lines

    # When it installs that
    try:
        run("pip", "install", "--quiet", "--no-index", str(wheel))
        run("greet")
        run("pip", "check")
        run("pip", "show", "greeting")
    finally:
        container.remove()

    # Then its programs are of that version, pip knows no other, and the image has its own still
    assert "from the container" in lines
    assert "Version: 3.0" in lines
    assert "No broken requirements found." in lines
    assert output_of(image, tmp_path / "other", [], entrypoint=["greet"]) == ["from the extension"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("RUN curl x", r"line 3: RUN: only `pip install ...` and `python /...` can be run here, not: curl x"),
        ("RUN python -c pass", r"line 3: RUN: only `pip install ...` and `python /...` can be run here, not: python"),
        ("RUN apt-get update && apt-get install x", r"line 3: RUN: Debian packages cannot be installed here, where"),
        ("RUN pip install a && rm -r /tmp/x", r"line 3: RUN: only one command is supported, no shell syntax"),
        ("COPY missing/ /opt/", r"line 3: COPY: there is no missing/ in the build context"),
        ("COPY ../secret /opt/", r"line 3: COPY: ../secret leaves the build context"),
        ("COPY --chown=1 code /opt/", r"line 3: COPY: --chown=1 is not supported"),
        ("CMD serve", r"line 3: CMD: only the exec form"),
    ],
)
def test_what_cannot_be_done_is_named_with_its_line(
    docker_build: Builder, context: Path, line: str, problem: str
) -> None:
    (context / "Dockerfile").write_text(f"ARG BASE={BASE}\nFROM $BASE\n{line}\n")
    with pytest.raises(DockerfileError, match=problem):
        docker_build()


def test_an_unknown_base_image_is_named_with_what_is_known(docker_build: Builder, context: Path) -> None:
    (context / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    with pytest.raises(DockerfileError, match=r"line 2: FROM: the image 'python:3.12' is not known here; what is:"):
        docker_build(BASE="python:3.12")


def test_a_build_argument_that_nothing_declares_is_refused(docker_build: Builder) -> None:
    with pytest.raises(DockerfileError, match=r"no ARG declares the build argument\(s\) TYPO"):
        docker_build(TYPO="1")


def test_the_manifest_is_the_same_for_the_same_image_and_names_its_layers(docker_build: Builder) -> None:
    image = docker_build()
    manifest = json.loads(manifest_of(image.config))
    assert manifest_of(image.config) == manifest_of(docker_build().config)
    assert [layer["digest"] for layer in manifest["layers"]] == [f"sha256:{key}" for key in image.config.layers]


def test_an_image_of_another_store_is_unknown(store: ImageStore) -> None:
    with pytest.raises(UnknownImageError, match="no image sha256:0000"):
        store.image("sha256:" + "0" * 64)


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        (BASE, "training"),
        (BASE.replace("training", "inference").replace("us-east-1", "eu-west-1"), "inference"),
        (BASE.replace("huggingface", "tensorflow"), None),
        (BASE.replace("-training:", "-training-neuronx:"), "training-neuronx"),
        (BASE.replace("huggingface-pytorch-training:", "huggingface-vllm:"), "huggingface-vllm:2.8.0-gpu"),
        (BASE.replace("huggingface-pytorch-training:", "team/huggingface-vllm:"), None),
        ("huggingface-pytorch-training:2.8.0", None),
    ],
)
def test_deep_learning_containers_are_known_by_their_repository(reference: str, kind: str | None) -> None:
    assert deep_learning_containers.kind_of(reference) == kind
