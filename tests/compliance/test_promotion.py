"""An environment that builds no image, but promotes them, passes the gate; so does the one that builds them."""

from pathlib import Path
from typing import Any

import yaml
from aws_cdk import App

from stacks.gate import Gate
from stacks.ml_environment import MlEnvironment
from stacks.promotion_settings import destinations
from stacks.settings_files import load_environments

ROOT = Path(__file__).parents[2]
CHANGES: dict[str, dict[str, Any]] = {
    "dev": {"disposable": False},
    "prod": {
        "images": [{"name": name, "promoted_from": "dev"} for name in ("training", "inference")],
        "hub": {"models": [{"id": "team/tiny", "revision": "a" * 40}]},
        "inference": {
            "endpoints": [
                {
                    "name": "tiny",
                    "min_instances": 2,
                    "max_instances": 3,
                    "model": {"hub": f"team/tiny@{'a' * 40}", "task": "fill-mask"},
                }
            ],
        },
    },
}


def test_no_control_stands_against_promotion(tmp_path: Path, context: dict[str, Any], without_validation: None) -> None:
    # Given the shipped environments, prod with dev's images, which jobs and an endpoint run
    for name, changes in CHANGES.items():
        content = yaml.safe_load((ROOT / f"environments/{name}.yaml").read_text(encoding="utf-8"))
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content | changes), encoding="utf-8")
    environments = load_environments(tmp_path)
    # When they are synthesised
    app = App(context=context, outdir=str(tmp_path / "cdk.out"))
    for name, settings in environments.items():
        MlEnvironment(app, name, settings, destinations(name, environments))
    # Then nothing is found that is not acknowledged
    assert Gate(app).synthesise(tmp_path / "evidence") == []
