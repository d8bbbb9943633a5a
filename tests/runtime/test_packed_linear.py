"""Linear layers whose weights lie as oneDNN wants them, in the serving image's environment."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def checked(inference_python, runtime, run_python) -> dict[str, Any]:
    script = Path(__file__).with_name("packed_linear_check.py")
    done = run_python(
        inference_python,
        *("-c", "import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_path(sys.argv[2])"),
        *(str(runtime / "inference"), str(script)),
        env={"HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stdout
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if not found["available"]:
        pytest.skip("torch has no oneDNN on this machine's processor")
    return found


def test_the_answers_differ_in_the_last_digits_only(checked: dict[str, Any]) -> None:
    assert checked["packed"]
    assert checked["difference"] < 1e-5


def test_a_weight_that_an_embedding_shares_is_left_alone(checked: dict[str, Any]) -> None:
    assert checked["head"] == "Linear"
    assert checked["layers"] == ["PackedLinear"]


def test_other_types_than_float32_are_left_alone(checked: dict[str, Any]) -> None:
    assert checked["half"] is False
