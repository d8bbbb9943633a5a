"""Settings files: what is refused, and how it is said."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from stacks.settings_files import SettingsError, load_environments, schema

ROOT = Path(__file__).parents[2]


def _dev() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    return content


def _problems(folder: Path, content: object, name: str = "dev") -> list[str]:
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    (folder / f"{name}.yaml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_environments(folder)
    return caught.value.problems


def test_the_shipped_environments_are_sound() -> None:
    # When the shipped files are read
    environments = load_environments(ROOT / "environments")
    # Then they are what the README promises of them
    dev, prod = environments["dev"], environments["prod"]
    assert len(dev.network.availability_zones) == 2
    assert len(prod.network.availability_zones) == 3
    assert dev.disposable
    assert not prod.disposable
    scale = [(e.min_instances, e.max_instances) for env in (dev, prod) for e in env.inference.endpoints]
    assert scale == [(1, 2), (2, 10)]


def test_malformed_yaml_names_file_line_and_column(tmp_path: Path) -> None:
    # Given a list that is not closed
    problems = _problems(tmp_path, "account: '1'\nnetwork: [a\nregion: x\n")
    # Then the one problem says where
    assert len(problems) == 1
    assert "dev.yaml, line 3, column 7: not valid YAML" in problems[0]


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    problems = _problems(tmp_path, "region: us-east-1\nregion: eu-west-1\n")
    assert "line 2" in problems[0]
    assert "'region' stands twice" in problems[0]


def test_an_unknown_field_names_the_nearest_one(tmp_path: Path) -> None:
    # Given a slip of the pen deep in the file
    content = _dev()
    content["training"]["job_types"][0]["use_spot_instance"] = True
    # When it is read
    (problem,) = _problems(tmp_path, content)
    # Then file, path, value and a proposal are told
    assert "dev.yaml: training.job_types.0.use_spot_instance is true" in problem
    assert "Did you mean use_spot_instances?" in problem


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"max_run": 100, "max_wait": 99}, "job_types.0.max_wait is 99", "must be at least max_run (100 s)"),
        ({"checkpoints": False}, "job_types.0.checkpoints is false", "must be true with use_spot_instances: true"),
        ({"instance_type": "ml.g4dn.3xlarge"}, "job_types.0.instance_type", "Nearest: ml.g4dn"),
        ({"instance_type": "ml.m5.xlarge"}, "job_types.0.instance_type", "must be a GPU instance"),
        ({"processing_instance_type": "ml.m5.xlarge"}, "job_types.0.processing_instance_type", "must be a GPU"),
        (
            {"processing_instance_type": "ml.p5.48xlarge"},
            "job_types.0.processing_instance_type",
            "SageMaker processing",
        ),
        ({"image": "inference"}, "job_types.0.image", "with purpose training: training"),
    ],
)
def test_a_wrong_job_type_is_refused(tmp_path: Path, change: dict[str, Any], path: str, reason: str) -> None:
    content = _dev()
    content["training"]["job_types"][0].update(change)
    (problem,) = _problems(tmp_path, content)
    assert path in problem
    assert reason in problem


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"instance_type": "ml.c7g.xlarge"}, "endpoints.0.instance_type", "must be an x86_64 instance"),
        ({"instance_type": "ml.m5.large"}, "endpoints.0.instance_type", "must be a GPU instance"),
        ({"min_instances": 3}, "endpoints.0.max_instances is 2", "must be at least min_instances (3)"),
        ({"model": {"model_package": "latest"}}, "endpoints.0.model.model_package", "must be text matching"),
    ],
)
def test_a_wrong_endpoint_is_refused(tmp_path: Path, change: dict[str, Any], path: str, reason: str) -> None:
    content = _dev()
    content["inference"]["endpoints"][0].update(change)
    (problem,) = _problems(tmp_path, content)
    assert path in problem
    assert reason in problem


def test_an_image_that_is_not_published_is_refused(tmp_path: Path) -> None:
    content = _dev()
    content["images"][0]["base"]["transformers"] = "4.57"
    (problem,) = _problems(tmp_path, content)
    assert "Nearest: 4.56.2, 5.3.0" in problem


def test_a_zone_of_another_region_is_refused(tmp_path: Path) -> None:
    content = _dev()
    content["network"]["availability_zones"] = ["us-east-1a", "eu-west-1b"]
    (problem,) = _problems(tmp_path, content)
    assert "network.availability_zones.1" in problem


def test_a_number_where_text_belongs_asks_for_quotation_marks(tmp_path: Path) -> None:
    # YAML reads an account without quotation marks as a number, and one with a leading zero as another number
    (problem,) = _problems(tmp_path, _dev() | {"account": 123456789012})
    assert "account is 123456789012: must be text; put it in quotation marks." in problem


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    # Given one file with three faults and another with one
    dev, prod = _dev(), _dev()
    dev.update(account=123, colour="blue")
    dev["training"]["job_types"][0]["max_wait"] = 1
    prod["region"] = "moon"
    (tmp_path / "prod.yaml").write_text(yaml.safe_dump(prod))
    # When they are read
    problems = _problems(tmp_path, dev)
    # Then each has its own paragraph
    for part in ("dev.yaml: account", "dev.yaml: colour", "max_wait is 1", "prod.yaml: region"):
        assert any(part in problem for problem in problems), part


def test_app_ends_with_2_and_synthesises_nothing(tmp_path: Path) -> None:
    # Given a folder with a wrong file
    content = _dev()
    content["region"] = "moon"
    (tmp_path / "dev.yaml").write_text(yaml.safe_dump(content))
    out = tmp_path / "out"
    # When the app runs as the CDK CLI runs it
    environment = {"CDK_OUTDIR": str(out), "CDK_CONTEXT_JSON": json.dumps({"environments": str(tmp_path)})}
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    # Then it says why, and leaves nothing
    assert done.returncode == 2
    assert 'dev.yaml: region is "moon"' in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(out.glob("*")) if out.exists() else True


def test_the_schema_for_editors_is_current() -> None:
    # `make schema` writes it
    assert (ROOT / "environments/schema.json").read_text() == schema()


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_each_environment_names_the_schema_and_fits_it(name: str) -> None:
    text = (ROOT / f"environments/{name}.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=schema.json")
    jsonschema.validate(yaml.safe_load(text), json.loads(schema()))


def test_a_price_must_be_of_an_instance_that_trains_and_more_than_nothing(tmp_path: Path) -> None:
    content = _dev() | {"prices": {"per_hour": {"ml.g5.xlarg": 1.4}}}
    (problem,) = _problems(tmp_path, content)
    assert "prices.per_hour.ml.g5.xlarg" in problem
    assert "Nearest: ml.g5.xlarge" in problem
    (problem,) = _problems(tmp_path, _dev() | {"prices": {"per_hour": {"ml.g5.xlarge": 0}}})
    assert "prices.per_hour.ml.g5.xlarge" in problem


def test_a_model_is_not_approved_by_itself_below_the_gate(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    content["training"]["job_types"][0]["evaluation"] = {"metric": "eval_accuracy", "minimum": 0.6, "approve_at": 0.5}
    (problem,) = _problems(tmp_path, content)
    assert "evaluation.approve_at" in problem
    assert "must be at least minimum (0.6)" in problem
