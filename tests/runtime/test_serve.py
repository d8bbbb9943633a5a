"""The start of the serving container with models that work and that do not, in the serving image's environment.

With both servers: each ends the container with the reason as its last line.
"""

import json
import shutil
import struct
from pathlib import Path

import pytest

from tests.runtime.front_server import unused_port


@pytest.fixture(scope="module")
def trained(runtime, training_python, opt_ml, run_python) -> Path:
    """A model as a training job leaves it."""
    tree = opt_ml()
    done = run_python(
        training_python,
        str(runtime / "training/text_classification.py"),
        *("--max_steps", "2", "--hidden_size", "16", "--vocab_size", "300", "--labels", "dull,joyful"),
        env=tree.environment(training_python),
    )
    assert done.returncode == 0, done.stdout
    return tree.base / "model"


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """A copy that a test may break, where SAGEMAKER_BASE_DIR=tmp_path finds it."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in trained.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture(params=["batching", "toolkit"])
def serve(request, runtime, inference_python, run_python, opt_ml, tmp_path):
    """Runs serve.py of an image with that server, or another program beside it."""
    code = tmp_path / "image"
    shutil.copytree(runtime / "inference", code, ignore=shutil.ignore_patterns("__pycache__"))
    (code / "image_settings.json").write_text(json.dumps({"server": request.param}))

    def run(base: Path, *arguments: str):
        environment = {
            **opt_ml().environment(inference_python),
            "SAGEMAKER_BASE_DIR": str(base),
            "HF_HUB_OFFLINE": "1",
            "SAGEMAKER_BIND_TO_PORT": str(unused_port()),
            "HFSM_BIND_TO_HOST": "127.0.0.1",
        }
        return run_python(inference_python, *(arguments or (str(code / "serve.py"), "serve")), env=environment)

    return run


def _last_line(output: str) -> str:
    return output.splitlines()[-1]


def test_the_toolkits_check_loads_a_model_of_the_training_image_and_asks_it(
    inference_python, run_python, opt_ml, model: Path, runtime: Path
) -> None:
    # What serve.py does before it becomes the toolkit's server
    environment = {**opt_ml().environment(inference_python), "SAGEMAKER_BASE_DIR": str(model.parent)}
    check = "import sys; sys.path.insert(0, sys.argv[1]); import model_check; print(model_check.check_model())"
    done = run_python(inference_python, "-c", check, str(runtime / "inference"), env=environment)

    assert done.returncode == 0, done.stdout
    assert _last_line(done.stdout).startswith(
        "model DistilBertForSequenceClassification is loaded and answering after "
    )


def test_weights_that_are_cut_off_end_the_container_and_are_named(serve, model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])

    done = serve(model.parent)

    assert done.returncode == 1
    assert _last_line(done.stdout).startswith("model cannot be loaded: model.safetensors is cut off or damaged (")


def test_weights_that_lack_a_layer_end_the_container(serve, model: Path) -> None:
    # transformers would make the layer up, and the endpoint would answer nonsense
    _remove_tensor(model / "model.safetensors", "classifier.weight")

    done = serve(model.parent)

    assert done.returncode == 1
    assert _last_line(done.stdout).startswith("model cannot be loaded: weights are missing: ")
    assert "classifier.weight" in _last_line(done.stdout)


def test_code_of_the_models_own_that_fails_ends_the_container(serve, model: Path) -> None:
    (model / "code").mkdir()
    (model / "code/inference.py").write_text("def model_fn(model_dir):\n    raise RuntimeError('no vocabulary')\n")

    done = serve(model.parent)

    assert done.returncode == 1
    assert _last_line(done.stdout) == "model cannot be loaded: RuntimeError: no vocabulary"


def test_a_model_without_configuration_ends_the_container_at_once(serve, model: Path) -> None:
    (model / "config.json").unlink()

    done = serve(model.parent)

    assert done.returncode == 1
    assert _last_line(done.stdout) == f"model cannot be loaded: config.json is missing in {model}"


def test_an_archive_with_a_folder_too_many_is_explained(serve, model: Path) -> None:
    nested = model / "my-model"
    nested.mkdir()
    (model / "config.json").rename(nested / "config.json")

    done = serve(model.parent)

    assert "it is in my-model/, but belongs at the top of model.tar.gz" in _last_line(done.stdout)


def test_no_model_at_all_ends_the_container(serve, tmp_path: Path) -> None:
    done = serve(tmp_path)

    assert done.returncode == 1
    assert "is empty: the model data holds no files" in _last_line(done.stdout)


def _remove_tensor(path: Path, name: str) -> None:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    kept: dict[str, object] = {}
    body = b""
    for key, tensor in header.items():
        if key == "__metadata__":
            kept[key] = tensor
        elif key != name:
            start, end = tensor["data_offsets"]
            kept[key] = {**tensor, "data_offsets": [len(body), len(body) + end - start]}
            body += data[start:end]
    text = json.dumps(kept).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
