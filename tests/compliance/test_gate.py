"""The gate is shut when something did not judge, however the CDK goes on."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cdk_nag
import pytest
from aws_cdk import App, Stack, Stage, Validations
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm

import hf_sagemaker.controls.plugin
import stacks.gate
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.controls.control import Breach, Control, Missing, Proof
from hf_sagemaker.controls.templates import Templates
from stacks.gate import Gate

ROOT = Path(__file__).parents[2]


def _judge(templates: Templates) -> Any:
    """Accepts parameters that are called fine."""
    for parameter in templates.resources("AWS::SSM::Parameter"):
        fine = parameter.properties["Value"] == "fine"
        yield Proof(parameter) if fine else Breach(parameter, "must be fine.")


def _crash(templates: Templates) -> Any:
    """Cannot read any template."""
    raise KeyError("Unreadable")
    yield Missing("never")


@pytest.fixture
def app(context: dict[str, Any], without_validation: None, tmp_path: Path) -> App:
    """An app with one environment of one stack, which our one control accepts."""
    made = App(context=context, outdir=str(tmp_path / "cdk.out"))
    stack = Stack(Stage(made, "dev"), "Data")
    ssm.StringParameter(stack, "Parameter", string_value="fine")
    return made


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes one control the only one there is."""

    def only(check: Any = _judge, comes_with: str | None = None) -> None:
        alone = Control(1, "fine parameters", "test", check, comes_with)
        monkeypatch.setattr(hf_sagemaker.controls.plugin, "controls_for", lambda templates: [alone])

    only()
    return only


def test_it_opens_when_everything_has_judged(app: App, control: Callable[..., None], tmp_path: Path) -> None:
    assert Gate(app).synthesise(tmp_path) == []


def test_a_breach_shuts_it_and_names_control_and_resource(
    app: App, control: Callable[..., None], tmp_path: Path
) -> None:
    # Given a resource that breaks the control
    _parameter(app, "Other")
    # When the app is synthesised
    problems = Gate(app).synthesise(tmp_path)
    # Then the one line names both
    assert problems == ["HfSageMaker: Control-1 at dev/Data/Other/Resource: fine parameters: must be fine."]


def test_an_acknowledged_breach_does_not(app: App, control: Callable[..., None], tmp_path: Path) -> None:
    acknowledge(_parameter(app, "Other"), "Its value is decided elsewhere, by its owner.", "HfSageMaker::Control-1")
    assert Gate(app).synthesise(tmp_path) == []
    evidence = json.loads((tmp_path / "dev.json").read_text())
    assert evidence["counts"] == {"pass": 0, "excused": 1, "later": 0, "failed": 0, "acknowledgements": 1, "reasons": 1}
    assert evidence["controls"][0]["acknowledgements"] == [
        {
            "path": "dev/Data/Other",
            "rules": ["HfSageMaker::Control-1"],
            "reason": "Its value is decided elsewhere, by its owner.",
            "resources": ["dev/Data/Other/Resource"],
        }
    ]


def test_a_stale_acknowledgement_shuts_it(app: App, control: Callable[..., None], tmp_path: Path) -> None:
    parameter = app.node.find_child("dev").node.find_child("Data").node.find_child("Parameter")
    acknowledge(parameter, "It was not fine before, and now it is.", "HfSageMaker::Control-1")
    (problem,) = Gate(app).synthesise(tmp_path)
    assert "dev/Data/Parameter acknowledges HfSageMaker::Control-1, which nothing there breaks" in problem


def test_an_id_without_its_namespace_shuts_it(app: App, control: Callable[..., None], tmp_path: Path) -> None:
    acknowledge(_parameter(app, "Other"), "Its value is decided elsewhere, by its owner.", "Control-1")
    problems = Gate(app).synthesise(tmp_path)
    assert len(problems) == 2
    assert "which nothing there breaks" in problems[1]


def test_an_acknowledgement_without_a_reason_shuts_it(app: App, control: Callable[..., None], tmp_path: Path) -> None:
    acknowledge(_parameter(app, "Other"), "false positive", "HfSageMaker::Control-1")
    (problem,) = Gate(app).synthesise(tmp_path)
    assert "without saying why" in problem


def test_a_stale_acknowledgement_at_the_app_shuts_it(app: App, control: Callable[..., None], tmp_path: Path) -> None:
    acknowledge(app, "Everything may be as it likes, says somebody.", "HfSageMaker::Control-1")
    (problem,) = Gate(app).synthesise(tmp_path)
    assert "the app acknowledges HfSageMaker::Control-1, which nothing there breaks" in problem


@pytest.mark.parametrize("path", [["dev"], ["dev", "Data"]])
def test_an_acknowledgement_for_a_whole_stack_shuts_it(
    app: App, control: Callable[..., None], tmp_path: Path, path: list[str]
) -> None:
    _parameter(app, "Other")
    scope: Any = app
    for name in path:
        scope = scope.node.find_child(name)
    acknowledge(scope, "Its value is decided elsewhere, by its owner.", "HfSageMaker::Control-1")
    (problem,) = Gate(app).synthesise(tmp_path)
    assert "for a whole stack" in problem


def test_a_check_that_fails_itself_is_a_finding_of_its_control(
    app: App, control: Callable[..., None], tmp_path: Path
) -> None:
    control(_crash)
    (problem,) = Gate(app).synthesise(tmp_path)
    assert "Control-1 at dev: fine parameters: missing: its check failed: KeyError" in problem


def test_what_is_missing_cannot_be_acknowledged(app: App, control: Callable[..., None], tmp_path: Path) -> None:
    # Given a check that misses something, acknowledged as high as can be
    control(_crash)
    acknowledge(app, "Somebody wants to be done with this.", "HfSageMaker::Control-1")
    # Then the finding stays
    assert any("its check failed" in problem for problem in Gate(app).synthesise(tmp_path))


