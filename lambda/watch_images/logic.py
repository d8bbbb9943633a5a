"""What is decided about one image: whether it is built again, and whether its findings block it.

Knows no AWS: the answers of its APIs come in, sentences for people go out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

NOT_BUILT = "none"
_LONGEST_VALUE = 4000
_SEVERITIES = ("CRITICAL", "HIGH")


@dataclass(frozen=True)
class Accepted:
    """A finding that somebody has accepted. name: for example `CVE-2026-1234`. until: the last day."""

    name: str
    until: date


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which findings count.

    on_findings: `critical`, `high` (which includes critical) or `none`: from which severity on.
    accepted: findings that do not, each until its day.
    """

    on_findings: str = "critical"
    accepted: Sequence[Accepted] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Watched(Rules):
    """One image, as the rule's input names it. It is built again for findings that count.

    wanted, digest, base_digest, rebuild, blocked: names of its parameters.
    base: registry account, repository and tag of its base.
    on_change: build what a deployment has changed.
    on_new_base: build again when the base's tag has moved.
    """

    project: str
    wanted: str
    digest: str
    base_digest: str
    rebuild: str
    blocked: str
    base: Mapping[str, str]
    on_change: bool = True
    on_new_base: bool = True

    @staticmethod
    def from_input(entry: Mapping[str, Any]) -> "Watched":
        """As the rule's constant input has it."""
        return Watched(**{**entry, "accepted": accepted_from(entry)})


@dataclass(frozen=True, kw_only=True)
class Build:
    """The newest build of a project. id, tag: empty when there was none. tag: of the inputs that it started with."""

    id: str = ""
    tag: str = ""
    runs: bool = False


def accepted_from(entry: Mapping[str, Any]) -> list[Accepted]:
    """The accepted findings of an input. Their reasons are in the settings."""
    return [Accepted(each["name"], date.fromisoformat(each["until"])) for each in entry.get("accepted", [])]


def standing(findings: Sequence[Mapping[str, Any]], rules: Rules, today: date) -> list[str]:
    """The names of the findings at or above the threshold that nobody accepts today, sorted, each once.

    findings: of ECR's scan, basic or enhanced.
    """
    if rules.on_findings == "none":
        return []
    severities = _SEVERITIES[: _SEVERITIES.index(rules.on_findings.upper()) + 1]
    accepted = {each.name for each in rules.accepted if today <= each.until}
    names = {_name(each) for each in findings if each.get("severity") in severities}
    return sorted(names - accepted)


def _name(finding: Mapping[str, Any]) -> str:
    enhanced = finding.get("packageVulnerabilityDetails", {}).get("vulnerabilityId")
    return str(enhanced or finding.get("name") or finding.get("title") or "unnamed")


def reasons_to_build(
    watched: Watched,
    *,
    wanted: str,
    newest: Build,
    built: str,
    base_built_on: str,
    base_now: str,
    found: Sequence[str],
    told: str,
) -> list[str]:
    """Why the image is to be built now; empty: it is not.

    wanted: the tag of the inputs that the settings name now; empty: a deployment has not come that far.
    newest: one of these inputs was started for what they are, whether it succeeded or not.
    built: `<repository>@sha256:…`, or `none`: what nobody has built yet is built for its inputs only.
    base_built_on, base_now: digests.
    found: the findings that stand. told: what the blocked parameter says: findings that a build was started for already
    start no other one, or one would follow the next until a fix is published.
    """
    reasons = []
    if watched.on_change and wanted and newest.tag != wanted:
        reasons.append(f"the settings lead to {wanted}, which no build was started for")
    if built == NOT_BUILT:
        return reasons
    if watched.on_new_base and base_now and base_now != base_built_on:
        reasons.append(f"its base is {base_now} now, and was {base_built_on}")
    if found and blocked_text(found) != told:
        reasons.append(f"{', '.join(found)} were found in it")
    return reasons


def blocked_text(found: Sequence[str]) -> str:
    """What the blocked parameter is to say: what was found, or `none`."""
    text = ", ".join(found)
    return (text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]} …") or NOT_BUILT
