"""What is decided about an image that is watched."""

from datetime import date
from typing import Any

import pytest

from watch_images.logic import Build, Watched, blocked_text, reasons_to_build, standing

TODAY = date(2026, 11, 21)
BUILT = "1.dkr.ecr.us-east-1.amazonaws.com/hf-sagemaker/dev/training@sha256:1"
CRITICAL = {"name": "CVE-1", "severity": "CRITICAL"}
HIGH = {"name": "CVE-2", "severity": "HIGH"}
ENHANCED = {"severity": "CRITICAL", "packageVulnerabilityDetails": {"vulnerabilityId": "CVE-3"}}


def _watched(**rules: Any) -> Watched:
    names = {name: name for name in ("project", "wanted", "digest", "base_digest", "rebuild", "blocked")}
    return Watched.from_input({**names, "base": {}, **rules})


def _accepted(until: str) -> dict[str, Any]:
    return {"accepted": [{"name": "CVE-1", "until": until, "reason": "not reachable"}]}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, ["CVE-1", "CVE-3"]),
        ({"on_findings": "high"}, ["CVE-1", "CVE-2", "CVE-3"]),
        ({"on_findings": "none"}, []),
        (_accepted("2026-11-21"), ["CVE-3"]),
        (_accepted("2026-11-20"), ["CVE-1", "CVE-3"]),
    ],
    ids=["critical", "high", "none", "accepted until today", "accepted until yesterday"],
)
def test_findings_stand_from_the_threshold_on_unless_accepted(rules: dict[str, Any], expected: list[str]) -> None:
    assert standing([CRITICAL, HIGH, ENHANCED, CRITICAL], _watched(**rules), TODAY) == expected


def _reasons(watched: Watched | None = None, **changes: Any) -> list[str]:
    facts = {
        "wanted": "inputs",
        "newest": Build(id="1", tag="inputs"),
        "built": BUILT,
        "base_built_on": "sha256:a",
        "base_now": "sha256:a",
        "found": [],
        "told": "none",
    }
    return reasons_to_build(watched or _watched(), **(facts | changes))


def test_an_unchanged_image_is_not_built_again() -> None:
    assert _reasons() == []


def test_a_moved_base_is_a_reason_unless_nobody_wants_it() -> None:
    assert "sha256:b" in _reasons(base_now="sha256:b")[0]
    assert _reasons(_watched(on_new_base=False), base_now="sha256:b") == []


def test_a_base_that_is_gone_is_no_reason() -> None:
    assert _reasons(base_now="") == []


def test_findings_are_a_reason_once() -> None:
    assert "CVE-1" in _reasons(found=["CVE-1"])[0]
    assert _reasons(found=["CVE-1"], told=blocked_text(["CVE-1"])) == []
    assert _reasons(found=["CVE-1", "CVE-2"], told=blocked_text(["CVE-1"])) != []


@pytest.mark.parametrize("built", ["none", BUILT])
@pytest.mark.parametrize("newest", [Build(), Build(id="1", tag="others"), Build(id="1", tag="others", runs=True)])
def test_inputs_that_no_build_was_started_for_are_a_reason(built: str, newest: Build) -> None:
    assert "the settings lead to inputs" in _reasons(built=built, newest=newest)[0]
    assert _reasons(_watched(on_change=False), built=built, newest=newest) == []


def test_a_build_that_failed_is_not_tried_again_for_the_same_inputs() -> None:
    assert _reasons(built="none") == []


def test_a_deployment_that_has_not_come_to_an_image_is_no_reason() -> None:
    assert _reasons(wanted="", newest=Build()) == []


def test_what_nobody_has_built_is_not_built_for_anything_else() -> None:
    assert _reasons(built="none", base_now="sha256:b", found=["CVE-1"]) == []


def test_what_blocks_fits_into_a_parameter() -> None:
    assert blocked_text([]) == "none"
    assert len(blocked_text([f"CVE-2026-{i}" for i in range(1000)]).encode()) <= 4096
