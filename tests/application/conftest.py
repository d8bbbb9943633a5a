"""One synth per session, which every test of the application reads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, Stage
from aws_cdk.assertions import Template

from stacks.ml_environment import MlEnvironment
from stacks.settings import EnvironmentSettings

ROOT = Path(__file__).parents[2]
MODEL_PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/dev-text-classification/3"
Templates = dict[str, dict[str, Any]]


def _synthesise(environments: dict[str, dict[str, Any]]) -> Templates:
    """Stack name → template, for settings as a YAML file would hold them."""
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=context, builtin_cloud_formation_validation=False)
    stages = [MlEnvironment(app, name, EnvironmentSettings(**content)) for name, content in environments.items()]
    return {stack.stack_name: stack.template for stage in stages for stack in Stage.synth(stage).stacks}


def _shipped_settings(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments" / f"{name}.yaml").read_text())
    return content


def _served(model_package: str) -> dict[str, Any]:
    dev = _shipped_settings("dev")
    dev["inference"]["endpoints"][0]["model"] = {"model_package": model_package}
    return dev


@pytest.fixture(scope="session")
def model_package() -> str:
    """The model that dev's endpoint serves in `templates`."""
    return MODEL_PACKAGE


@pytest.fixture(scope="session")
def templates(model_package: str) -> Templates:
    """dev with an approved model, prod as shipped."""
    return _synthesise({"dev": _served(model_package), "prod": _shipped_settings("prod")})


@pytest.fixture(scope="session")
def synthesise() -> Callable[[dict[str, dict[str, Any]]], Templates]:
    """Settings of environments, as YAML files would hold them → stack name → template."""
    return _synthesise


@pytest.fixture(scope="session")
def served(model_package: str) -> dict[str, Any]:
    """The shipped settings of dev with a model for its endpoint. Copy them before you change them."""
    return _served(model_package)


@pytest.fixture(scope="session")
def template(templates: Templates) -> Callable[[str], Template]:
    """The template of a stack, by its name, for assertions."""
    return lambda name: Template.from_json(templates[name])