def test_a_control_that_judges_nothing_shuts_it(app: App, control: Callable[..., None], tmp_path: Path) -> None:
    control(lambda templates: iter(()))
    (problem,) = Gate(app).synthesise(tmp_path)
    assert "nothing was found that it could judge" in problem


def test_a_control_whose_resource_comes_later_does_not(app: App, control: Callable[..., None], tmp_path: Path) -> None:
    control(lambda templates: iter(()), comes_with="the delivery pipeline")
    assert Gate(app).synthesise(tmp_path) == []
    assert json.loads((tmp_path / "dev.json").read_text())["controls"][0]["status"] == "later"
    assert "with the delivery pipeline" in (tmp_path / "dev.md").read_text()


def test_an_environment_without_stacks_shuts_it(app: App, control: Callable[..., None], tmp_path: Path) -> None:
    Stage(app, "prod")
    (problem,) = Gate(app).synthesise(tmp_path)
    assert problem.startswith("prod was not judged")


def test_an_app_without_environments_shuts_it(
    context: dict[str, Any], without_validation: None, tmp_path: Path
) -> None:
    problems = Gate(App(context=context, outdir=str(tmp_path / "cdk.out"))).synthesise(tmp_path)
    assert problems


def test_an_empty_template_shuts_it(app: App, tmp_path: Path) -> None:
    Stack(app.node.find_child("dev"), "Empty")
    assert any("stack dev-Empty" in p and "it has no resources" in p for p in Gate(app).synthesise(tmp_path))


def test_a_missing_report_shuts_it(
    app: App, control: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a synth that leaves no report, though one of an earlier synth is there
    report = Path(app.outdir) / "validation-report.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text('{"pluginReports": []}')
    monkeypatch.setattr(App, "synth", lambda self: None)
    # Then the earlier one does not count
    (problem,) = Gate(app).synthesise(tmp_path)
    assert "nothing counts as checked" in problem


@pytest.mark.parametrize("lost", ["AwsSolutions", "NIST.800.53.R5", "HIPAA.Security", "PCI.DSS.321", "Serverless"])
def test_a_pack_that_is_not_registered_shuts_it(
    app: App, control: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    # Given resources that every pack refuses, and one pack that is not asked
    stack = app.node.find_child("dev").node.find_child("Data")
    s3.CfnBucket(stack, "Bucket")
    lambda_.CfnFunction(stack, "Code", code={"zipFile": "0"}, role="role", runtime="python3.8", handler="a.b")
    register = Validations.add_plugins
    monkeypatch.setattr(
        Validations, "add_plugins", lambda self, *plugins: register(self, *(p for p in plugins if p.name != lost))
    )
    # When the app is synthesised
    problems = Gate(app).synthesise(tmp_path)
    # Then that pack is missed, and no other
    assert [problem for problem in problems if "did not judge" in problem] == [
        f"{lost} did not judge, and it would have found something."
    ]


def test_our_own_plugin_not_registered_shuts_it(
    app: App, control: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = Validations.add_plugins
    monkeypatch.setattr(
        Validations, "add_plugins", lambda self, *plugins: register(self, *(p for p in plugins if p.name[:2] != "Hf"))
    )
    _parameter(app, "Other")
    problems = Gate(app).synthesise(tmp_path)
    assert "dev was not judged" in "\n".join(problems)


def test_a_plugin_that_crashes_shuts_it(
    app: App, control: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(hf_sagemaker.controls.plugin, "verdicts", crash)
    problems = Gate(app).synthesise(tmp_path)
    assert "Validation plugin 'HfSageMaker' failed" in "\n".join(problems)


def test_a_cdk_that_hides_findings_from_python_does_not_open_it(full_settings: Path, tmp_path: Path) -> None:
    # Given the app with one acknowledgement lost, in the mode in which the CDK only sets Node's exit code
    lost = "import hf_sagemaker.permissions.permission as p; p.acknowledge = lambda *_: None"
    main = f"import runpy, sys; {lost}; sys.argv = ['app.py']; runpy.run_path('app.py', run_name='__main__')"
    flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    environment = os.environ | {
        "CDK_APP_MODE": "process",
        "CDK_OUTDIR": str(tmp_path / "cdk.out"),
        "CDK_VALIDATION": "false",
        "CDK_CONTEXT_JSON": json.dumps({**flags, "environments": str(full_settings), "compliance": str(tmp_path)}),
    }
    for name in ("PYTEST_VERSION", "PYTEST_CURRENT_TEST"):
        environment.pop(name, None)
    # When it is synthesised without the CLI
    done = subprocess.run(
        [sys.executable, "-c", main], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    # Then it ends with 1, and the evidence says why
    assert done.returncode == 1, done.stderr[-2000:]
    assert "AwsSolutions-IAM5" in done.stderr
    packs = {pack["name"]: pack for pack in json.loads((tmp_path / "prod.json").read_text())["packs"]}
    assert packs["AwsSolutions"]["findings"] > 0


def test_every_pack_of_cdk_nag_judges() -> None:
    # R4 is the same standard as R5, in its earlier revision.
    packs = {name for name in cdk_nag.__all__ if name.endswith("Checks")} - {"NIST80053R4Checks"}
    assert {pack.__name__ for pack in stacks.gate._PACKS} == packs


def _parameter(app: App, name: str) -> ssm.StringParameter:
    """A parameter that is not fine."""
    stack = app.node.find_child("dev").node.find_child("Data")
    return ssm.StringParameter(stack, name, string_value="other")
