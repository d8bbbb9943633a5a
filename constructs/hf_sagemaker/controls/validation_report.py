"""The report in which the CDK says what its validation plugins found, and what was acknowledged."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "validation-report.json"


@dataclass(frozen=True)
class Finding:
    """A rule that a construct breaks.

    plugin, rule, problem: who found it, by which rule, and what is wrong. path: of the construct; empty: of none.
    """

    plugin: str
    rule: str
    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.plugin}: {self.rule} at {self.path or 'no construct'}: {self.problem}"


@dataclass(frozen=True)
class Suppression:
    """A finding that is acknowledged.

    acknowledged_at: path of the construct that did, with that id and reason.
    """

    finding: Finding
    acknowledged_at: str
    acknowledged_id: str
    reason: str


class ValidationReport:
    """What a synth wrote to its folder.

    plugins: who found something, acknowledged or not; the CDK leaves out who found nothing.
    findings: what nobody acknowledged. suppressions: what somebody did. crashes: why a plugin could not judge, by
    its name. Raises OSError when there is no report, ValueError when it is none.
    """

    def __init__(self, assembly: Path) -> None:
        plugins = json.loads((assembly / FILE).read_text(encoding="utf-8"))["pluginReports"]
        self.plugins = frozenset(plugin["pluginName"] for plugin in plugins)
        self.findings = [
            finding for plugin in plugins for v in plugin["violations"] for finding in _findings(plugin, v)
        ]
        self.suppressions = [
            Suppression(finding, v.get("acknowledgedAt", ""), v["acknowledgedId"], v.get("reason", ""))
            for plugin in plugins
            for v in plugin.get("suppressedViolations") or []
            for finding in _findings(plugin, v)
        ]
        self.crashes = {
            plugin["pluginName"]: (plugin.get("metadata") or {}).get("error", f"{plugin['pluginName']} failed.")
            for plugin in plugins
            if plugin["conclusion"] != "success" and not plugin["violations"]
        }


def _findings(plugin: dict[str, Any], violation: dict[str, Any]) -> Iterator[Finding]:
    for construct in violation.get("violatingConstructs") or [{}]:
        yield Finding(
            plugin["pluginName"],
            violation["ruleName"],
            construct.get("constructPath", ""),
            violation.get("description", ""),
        )
