"""The gate as it runs in `make synth`: the real CLI, both engines, the report that they write."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App

import hf_sagemaker.permissions
import stacks.network_stack
from hf_sagemaker.compliance import acknowledge
from stacks.ml_environment import MlEnvironment
from stacks.settings_files import load_environments

ROOT = Path(__file__).parents[2]
PLUGINS = {"CloudFormation Validate", "AwsSolutions"}
MODEL_PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/dev-text-classification/1"


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped environments, with a model for each endpoint, so that nothing goes unjudged."""
    folder = tmp_path_factory.mktemp("environments")
    for name in ("dev", "prod"):
        content = yaml.safe_load((ROOT / f"environments/{name}.yaml").read_text())
        for endpoint in content["inference"]["endpoints"]:
            endpoint["model"] = {"model_package": MODEL_PACKAGE}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return folder


def _synthesise(out: Path, environments: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["node_modules/.bin/cdk", "synth", "--quiet", "--output", str(out), "-c", f"environments={environments}"]
    return subprocess.run(
        [*command, *options], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False, timeout=240
    )


@pytest.fixture(scope="module")
def report(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("synth") / "cdk.out"
    done = _synthesise(out, environments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    content: dict[str, Any] = json.loads((out / "validation-report.json").read_text())
    return content


def test_both_engines_judged_and_found_nothing(report: dict[str, Any]) -> None:
    # Given the report of a synth with validation on
    plugins = {plugin["pluginName"]: plugin for plugin in report["pluginReports"]}
    # Then both engines ran, and no finding is unacknowledged
    assert set(plugins) >= PLUGINS
    for name, plugin in plugins.items():
        assert plugin["conclusion"] == "success", name
        assert not plugin.get("violations"), name


def test_findings_of_cloudformation_are_errors(report: dict[str, Any]) -> None:
    assert json.loads((ROOT / "cdk.json").read_text())["context"]["@aws-cdk/core:validateAgainstDefaultRules"] is True


def test_no_acknowledgement_is_stale(
    report: dict[str, Any], environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given every acknowledgement that the constructs make
    made: dict[tuple[str, str], str] = {}

    def record(construct: Any, reason: str, *rules: str) -> None:
        made.update({(construct.node.path, rule): reason for rule in rules})
        acknowledge(construct, reason, *rules)

    for module in (hf_sagemaker.permissions, stacks.network_stack):
        monkeypatch.setattr(module, "acknowledge", record)
    app = App(context=json.loads((ROOT / "cdk.json").read_text())["context"])
    for name, settings in load_environments(environments).items():
        MlEnvironment(app, name, settings)
    # When they are held against those that the report used
    used = {
        (suppressed["acknowledgedAt"], suppressed["acknowledgedId"])
        for plugin in report["pluginReports"]
        for suppressed in plugin.get("suppressedViolations", [])
    }
    # Then each is used, and each says why
    assert made
    assert set(made) - used == set()
    assert all(len(reason) > 30 for reason in made.values())


def test_a_finding_ends_the_synth_with_1(environments: Path, tmp_path: Path) -> None:
    # Given a copy of the app in which one acknowledgement is lost
    script = (
        (ROOT / "app.py")
        .read_text()
        .replace(
            "app = App()", "app = App()\n    import hf_sagemaker.permissions as p; p.acknowledge = lambda *_: None"
        )
        .replace("Path(__file__).parent", repr(ROOT).replace("PosixPath", "Path"))
    )
    (tmp_path / "app.py").write_text(script)
    # When the real CLI synthesises it
    done = _synthesise(
        tmp_path / "out", environments, "--no-validation", "--app", f"{ROOT}/.venv/bin/python {tmp_path}/app.py"
    )
    # Then the CDK does not go on as if nothing had happened
    assert done.returncode != 0
    assert "AwsSolutions-IAM5" in done.stdout + done.stderr
    assert "acknowledge them at the resource" in done.stdout + done.stderr
