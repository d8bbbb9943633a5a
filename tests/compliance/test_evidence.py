"""The evidence that every synth leaves: complete, readable, and about nothing but the templates."""

import getpass
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from hf_sagemaker.controls.catalog import CONTROLS
from hf_sagemaker.controls.evidence import STATUSES
from hf_sagemaker.controls.templates import Templates

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ["dev", "prod"]


@pytest.fixture(params=ENVIRONMENTS)
def evidence(request: pytest.FixtureRequest, full_assembly: Path) -> dict[str, Any]:
    """The JSON of one environment."""
    content: dict[str, Any] = json.loads((full_assembly / f"evidence/{request.param}.json").read_text(encoding="utf-8"))
    return content


def test_every_control_is_in_it_with_a_status(evidence: dict[str, Any]) -> None:
    assert [control["number"] for control in evidence["controls"]] == [control.number for control in CONTROLS]
    for control in evidence["controls"]:
        assert control["status"] in STATUSES
    counts = {status: sum(c["status"] == status for c in evidence["controls"]) for status in STATUSES}
    made = evidence["acknowledgements"]
    reasons = {excuse["reason"] for excuse in made}
    assert evidence["counts"] == counts | {"acknowledgements": len(made), "reasons": len(reasons)}


def test_what_is_claimed_is_shown(evidence: dict[str, Any], full_environments: dict[str, Templates]) -> None:
    # Given the construct paths of the environment
    paths = {resource.path for resource in full_environments[evidence["environment"]].all}
    for control in evidence["controls"]:
        # Then what is proved names resources that are there, and what is excused names who excused it and why
        if control["status"] == "pass":
            assert control["proofs"]
        if control["status"] == "excused":
            assert all(excuse["reason"] and excuse["path"] for excuse in control["acknowledgements"])
        if control["status"] == "later":
            assert control["comes_with"]
        assert {proof["resource"] for proof in control["proofs"]} <= paths
        assert (control["status"] == "failed") == bool(control["problems"])


def test_no_resource_is_proof_and_breach_of_one_control(evidence: dict[str, Any]) -> None:
    for control in evidence["controls"]:
        excused = {resource for excuse in control["acknowledgements"] for resource in excuse["resources"]}
        assert excused & {proof["resource"] for proof in control["proofs"]} == set(), control["number"]


def test_the_page_says_the_same(evidence: dict[str, Any], full_assembly: Path) -> None:
    page = (full_assembly / f"evidence/{evidence['environment']}.md").read_text(encoding="utf-8")
    for control in evidence["controls"]:
        assert f"\n| {control['number']} | " in page
    for excuse in evidence["acknowledgements"]:
        assert excuse["reason"] in page
        assert f"`{excuse['path']}`" in page
    for pack in evidence["packs"]:
        assert pack["name"] in page


def test_it_names_neither_machine_nor_time(full_assembly: Path) -> None:
    # Given all evidence
    for file in (full_assembly / "evidence").iterdir():
        text = file.read_text(encoding="utf-8")
        # Then no path, name or user of this machine is in it
        for name in (str(ROOT), str(full_assembly), str(Path.home()), socket.gethostname()):
            assert name not in text
        assert f"/{getpass.getuser()}/" not in text


def test_a_machine_finds_the_shape_it_knows(evidence: dict[str, Any]) -> None:
    assert evidence["schema_version"] == 1
    assert set(evidence) == {
        "schema_version",
        "environment",
        "account",
        "region",
        "counts",
        "problems",
        "controls",
        "acknowledgements",
        "packs",
    }
