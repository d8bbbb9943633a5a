"""`hfsm package`: the same archive each time, and what would fail in the container is told before."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfsm.cloud import Cloud

INFERENCE = "def model_fn(model_dir):\n    return model_dir\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """As a Trainer leaves it: with a pickle that serving does not need."""
    return _write(
        tmp_path / "model",
        {"config.json": "{}", "model.safetensors": "weights", "training_args.bin": "pickle", ".cache/x": ""},
    )


@pytest.fixture
def code(tmp_path: Path) -> Path:
    return _write(tmp_path / "code", {"inference.py": INFERENCE, "more/words.py": "", "__pycache__/x.pyc": ""})


def _write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def _names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return opened.getnames()


def test_model_and_code_are_where_the_container_looks(hfsm: Any, model: Path, code: Path, tmp_path: Path) -> None:
    result = hfsm("package", model, "--code", code, "--to", tmp_path / "model.tar.gz")
    assert result.code == 0, result.err
    expected = ["code/inference.py", "code/more/words.py", "config.json", "model.safetensors"]
    assert _names((tmp_path / "model.tar.gz").read_bytes()) == expected
    assert "left out: training_args.bin" in result.out


def test_the_same_inputs_are_the_same_archive(hfsm: Any, model: Path, code: Path, tmp_path: Path) -> None:
    # Given the same files, written at another time and read by others too
    first, second = tmp_path / "first.tar.gz", tmp_path / "second.tar.gz"
    hfsm("package", model, "--code", code, "--to", first)
    os.utime(model / "config.json", (1, 1))
    (model / "config.json").chmod(0o600)
    # When they are packed again
    result = hfsm("package", model, "--code", code, "--to", second)
    # Then it is the same archive, and another one when a file changes
    assert first.read_bytes() == second.read_bytes()
    (code / "inference.py").write_text(INFERENCE + "\n")
    assert result.out != hfsm("package", model, "--code", code, "--to", second).out
    assert first.read_bytes() != second.read_bytes()


def test_without_a_place_it_goes_to_the_models_bucket_once(
    hfsm: Any, deploy: Callable[..., Cloud], model: Path
) -> None:
    aws = deploy()
    first, second = hfsm("package", model), hfsm("package", model)
    assert "uploading s3://dev-models/sources/" in first.out
    assert "is there already" in second.out
    assert first.out.splitlines()[-1] == second.out.splitlines()[-1]
    (entry,) = aws.client("s3").list_objects_v2(Bucket="dev-models")["Contents"]
    body = aws.client("s3").get_object(Bucket="dev-models", Key=entry["Key"])["Body"].read()
    assert _names(body) == ["config.json", "model.safetensors"]


def test_files_below_a_prefix_are_not_packed(hfsm: Any, deploy: Callable[..., Cloud], model: Path, code: Path) -> None:
    aws = deploy()
    prefix = "s3://dev-models/sources/mine/"
    assert hfsm("package", model, "--code", code, "--to", prefix).code == 0
    keys = [entry["Key"] for entry in aws.client("s3").list_objects_v2(Bucket="dev-models")["Contents"]]
    expected = ["code/inference.py", "code/more/words.py", "config.json", "model.safetensors"]
    assert keys == [f"sources/mine/{name}" for name in expected]
    again = hfsm("package", model, "--code", code, "--to", prefix)
    assert "uploading" not in again.out


@pytest.mark.parametrize(
    ("isolation", "code"),
    [(None, 2), ("true", 2), ("false", 0)],
)
def test_requirements_are_refused_where_nothing_can_be_installed(
    hfsm: Any, deploy: Callable[..., Cloud], put_parameters: Any, model: Path, tmp_path: Path, isolation: Any, code: int
) -> None:
    deploy()
    own = _write(tmp_path / "own", {"inference.py": INFERENCE, "requirements.txt": "einops==0.8.1\n"})
    if isolation:
        put_parameters({"guardrails/isolation": isolation})
    result = hfsm("package", model, "--code", own)
    assert result.code == code
    assert ("what it names has to be in the image" in result.err) == (code == 2)


@pytest.mark.parametrize(
    ("files", "own", "words"),
    [
        ({}, None, "is no folder with files"),
        ({"model.safetensors": ""}, None, "config.json is missing"),
        ({"x/config.json": "{}", "x/model.safetensors": ""}, None, "It is in x/: name that folder"),
        ({"config.json": "{", "model.safetensors": ""}, None, "config.json: not JSON"),
        ({"config.json": "{}"}, None, "holds no weights (*.safetensors)"),
        ({"config.json": "{}", "pytorch_model.bin": ""}, None, "may run code when it is loaded (pytorch_model.bin)"),
        ({"config.json": "{}", "m.safetensors": "", "code/inference.py": INFERENCE}, {}, "holds code/ already"),
        ({"config.json": "{}", "m.safetensors": ""}, {"serve.py": ""}, "inference.py is missing"),
        ({"config.json": "{}", "m.safetensors": ""}, {"inference.py": "def model_fn(:"}, "inference.py: not Python"),
        ({"config.json": "{}", "m.safetensors": ""}, {"inference.py": "x = 1"}, "defines none of model_fn"),
        (
            {"config.json": "{}", "m.safetensors": ""},
            {"inference.py": INFERENCE, "requirements.txt": "# ours\neinops>=0.8\nsix==1.17.0\n"},
            "einops>=0.8: every package needs its version",
        ),
    ],
)
def test_what_would_fail_in_the_container_is_told_before(
    hfsm: Any, tmp_path: Path, files: dict[str, str], own: dict[str, str] | None, words: str
) -> None:
    folder = _write(tmp_path / "folder", files)
    options = [] if own is None else ["--code", _write(tmp_path / "own", {"other.py": ""} | own)]
    result = hfsm("package", folder, *options, "--to", tmp_path / "model.tar.gz")
    assert result.code == 2
    assert words in result.err
    assert not (tmp_path / "model.tar.gz").exists()


def test_a_model_that_its_code_loads_needs_no_configuration(hfsm: Any, code: Path, tmp_path: Path) -> None:
    folder = _write(tmp_path / "folder", {"own.format": "weights"})
    assert hfsm("package", folder, "--code", code, "--to", tmp_path / "model.tar.gz").code == 0


def test_pickles_are_taken_where_they_are_allowed(hfsm: Any, tmp_path: Path) -> None:
    folder = _write(tmp_path / "folder", {"config.json": "{}", "pytorch_model.bin": "weights"})
    assert hfsm("package", folder, "--allow-pickle", "--to", tmp_path / "model.tar.gz").code == 0
    assert "pytorch_model.bin" in _names((tmp_path / "model.tar.gz").read_bytes())


def test_pinned_requirements_with_hashes_and_markers_are_pinned(hfsm: Any, model: Path, tmp_path: Path) -> None:
    locked = "six==1.17.0 \\\n    --hash=sha256:ab \\\n    --hash=sha256:cd\n"
    text = f"{locked}\n# why\neinops[x]==0.8.1 ; python_version > '3'\n"
    own = _write(tmp_path / "own", {"inference.py": INFERENCE, "requirements.txt": text})
    result = hfsm("package", model, "--code", own, "--to", tmp_path / "model.tar.gz")
    assert result.code == 0, result.err
    assert "is installed when a container starts" in result.out
