"""The demo: what it measures, what it refuses, and that it leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from rich.console import Console

from hfsm.demo import report
from hfsm.demo.command import DATA, run_demo
from hfsm.demo.demo_run import DemoPaths
from hfsm.demo.deploy_steps import _DEPLOYED, _DEPLOYING, name_model, stack_name
from hfsm.demo.endpoint_steps import percentile
from hfsm.demo.endpoint_steps import test_sentences as sentences_of
from hfsm.demo.training_steps import epochs
from hfsm.errors import OperatorError, WrongUseError
from hfsm.local import PROJECT_ROOT
from hfsm.processes import leftovers

MEASURED: dict[str, Any] = {
    "deploy": {
        "seconds": 20.1,
        "bootstrap_seconds": 3.0,
        "synth_seconds": 9.0,
        "update_seconds": 30.0,
        "stacks": [{"name": "dev-Network", "resources": 30, "seconds": 3.0}],
        "unsupported_resource_types": [],
    },
    "images": [{"name": "training", "seconds": 30.0, "digest": "sha256:" + "0" * 64}],
    "training": {
        "spot": True,
        "interruptions": 1,
        "save_steps": 50,
        "step_at_interruption": 151,
        "resumed_from_step": 150,
        "final_step": 300,
        "training_seconds": 60.0,
        "billable_seconds": 18.0,
        "spot_price_ratio": 0.3,
        "savings_percent": 70.0,
        "accuracy": 0.81,
        "majority_baseline": 0.5,
    },
    "registry": {"group": "group", "package_arn": "arn", "status": "Approved"},
    "endpoint": {
        "instance_type": "ml.g4dn.xlarge",
        "ready_seconds": 12.0,
        "first_answer_ms": 900.0,
        "requests": 50,
        "p50_ms": 12.0,
        "p99_ms": 40.0,
        "errors": 0,
    },
    "predictions": [{"text": "a [good] one", "label": "LABEL_1", "score": 0.9}],
    "total_seconds": 250.0,
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with data that a demo accepts."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train.jsonl", "test.jsonl"):
        rows = [{"text": f"sentence {number}", "label": number % 2} for number in range(4)]
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_the_report_has_its_fields_and_is_shown() -> None:
    # Given what a demo measured
    measured = report.Report.model_validate(MEASURED)
    console = Console(record=True, width=200, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    # When it is written and shown
    document = json.loads(measured.model_dump_json())
    report.show(measured, console)
    # Then nothing is lost, and an assumption is called one
    assert document == {**MEASURED, "schema_version": "1"} | {
        "training": {**MEASURED["training"], "spot_price_ratio_is": "assumed"}
    }
    shown = console.export_text()
    assert "1 steps lost (saved every 50)" in shown
    assert "70.0 % saved at the assumed spot price" in shown
    assert "a [good] one" in shown


def test_a_number_that_was_not_measured_is_no_report() -> None:
    incomplete = {**MEASURED, "endpoint": {**MEASURED["endpoint"], "p99_ms": None}}
    with pytest.raises(ValidationError, match="p99_ms"):
        report.Report.model_validate(incomplete)


def test_wrong_data_is_told_before_anything_is_started(hfsm: Any, tmp_path: Path) -> None:
    # Given a folder with a broken line and without test data
    (tmp_path / "train.jsonl").write_text('{"text": "a", "label": 1}\n{"text": "b"\n')
    # When the demo is to use it
    result = hfsm("demo", "--data", tmp_path, "--model", tmp_path)
    # Then every problem is named
    assert result.code == 2
    assert f"{tmp_path / 'train.jsonl'}, line 2: not JSON" in result.err
    assert f"{tmp_path / 'test.jsonl'} is missing" in result.err
    assert f"{tmp_path} holds no config.json" in result.err
    assert result.out == ""


def test_a_second_demo_at_the_same_time_is_refused(tmp_path: Path, data: Path) -> None:
    import fcntl

    (tmp_path / "build").mkdir()
    paths = DemoPaths(root=PROJECT_ROOT, build=tmp_path / "build")
    with (paths.build / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OperatorError, match="A demo is running already"):
            run_demo(data, None, keep=False, console=Console(quiet=True), paths=paths)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process(number: signal.Signals, tmp_path: Path, data: Path) -> None:
    # Given a demo that has started the embedded AWS and runs the CDK CLI
    script = (
        "import sys; from pathlib import Path; import hfsm.__main__ as command; from hfsm.demo import "
        "command as demo\n"
        "from hfsm.demo.demo_run import DemoPaths\n"
        f"demo.DemoPaths = lambda: DemoPaths(build=Path({str(tmp_path / 'build')!r}))\n"
        f"sys.argv = ['hfsm', 'demo', '--data', {str(data)!r}]; command.main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT / "tools")}
    demo = subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    state = tmp_path / "build" / "localcloud"
    log = tmp_path / "build" / "logs" / "02-bootstrap.log"
    wait_until(lambda: (log.exists() and "$ " in log.read_text()) or demo.poll() is not None)
    time.sleep(0.5)
    before = leftovers(state)
    # When it is interrupted
    demo.send_signal(number)
    out, _ = demo.communicate(timeout=60)
    # Then it says so, and nothing of it lives
    assert demo.returncode == 1, out
    assert before != [], out
    assert "Interrupted. Stopping everything" in out
    assert leftovers(state) == []


def wait_until(condition: Any, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def test_the_second_deployment_changes_the_model_alone(tmp_path: Path) -> None:
    # Given the project's own settings
    settings = PROJECT_ROOT / "environments"
    # When the model is named in a copy
    name_model(settings, tmp_path / "copy", "arn:aws:sagemaker:us-east-1:123456789012:model-package/x/1")
    # Then that endpoint's model is the only difference
    before = yaml.safe_load((settings / "dev.yaml").read_text())
    after = yaml.safe_load((tmp_path / "copy" / "dev.yaml").read_text())
    [endpoint] = [entry for entry in after["inference"]["endpoints"] if entry["name"] == "sentiment"]
    assert endpoint["model"] == {"model_package": "arn:aws:sagemaker:us-east-1:123456789012:model-package/x/1"}
    endpoint["model"] = None
    assert after == before


def test_settings_without_the_endpoint_are_refused(tmp_path: Path) -> None:
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "dev.yaml").write_text("inference:\n  endpoints: []\n")
    with pytest.raises(OperatorError, match="no endpoint named 'sentiment'"):
        name_model(tmp_path / "settings", tmp_path / "copy", "arn")


def test_the_cdk_clis_lines_are_understood() -> None:
    begin = _DEPLOYING.search("dev/Network (dev-Network): deploying... [1/5]")
    end = _DEPLOYED.search(" ✅  dev/Network (dev-Network)")
    assert begin is not None and begin[1] == "dev-Network"
    assert end is not None and end[1] == "dev-Network"
    assert _DEPLOYED.search("✨  Deployment time: 3.1s") is None


def test_a_template_is_known_by_its_stack(tmp_path: Path) -> None:
    template = tmp_path / "devNetwork1.template.json"
    artifact = {
        "type": "aws:cloudformation:stack",
        "properties": {"templateFile": template.name, "stackName": "dev-Network"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"devNetwork1": artifact}}))
    assert stack_name(template) == "dev-Network"
    assert stack_name(tmp_path / "other.template.json") is None


def test_the_sentences_are_from_all_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps({"text": str(number), "label": 0}) + "\n" for number in range(95)))
    assert sentences_of(path) == ["0", "9", "19", "28", "38", "47", "57", "66", "76", "85"]


def test_little_data_is_gone_through_more_often() -> None:
    assert epochs(rows=8086, batch_size=32) == 3
    assert epochs(rows=640, batch_size=32) == 15
    assert epochs(rows=1, batch_size=32) == 300


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert percentile([float(value) for value in range(1, 101)], 0.99) == 99.0
    assert percentile([7.0], 0.99) == 7.0


def test_the_data_that_comes_with_the_demo_is_good() -> None:
    from hfsm import dataset

    found, problems = dataset.check_folder(DATA)
    assert problems == []
    assert found["test.jsonl"].majority_share < 0.7


def test_settings_without_an_account_are_told(tmp_path: Path, data: Path) -> None:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "dev.yaml").write_text("region: us-east-1\n")
    with pytest.raises(WrongUseError, match="'account'"):
        run_demo(data, None, keep=False, console=Console(quiet=True), paths=DemoPaths(tmp_path, tmp_path / "b"))
