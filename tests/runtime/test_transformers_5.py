"""Our server with transformers 5: the answers of transformers 4 for the same models, which 4 has saved."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from localcloud.images.deep_learning_containers import installer_environment
from localcloud.images.trees import stack_venv
from tests.runtime.answers import difference
from tests.runtime.drop_in_requests import MODELS, Request, requests_of, task_of
from tests.runtime.served_model import Answer, NotServingError, ask_stock_handler, our_server

_ROOT = Path(__file__).parents[2]
_LOCK = _ROOT / "requirements/transformers-5.txt"
# Parameters that transformers 5 itself understands otherwise: the first one it does not know any more, and a sequence
# that ends a text is looked for as text, not as tokens.
_CHANGED = (b"return_all_scores", b"stop_sequence")
_GONE = ("question-answering", "summarization", "translation")
_KEPT = tuple(model for model in MODELS if model not in _GONE)


@pytest.fixture(scope="module")
def python_5(inference_python: Path) -> Path:
    """The serving image's Python with transformers 5 over its own; made once, which takes about 20 seconds."""
    base = inference_python.parent.parent.resolve()
    key = hashlib.sha256(f"{base}\n{_LOCK.read_text()}".encode()).hexdigest()[:16]
    venv = _ROOT / "build/transformers-5" / key
    if not (venv / ".ready").exists():
        shutil.rmtree(venv, ignore_errors=True)
        stack_venv(base, venv)
        _install(venv / "bin/python")
        (venv / ".ready").touch()
    return venv / "bin/python"


def _install(python: Path) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(_LOCK)]
    done = subprocess.run(command, env=installer_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        pytest.skip(f"transformers 5 cannot be installed here: {reason}")


@pytest.fixture(scope="module")
def models(inference_python, run_python, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved-by-4") / "models"
    done = run_python(inference_python, str(Path(__file__).parent / "drop_in_models.py"), str(folder))
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture(scope="module")
def requests(models: Path) -> dict[str, list[Request]]:
    """By model, those that mean the same to both versions."""
    every = {model: requests_of(model, models / "media") for model in _KEPT}
    return {
        model: [one for one in asked if not any(name in one.body for name in _CHANGED)]
        for model, asked in every.items()
    }


@pytest.fixture(scope="module")
def answers_of_4(models: Path, requests, inference_python, tmp_path_factory) -> dict[str, list[Answer]]:
    asked = {model: (task_of(model), each) for model, each in requests.items()}
    return ask_stock_handler(inference_python, models, asked, tmp_path_factory.mktemp("of-4") / "handler")


@pytest.fixture
def serve(python_5: Path, models: Path, runtime, tmp_path):
    def start(model: str):
        variables = {"HF_TASK": task_of(model)}
        return our_server(python_5, runtime / "inference/serve.py", models / model, tmp_path / "server", variables)

    return start


@pytest.mark.parametrize("model", _KEPT)
def test_answers_are_those_of_transformers_4(model: str, serve, requests, answers_of_4) -> None:
    with serve(model) as served:
        answers = served.ask_together(requests[model], seed=4)

    compared = zip(requests[model], answers_of_4[model], answers, strict=True)
    found = [f"{request}: {problem}" for request, theirs, ours in compared if (problem := difference(theirs, ours))]

    assert found == []


@pytest.mark.parametrize("model", _GONE)
def test_a_task_that_5_has_no_more_ends_the_start_and_is_named(model: str, serve) -> None:
    with pytest.raises(NotServingError) as ended, serve(model):
        pass

    assert f"serves the task {model} no more" in str(ended.value).splitlines()[-1]


def test_the_server_runs_transformers_5(python_5: Path) -> None:
    # Otherwise the other tests would compare 4 with itself
    script = "import transformers; print(transformers.__version__)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    said = subprocess.run([str(python_5), "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert said.stdout.startswith("5.")
