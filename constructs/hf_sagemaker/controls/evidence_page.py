"""The page of the evidence that people read, in Markdown."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

_SHOWN = 3
_MEANING = {"pass": "proved", "excused": "acknowledged", "later": "comes later", "failed": "**fails**"}


def page(content: dict[str, Any]) -> str:
    """The text; content: see evidence."""
    return "\n".join(_lines(content)) + "\n"


def _lines(content: dict[str, Any]) -> Iterator[str]:
    counts = content["counts"]
    yield f"# Security controls of {content['environment']}"
    yield ""
    yield (
        f"Account {content['account']}, {content['region']}. {len(content['controls'])} controls: "
        f"{counts['pass']} proved, {counts['excused']} acknowledged, {counts['later']} come later, "
        f"{counts['failed']} fail. {counts['acknowledgements']} acknowledgements for {counts['reasons']} reasons, "
        "the packs' included."
    )
    yield from _failures(content)
    yield from _controls(content["controls"])
    yield from _acknowledgements(content["acknowledgements"])
    yield from _later(content["controls"])
    yield from _packs(content["packs"])


def _failures(content: dict[str, Any]) -> Iterator[str]:
    failed = [control for control in content["controls"] if control["problems"]]
    if failed or content["problems"]:
        yield from ("", "## What fails", "")
        yield from (f"- {problem}" for problem in content["problems"])
        for control in failed:
            yield from (f"- {control['number']} {control['title']}: {problem}" for problem in control["problems"])


def _controls(controls: list[dict[str, Any]]) -> Iterator[str]:
    group = None
    for control in controls:
        if control["group"] != group:
            group = control["group"]
            yield from ("", f"## {group}", "", "| # | requirement | | shown by |", "| --- | --- | --- | --- |")
        yield (
            f"| {control['number']} | {_cell(control['title'])} ({_cell(control['anchors'])}) "
            f"| {_MEANING[control['status']]} | {_shown_by(control)} |"
        )


def _shown_by(control: dict[str, Any]) -> str:
    proofs = [
        f"`{proof['resource']}`" + (f" ({_cell(proof['remark'])})" if "remark" in proof else "")
        for proof in control["proofs"]
    ]
    excused = [f"not `{resource}`" for excuse in control["acknowledgements"] for resource in excuse["resources"]]
    named = [*excused, *proofs]
    rest = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return ", ".join(named[:_SHOWN]) + rest if named else "–"


def _acknowledgements(made: list[dict[str, Any]]) -> Iterator[str]:
    yield from ("", "## What is acknowledged, and why", "")
    if not made:
        yield "Nothing."
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for excuse in made:
        by_reason.setdefault(excuse["reason"], []).append(excuse)
    for reason, those in by_reason.items():
        yield f"- {reason}"
        for excuse in those:
            yield f"  - `{excuse['path']}`: {', '.join(_rules(excuse['rules']))}"


def _rules(ids: list[str]) -> Iterator[str]:
    """The ids; those of one rule that differ only by what it found, in square brackets, as one."""
    found = Counter(rule.split("[")[0] for rule in ids)
    yield from (f"{rule} ({count} findings)" if count > 1 else rule for rule, count in found.items())


def _later(controls: list[dict[str, Any]]) -> Iterator[str]:
    later = [control for control in controls if control["status"] == "later"]
    if later:
        yield from ("", "## What comes later", "")
        yield "The resource that these controls judge is not there yet."
        yield ""
        yield from (f"- {control['number']} {control['title']}: with {control['comes_with']}" for control in later)


def _packs(packs: list[dict[str, Any]]) -> Iterator[str]:
    yield from ("", "## Rules of others", "", "| pack | findings | acknowledged |", "| --- | --- | --- |")
    for pack in packs:
        findings = str(pack["findings"]) if pack["has_judged"] else "did not judge"
        yield f"| {pack['name']} | {findings} | {pack['acknowledged']} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
