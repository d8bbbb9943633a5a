"""What a build asks an image that starts with what it brings itself: the scripts, run on folders of small programs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKS = Path(__file__).parents[2] / "constructs/hf_sagemaker/runtime/image_checks"
BILL = "/image_checks/bill_of_materials.py"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a script where these programs are all that there is; each says its name and its arguments.

    packages: modules that Python can import; None: there is no Python.
    """

    def start(
        script: str, *arguments: str, programs: tuple[str, ...] = (), packages: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        image = tmp_path / "image"
        image.mkdir()
        for name in ("sh", "dirname", "sed"):
            (image / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
        for name in programs:
            (image / name).write_text(f"#!/bin/sh\necho {name} $*\n")
            (image / name).chmod(0o755)
        modules = tmp_path / "modules"
        modules.mkdir()
        for name, text in (packages or {}).items():
            (modules / f"{name}.py").write_text(text)
        if packages is not None:
            (image / "python3").symlink_to(sys.executable)
        return subprocess.run(
            [str(image / "sh"), str(CHECKS / script), *arguments],
            env={"PATH": str(image), "PYTHONPATH": str(modules), "LANG": os.environ.get("LANG", "C.UTF-8")},
            capture_output=True,
            text=True,
            check=False,
        )

    return start


TRANSFORMERS = {"transformers": "__version__ = '5.15.0'"}


@pytest.mark.parametrize(
    ("server", "package", "programs"),
    [
        ("vllm", "vllm", ()),
        ("vllm-omni", "vllm_omni", ()),
        ("sglang", "sglang", ()),
        ("tgi", "text_generation_server", ("text-generation-launcher",)),
        ("neuronx", "sagemaker_huggingface_inference_toolkit", ()),
    ],
)
def test_a_server_in_python_is_looked_up_and_transformers_loads(
    run: Run, server: str, package: str, programs: tuple[str, ...]
) -> None:
    done = run("server.sh", server, "", programs=programs, packages={package: "raise SystemExit(1)", **TRANSFORMERS})
    assert done.returncode == 0, done.stderr
    assert f"{package} is there" in done.stdout
    assert "transformers 5.15.0 loads" in done.stdout


def test_a_server_whose_package_is_gone_fails(run: Run) -> None:
    done = run("server.sh", "vllm", "", packages=TRANSFORMERS)
    assert done.returncode == 1
    assert "the server's package vllm is not there any more" in done.stderr


def test_transformers_of_another_version_than_pinned_fails(run: Run) -> None:
    done = run("server.sh", "own", "5.16.0", packages=TRANSFORMERS)
    assert done.returncode == 1
    assert "transformers is 5.15.0, and was to be 5.16.0" in done.stderr


def test_a_program_without_a_gpu_in_it_says_its_version(run: Run) -> None:
    assert run("server.sh", "tei", "", programs=("text-embeddings-router",)).stdout == (
        "text-embeddings-router --version\n"
    )


@pytest.mark.parametrize(
    ("programs", "code", "says"),
    [
        (("text-embeddings-router-75", "text-embeddings-router-80", "text-embeddings-router-90"), 0, "-75 is there"),
        (("text-embeddings-router-80", "text-embeddings-router-90"), 1, "has no text-embeddings-router-75 any more"),
    ],
)
def test_programs_that_are_linked_to_the_driver_are_only_looked_for(
    run: Run, programs: tuple[str, ...], code: int, says: str
) -> None:
    done = run("server.sh", "tei", "", programs=programs)
    assert done.returncode == code
    assert says in done.stdout
    assert "--version" not in done.stdout


@pytest.mark.parametrize(("server", "code"), [("llamacpp", 1), ("own", 0), ("nothing-known", 2)])
def test_what_is_asked_of_the_rest(run: Run, server: str, code: int) -> None:
    assert run("server.sh", server, "").returncode == code


def test_an_image_without_python_has_no_complaints_and_debians_bill(run: Run) -> None:
    assert run("python.sh", "-m", "pip", "check").stdout == "No broken requirements found.\n"


def test_the_bill_of_an_image_without_python_is_json(run: Run) -> None:
    bill = json.loads(run("python.sh", BILL).stdout)
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["components"] == []


def test_the_python_of_an_image_does_what_it_is_told(run: Run) -> None:
    assert run("python.sh", "-c", "print(1 + 1)", packages={}).stdout == "2\n"


def test_without_python_nothing_else_can_be_run(run: Run) -> None:
    done = run("python.sh", "/opt/code.py")
    assert (done.returncode, done.stderr) == (1, "this image has no Python\n")
