"""One synth per session of environments in which nothing goes unjudged."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App

from hf_sagemaker.controls.assembly import Acknowledgement, acknowledgements, environments
from hf_sagemaker.controls.templates import Templates
from stacks.ml_environment import MlEnvironment
from stacks.settings_files import load_environments

ROOT = Path(__file__).parents[2]


def _shipped(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments" / f"{name}.yaml").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="session")
def full_settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the shipped environments, with a model for each endpoint."""
    folder = tmp_path_factory.mktemp("environments")
    for name in ("dev", "prod"):
        content = _shipped(name)
        for endpoint in content["inference"]["endpoints"]:
            group = f"model-package/{name}-text-classification/1"
            endpoint["model"] = {"model_package": f"arn:aws:sagemaker:{content['region']}:{content['account']}:{group}"}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def full_assembly(full_settings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a synth of those environments writes, judged by nobody."""
    out = tmp_path_factory.mktemp("assembly") / "cdk.out"
    context = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    app = App(context=context, outdir=str(out), builtin_cloud_formation_validation=False)
    for name, settings in load_environments(full_settings).items():
        MlEnvironment(app, name, settings)
    app.synth()
    return out


@pytest.fixture(scope="session")
def full_environments(full_assembly: Path) -> dict[str, Templates]:
    """The templates of those environments, by name; `stacks` holds them as CloudFormation gets them."""
    return environments(full_assembly)


@pytest.fixture(scope="session")
def acknowledged(full_assembly: Path) -> list[Acknowledgement]:
    """Every acknowledgement in them."""
    return acknowledgements(full_assembly)
