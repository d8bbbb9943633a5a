"""What is decided about an image that is to run in another environment."""

import json
from datetime import date
from typing import Any

import pytest

from watch_images.promotion import (
    PromotionRules,
    Request,
    image_problems,
    newest_request,
    record_text,
    request_problem,
)
from watch_images.scans import Scan

TODAY = date(2026, 11, 21)
DIGEST = "sha256:" + "a" * 64
CRITICAL = {"name": "CVE-1", "severity": "CRITICAL"}
HIGH = {"name": "CVE-2", "severity": "HIGH"}
ENHANCED = {"severity": "CRITICAL", "packageVulnerabilityDetails": {"vulnerabilityId": "CVE-3"}}


def _rules(**changes: Any) -> PromotionRules:
    names = ("environment", "account", "repository", "repository_uri", "digest", "request", "record")
    return PromotionRules.from_text(json.dumps({**{name: name for name in names}, "environment": "dev", **changes}))


def _problems(*findings: dict[str, Any], status: str = "COMPLETE", tags: Any = ("t",), **rules: Any) -> list[str]:
    return image_problems(_rules(**rules), tags, Scan(status, list(findings)), TODAY)


def _accepted(until: str) -> list[dict[str, str]]:
    return [{"name": "CVE-1", "until": until}]


def test_a_clean_image_may_run() -> None:
    assert _problems() == []
    assert _problems(HIGH) == []
    assert _problems(status="ACTIVE") == []


def test_every_finding_that_stands_is_told_with_what_to_do() -> None:
    (problem,) = _problems(CRITICAL, HIGH, ENHANCED, on_findings="high")
    assert "CVE-1, CVE-2, CVE-3, high or worse" in problem
    assert "build the image again in dev" in problem
    assert "rebuild.accepted_findings" in problem


def test_an_accepted_finding_stands_again_when_its_day_is_over() -> None:
    assert _problems(CRITICAL, accepted=_accepted("2026-11-21")) == []
    (problem,) = _problems(CRITICAL, accepted=_accepted("2026-11-20"))
    assert "CVE-1 (accepted until 2026-11-20 only)" in problem


@pytest.mark.parametrize(
    "status", ["NOT_SCANNED", "IN_PROGRESS", "FAILED", "UNSUPPORTED_IMAGE", "FINDINGS_UNAVAILABLE"]
)
def test_what_no_scan_has_finished_is_not_promoted(status: str) -> None:
    (problem,) = _problems(status=status)
    assert f"its scan is {status}" in problem


def test_who_wants_no_judgement_gets_none() -> None:
    assert _problems(CRITICAL, status="FAILED", on_findings="none") == []


def test_an_image_that_is_not_there_or_about_to_go_is_refused() -> None:
    assert "dev has no such image" in _problems(tags=None)[0]
    assert "has no tag any more" in _problems(tags=(), on_findings="none")[0]


def test_the_newest_request_counts_and_is_its_writers() -> None:
    history = [
        {"Version": 2, "Value": DIGEST, "LastModifiedUser": "arn:aws:sts::2:assumed-role/operator/ada"},
        {"Version": 1, "Value": "none", "LastModifiedUser": "arn:aws:sts::2:assumed-role/deploying/x"},
    ]
    request = newest_request(history)
    assert request == Request(digest=DIGEST, by="arn:aws:sts::2:assumed-role/operator/ada", version=2)
    assert request_problem(request, 2) is None


@pytest.mark.parametrize(
    ("digest", "version", "reason"),
    [
        (DIGEST, 3, "somebody has asked for another image"),
        ("none", 4, "'none' is no digest"),
        ("sha256:abc", 4, "is no digest"),
        (f"{DIGEST}@x", 4, "is no digest"),
    ],
)
def test_a_request_that_cannot_be_meant_is_not_judged(digest: str, version: int, reason: str) -> None:
    assert reason in (request_problem(Request(digest=digest, by="x", version=4), version) or "")


def test_the_record_says_who_when_which_and_what_was_before() -> None:
    text = record_text(
        Request(digest=DIGEST, by="ada", version=7), _rules(), before="1.dkr/x@sha256:b", at="2026-11-21T10:00:00Z"
    )
    assert json.loads(text) == {
        "digest": DIGEST,
        "from": "dev",
        "at": "2026-11-21T10:00:00Z",
        "by": "ada",
        "request": 7,
        "before": "sha256:b",
    }
