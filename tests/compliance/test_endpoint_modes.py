"""Endpoints of every mode, before the gate."""

from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from hf_sagemaker.controls.assembly import environments
from hf_sagemaker.controls.templates import Templates
from stacks.gate import Gate
from stacks.ml_environment import MlEnvironment
from stacks.settings_files import load_environments

FOLDER = Path(__file__).parents[1] / "environments/endpoints"


@pytest.fixture(scope="module")
def synthesised(
    context: dict[str, Any], without_validation: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[str], Path]:
    """What the gate finds in the environment, and where its assembly is."""
    out = tmp_path_factory.mktemp("modes") / "cdk.out"
    app = App(context=context, outdir=str(out))
    for name, settings in load_environments(FOLDER).items():
        MlEnvironment(app, name, settings)
    return Gate(app).synthesise(out / "evidence"), out


@pytest.fixture(scope="module")
def modes(synthesised: tuple[list[str], Path]) -> Templates:
    return environments(synthesised[1])["modes"]


def test_every_mode_passes(synthesised: tuple[list[str], Path]) -> None:
    assert synthesised[0] == []
