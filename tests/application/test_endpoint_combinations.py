"""Every mode × source of the model × kind of image: it passes the gate, or is refused with a message."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App

from stacks.gate import Gate
from stacks.ml_environment import MlEnvironment
from stacks.settings import EnvironmentSettings
from stacks.settings_files import SettingsError, load_environments

ROOT = Path(__file__).parents[2]
TASK = {"task": "text-classification"}
SOURCES: dict[str, dict[str, Any]] = {
    "hub": {"hub": f"team/tiny@{'a' * 40}", **TASK},
    "archive": {"s3": "trained/1/output/model.tar.gz", **TASK},
    "prefix": {"s3": "trained/1/", **TASK},
    "package": {"model_package": "arn:aws:sagemaker:us-east-1:123456789012:model-package/dev-text-classification/3"},
    "approved": {"approved": "text-classification"},
}
OF_SERVER = {"purpose": "inference", "transformers": "4.51.3", "pytorch": "2.6.0"}
IMAGES: dict[str, dict[str, Any]] = {
    "batching": {"base": OF_SERVER},
    "batching-cpu": {"base": OF_SERVER | {"processor": "cpu"}},
    "toolkit": {"base": OF_SERVER, "serving": {"server": "toolkit"}},
    "toolkit-cpu": {"base": OF_SERVER | {"processor": "cpu"}, "serving": {"server": "toolkit"}},
    "tgi": {"base": {"server": "tgi", "version": "3.3.6"}},
    "tei": {"base": {"server": "tei", "version": "1.8.2"}},
    "tei-cpu": {"base": {"server": "tei", "version": "1.8.2", "processor": "cpu"}},
    "vllm": {"base": {"server": "vllm", "version": "0.29.0"}},
}
MODES = ("real-time", "variants", "shadow", "asynchronous", "serverless", "components", "multi-model")
_OTHER = SOURCES["package"]


def _endpoint(mode: str, source: str, image: str) -> dict[str, Any]:
    """With a model from the source in the image, however the mode names both."""
    model = dict(SOURCES[source])
    if image not in ("batching", "batching-cpu", "toolkit", "toolkit-cpu"):
        model.pop("task", None)  # a server of its own knows its task
    common = {"name": f"{source}-{image}"[:31], "image": image, "mode": mode}
    on = {} if mode == "serverless" else {"instance_type": "ml.m5.xlarge" if image.endswith("cpu") else "ml.g5.xlarge"}
    of_mode: dict[str, dict[str, Any]] = {
        "real-time": {"model": model},
        "variants": {
            "mode": "real-time",
            "variants": [{"name": "aa", "model": model}, {"name": "bb", "model": _OTHER}],
        },
        "shadow": {"mode": "real-time", "model": _OTHER, "shadow": {"model": model}},
        "asynchronous": {"model": model, "min_instances": 0},
        "serverless": {"model": model, "serverless": {"outside_network": True}},
        "components": {"components": [{"name": "aa", "model": model, "memory_mb": 1024}]},
        "multi-model": {"multi_model": {"s3": "many/", **TASK}},
    }
    return {**common, **on, **of_mode[mode]}


def _why_not(mode: str, image: str) -> str | None:
    """What the message says. None: the combination is one."""
    if mode == "serverless" and not image.endswith("cpu"):
        return "must be a CPU image: serverless has no GPU"
    if mode == "multi-model" and not image.startswith("toolkit"):
        return "must be an inference image with the stock server"
    return None


COMBINATIONS = list(itertools.product(MODES, SOURCES, IMAGES))
ALLOWED = [each for each in COMBINATIONS if not _why_not(each[0], each[2])]
REFUSED = [(mode, image) for mode, image in itertools.product(MODES, IMAGES) if _why_not(mode, image)]


def _load(folder: Path, endpoints: list[dict[str, Any]]) -> EnvironmentSettings:
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    images = [{"name": name, **image} for name, image in IMAGES.items()]
    content["images"] = [content["images"][0], {**content["images"][1]}, *images]
    content["inference"]["endpoints"] = endpoints
    content["hub"] = {"models": [{"id": "team/tiny", "revision": "main"}]}
    (folder / "dev.yaml").write_text(yaml.safe_dump(content))
    return load_environments(folder)["dev"]


@pytest.mark.parametrize("mode", MODES)
def test_what_is_allowed_synthesises_and_passes(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an endpoint of the mode for each source and each image with which it is allowed
    endpoints = [_endpoint(*each) for each in ALLOWED if each[0] == mode]
    settings = _load(tmp_path, endpoints)
    # When they are synthesised
    monkeypatch.setenv("CDK_VALIDATION", "false")
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=context, outdir=str(tmp_path / "cdk.out"))
    MlEnvironment(app, "dev", settings)
    # Then the gate finds nothing, and each has its stack
    assert Gate(app).synthesise(tmp_path) == []
    stacks = [path.name for path in (tmp_path / "cdk.out").rglob("devEndpoint*.template.json")]
    assert len(stacks) == len(endpoints)


@pytest.mark.parametrize(("mode", "image"), REFUSED)
def test_what_is_not_is_refused_with_a_message(mode: str, image: str, tmp_path: Path) -> None:
    for source in SOURCES:
        with pytest.raises(SettingsError) as caught:
            _load(tmp_path, [_endpoint(mode, source, image)])
        assert any(str(_why_not(mode, image)) in problem for problem in caught.value.problems), caught.value.problems


def test_every_mode_has_something_that_is_allowed() -> None:
    assert {mode for mode, _, _ in ALLOWED} == set(MODES)
