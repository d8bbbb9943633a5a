"""What the tests of the container code share: the code itself, the images' interpreters, and /opt/ml trees."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

RUNTIME = Path(__file__).parents[2] / "constructs/hf_sagemaker/runtime"


@pytest.fixture(scope="session")
def runtime() -> Path:
    return RUNTIME


@pytest.fixture(scope="session")
def module() -> Callable[[str], ModuleType]:
    """Loads one file of the container code, e.g. `training/data.py`; it must need the standard library only."""

    def load(path: str) -> ModuleType:
        name = f"runtime_{Path(path).stem}"
        spec = importlib.util.spec_from_file_location(name, RUNTIME / path)
        assert spec is not None and spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[name] = loaded  # dataclasses look their module up
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str((RUNTIME / path).parent))
            spec.loader.exec_module(loaded)
        return loaded

    return load


def _image_python(variable: str) -> Path:
    python = Path(os.environ.get(variable, ""))
    if not python.is_file():
        pytest.fail(
            f"{variable} does not name the Python of a built image ({os.environ.get(variable)!r}). "
            f"`make images` builds both images and says where they are; `make test` does that by itself.",
            pytrace=False,
        )
    return python


@pytest.fixture(scope="session")
def training_python() -> Path:
    return _image_python("HFSM_TRAINING_PYTHON")


@pytest.fixture(scope="session")
def inference_python() -> Path:
    return _image_python("HFSM_INFERENCE_PYTHON")


@dataclass(frozen=True)
class OptMl:
    """A tree as SageMaker makes it for one training job."""

    base: Path

    def environment(self, python: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SM_", "AWS_"))}
        return {
            **kept,
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "SAGEMAKER_BASE_DIR": str(self.base),
            "SAGEMAKER_TRAINING_MODULE": "sagemaker_pytorch_container.training:main",  # the container sets it
            "SM_STUDIO_LOCAL_MODE": "true",  # the toolkit would wait for a host name that only SageMaker has
            "AWS_DEFAULT_REGION": "us-east-1",
            **(extra or {}),
        }

    def configure(self, hyperparameters: Mapping[str, Any]) -> None:
        """Writes what the toolkit reads. Values are JSON texts, as the SDK sends them."""
        config = self.base / "input/config"
        config.mkdir(parents=True, exist_ok=True)
        texts = {name: json.dumps(value) for name, value in hyperparameters.items()}
        (config / "hyperparameters.json").write_text(json.dumps(texts))
        host = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
        (config / "resourceconfig.json").write_text(json.dumps(host))
        channels = [path.name for path in sorted((self.base / "input/data").iterdir())]
        (config / "inputdataconfig.json").write_text(
            json.dumps({name: {"TrainingInputMode": "File"} for name in channels})
        )

    def write_channel(self, name: str, rows: list[dict[str, Any]]) -> Path:
        path = self.base / "input/data" / name / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return path

    @property
    def failure(self) -> str:
        return (self.base / "output/failure").read_text()


@pytest.fixture(scope="session")
def opt_ml(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], OptMl]:
    """Makes empty trees: with the folders that SageMaker makes, and two small channels."""

    def make() -> OptMl:
        tree = OptMl(tmp_path_factory.mktemp("opt-ml"))
        for folder in ("input/config", "output", "model", "checkpoints"):
            (tree.base / folder).mkdir(parents=True)
        tree.write_channel("train", [{"text": _sentence(n), "label": n % 2} for n in range(200)])
        tree.write_channel("test", [{"text": _sentence(n), "label": n % 2} for n in range(200, 240)])
        return tree

    return make


def _sentence(number: int) -> str:
    verdict = ("is dull", "is a joy")[number % 2]
    return f"The {('film', 'book', 'song', 'play', 'meal')[number % 5]} of day {number % 37} {verdict}."


@pytest.fixture(scope="session")
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a Python with arguments; stdout and stderr come back in one text."""

    def run(python: Path, *arguments: str, timeout: float = 120, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
            **options,
        )

    return run


@pytest.fixture(scope="session")
def records() -> Callable[[str], list[tuple[str, dict[str, str]]]]:
    """The `hfsm.<kind> name=value …` lines of an output."""

    def read(output: str) -> list[tuple[str, dict[str, str]]]:
        lines = re.findall(r"^hfsm\.(\w+) (.*)$", output, re.MULTILINE)
        return [(kind, dict(pair.split("=") for pair in pairs.split())) for kind, pairs in lines]

    return read
