"""The gate as it runs in `make synth`: the real CLI, the built-in validation, the packs, our controls."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ["dev", "prod"]
MOST_ACKNOWLEDGEMENTS = 25
WHO_JUDGES = (
    "CloudFormation Validate",
    "AwsSolutions",
    "NIST.800.53.R5",
    "HIPAA.Security",
    "PCI.DSS.321",
    "Serverless",
    "HfSageMaker",
)


def _synthesise(out: Path, settings: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["node_modules/.bin/cdk", "synth", "--quiet", "--output", str(out / "cdk.out")]
    contexts = ("-c", f"environments={settings}", "-c", f"compliance={out}")
    return subprocess.run(
        [*command, *contexts, *options],
        cwd=ROOT,
        # Other tests of this process switch the built-in validation off.
        env={name: value for name, value in os.environ.items() if name != "CDK_VALIDATION"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.fixture(scope="module")
def synthesised(full_settings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the evidence of a synth in which everything judged."""
    out = tmp_path_factory.mktemp("synth")
    done = _synthesise(out, full_settings)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out


@pytest.fixture(params=ENVIRONMENTS)
def evidence(request: pytest.FixtureRequest, synthesised: Path) -> dict[str, Any]:
    """The evidence of one environment."""
    content: dict[str, Any] = json.loads((synthesised / f"{request.param}.json").read_text(encoding="utf-8"))
    return content


def test_everybody_judged_and_found_nothing(evidence: dict[str, Any]) -> None:
    assert evidence["problems"] == []
    judged = {pack["name"]: (pack["has_judged"], pack["findings"]) for pack in evidence["packs"]}
    assert judged == dict.fromkeys(WHO_JUDGES, (True, 0))


def test_no_control_fails(evidence: dict[str, Any]) -> None:
    assert [control for control in evidence["controls"] if control["status"] == "failed"] == []


def test_acknowledgements_are_few(evidence: dict[str, Any]) -> None:
    assert evidence["counts"]["acknowledgements"] <= MOST_ACKNOWLEDGEMENTS


def test_findings_of_cloudformation_are_errors(synthesised: Path) -> None:
    assert json.loads((ROOT / "cdk.json").read_text())["context"]["@aws-cdk/core:validateAgainstDefaultRules"] is True


def test_a_finding_ends_the_synth_with_1(full_settings: Path, tmp_path: Path) -> None:
    # Given the app with its acknowledgements lost
    lost = "import hf_sagemaker.permissions.permission as p; p.acknowledge = lambda *_: None"
    (tmp_path / "app.py").write_text(f"import runpy; {lost}; runpy.run_path('{ROOT}/app.py', run_name='__main__')")
    # When the real CLI synthesises it
    done = _synthesise(
        tmp_path, full_settings, "--no-validation", "--app", f"{ROOT}/.venv/bin/python {tmp_path}/app.py"
    )
    # Then the CDK does not go on as if nothing had happened
    assert done.returncode != 0
    assert "AwsSolutions-IAM5" in done.stdout + done.stderr
    assert "acknowledge them at the resource" in done.stdout + done.stderr
