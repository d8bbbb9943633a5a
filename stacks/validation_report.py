"""Findings of a synth. The CDK writes them to a report and, run by its CLI, goes on as if nothing had happened."""

import json
from pathlib import Path

REPORT = "validation-report.json"


def findings(assembly: Path) -> list[str]:
    """One line per violated rule and construct: `<plugin>: <rule> at <construct path>: <what is wrong>`.

    assembly: folder that the app was synthesised to. A missing report is a finding: nothing was checked.
    """
    file = assembly / REPORT
    if not file.exists():
        return [f"{file}: was not written, so nothing was checked."]
    report = json.loads(file.read_text(encoding="utf-8"))
    return [
        f"{plugin['pluginName']}: {violation['ruleName']} at {construct.get('constructPath', '?')}: "
        f"{violation.get('description', '')}"
        for plugin in report["pluginReports"]
        for violation in plugin.get("violations", [])
        for construct in violation.get("violatingConstructs") or [{}]
    ]
