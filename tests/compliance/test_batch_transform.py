"""A batch transform under every control: what judges training and endpoints judges it, too."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App

from stacks.gate import Gate
from stacks.ml_environment import MlEnvironment
from stacks.settings_files import load_environments

ROOT = Path(__file__).parents[2]
TRANSFORM = {
    "name": "nightly-reviews",
    "model": {"s3": "trained/1/output/model.tar.gz", "task": "text-classification"},
    "input": "incoming/reviews/",
    "output": "scored/reviews/",
    "schedule": {"cron": "0 3 ? * MON-FRI *", "time_zone": "Europe/Berlin"},
}
STACK = "dev-BatchNightlyReviews"


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory, context: dict[str, Any], without_validation: None) -> Any:
    """Of dev with a batch transform."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text(encoding="utf-8"))
    content["inference"]["batch_transforms"] = [TRANSFORM]
    folder = tmp_path_factory.mktemp("environments")
    (folder / "dev.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    out = tmp_path_factory.mktemp("assembly") / "cdk.out"
    app = App(context=context, outdir=str(out))
    for name, settings in load_environments(folder).items():
        MlEnvironment(app, name, settings)
    Gate(app).synthesise(out / "evidence")
    return json.loads((out / "evidence/dev.json").read_text(encoding="utf-8"))


def _of_transform(paths: list[str]) -> list[str]:
    return [path for path in paths if "BatchNightlyReviews" in path]


def test_no_control_is_broken(evidence: Any) -> None:
    assert evidence["problems"] == []
    assert [control["problems"] for control in evidence["controls"] if control["status"] == "failed"] == []


@pytest.mark.parametrize("number", [38, 39, 56, 58, 59, 60, 61, 62, 63, 64, 65, 66, 69])
def test_what_applies_to_it_is_proved_of_it(evidence: Any, number: int) -> None:
    (control,) = [each for each in evidence["controls"] if str(each["number"]) == str(number)]
    assert _of_transform([proof["resource"] for proof in control["proofs"]]), control


def test_it_needs_few_excuses(evidence: Any) -> None:
    made = [each for each in evidence["acknowledgements"] if "BatchNightlyReviews" in each["path"]]
    assert len(made) <= 2  # what it is made of, and who may start it
