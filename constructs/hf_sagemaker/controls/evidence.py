"""What an auditor asks for: control by control, which resource proves it, what excuses it and why.

Holds no time and no path of the machine: two synths of one commit write the same.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_sagemaker.controls.acknowledged import Excuse, excuses
from hf_sagemaker.controls.catalog import GROUPS
from hf_sagemaker.controls.evidence_page import page
from hf_sagemaker.controls.plugin import NAME
from hf_sagemaker.controls.templates import Templates
from hf_sagemaker.controls.validation_report import Finding, Suppression
from hf_sagemaker.controls.verdict import Verdict

SCHEMA_VERSION = 1
STATUSES = ("pass", "excused", "later", "failed")
"""Proved; broken where somebody acknowledged it; nothing there yet, by name of what brings it; broken or unproved."""


@dataclass(frozen=True)
class Pack:
    """A set of rules of others. has_judged: whether it did in this synth."""

    name: str
    has_judged: bool


def evidence(
    templates: Templates,
    verdicts: Sequence[Verdict],
    *,
    packs: Sequence[Pack],
    findings: Iterable[Finding],
    suppressions: Iterable[Suppression],
    problems: Sequence[str] = (),
) -> dict[str, Any]:
    """One environment's evidence, ready for JSON.

    verdicts: of every control. packs: who else judged. findings, suppressions: of all environments, from the CDK's
    report. problems: what else keeps the gate shut, for example a stale acknowledgement.
    """
    here = [finding for finding in findings if _is_in(templates.name, finding.path)]
    excused = [suppression for suppression in suppressions if _is_in(templates.name, suppression.finding.path)]
    controls = [_control(verdict, excused) for verdict in verdicts]
    made = excuses(excused)
    counts = Counter(control["status"] for control in controls)
    return {
        "schema_version": SCHEMA_VERSION,
        "environment": templates.name,
        "account": templates.account,
        "region": templates.region,
        "counts": {
            **{status: counts[status] for status in STATUSES},
            "acknowledgements": len(made),
            "reasons": len({excuse.reason for excuse in made}),
        },
        "problems": list(problems),
        "controls": controls,
        "acknowledgements": [_excuse(excuse) for excuse in made],
        "packs": [
            {
                "name": pack.name,
                "has_judged": pack.has_judged,
                "findings": sum(finding.plugin == pack.name for finding in here),
                "acknowledged": sum(suppression.finding.plugin == pack.name for suppression in excused),
            }
            for pack in packs
        ],
    }


def write(folder: Path, content: dict[str, Any]) -> None:
    """Writes `<environment>.json` and the page that people read, `<environment>.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    name = content["environment"]
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text(page(content), encoding="utf-8")


def _control(verdict: Verdict, suppressions: Sequence[Suppression]) -> dict[str, Any]:
    control = verdict.control
    used = [s for s in suppressions if s.finding.plugin == NAME and s.finding.rule == control.rule]
    excused = {suppression.finding.path for suppression in used}
    broken = {breach.resource.path for breach in verdict.breaches}
    open_problems = [
        *(f"{b.resource.path} {b.problem}" for b in verdict.breaches if b.resource.path not in excused),
        *(f"missing: {problem}" for problem in verdict.missing),
    ]
    proofs = {proof.resource.path: proof.remark for proof in verdict.proofs if proof.resource.path not in broken}
    status = "failed" if open_problems else "excused" if broken else "later" if verdict.is_empty else "pass"
    return {
        "number": control.number,
        "group": next(group for group, numbers in GROUPS.items() if control.number in numbers),
        "title": control.title,
        "anchors": control.anchors,
        "status": status,
        "proofs": [{"resource": path, **({"remark": remark} if remark else {})} for path, remark in proofs.items()],
        "problems": open_problems,
        "acknowledgements": [_excuse(excuse) for excuse in excuses(used)],
        **({"comes_with": control.comes_with} if status == "later" else {}),
    }


def _excuse(excuse: Excuse) -> dict[str, Any]:
    return {
        "path": excuse.path,
        "rules": list(excuse.rules),
        "reason": excuse.reason,
        "resources": list(excuse.resources),
    }


def _is_in(environment: str, path: str) -> bool:
    """Whether a construct is in the environment. What is nowhere concerns each of them."""
    return not path or path.split("/")[0] == environment
