"""`hfsm diagram`: a state machine of a synthesised template, as a drawing in the DOT language."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hfsm.errors import WrongUseError

_SHAPES = {
    "Task": 'shape=box, style="rounded,filled", fillcolor="#dbeafe"',
    "Choice": 'shape=diamond, style=filled, fillcolor="#fef3c7"',
    "Fail": 'shape=box, style="rounded,filled", fillcolor="#fecaca"',
    "Succeed": 'shape=box, style="rounded,filled", fillcolor="#bbf7d0"',
}
_PLAIN = 'shape=box, style="rounded,filled", fillcolor="#f3f4f6"'
_COMPARISONS = {"Equals": "=", "Matches": "like", "GreaterThan": ">", "LessThan": "<", "GreaterThanEquals": "≥"}
_LONGEST_LABEL = 40


def read(template: Path, named: str | None) -> dict[str, Any]:
    """The definition of a template's state machine; where it has several, of the one whose logical id begins so.

    Raises WrongUseError where there is none, or more than one.
    """
    try:
        content = json.loads(template.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise WrongUseError(f"{template} is no template: {error}. `make synth` writes them into cdk.out/.") from None
    found = {
        name: each for name, each in definitions(content).items() if name.lower().startswith((named or "").lower())
    }
    if len(found) != 1:
        there = ", ".join(definitions(content)) or "none"
        raise WrongUseError(f"{template} must hold one state machine to draw; it has {there}. Name one with --machine.")
    [definition] = found.values()
    return definition


def definitions(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Logical id → definition, of every state machine in a template."""
    return {
        name: json.loads(_text(resource["Properties"]["DefinitionString"]))
        for name, resource in template.get("Resources", {}).items()
        if resource["Type"] == "AWS::StepFunctions::StateMachine"
    }


def dot(definition: Mapping[str, Any]) -> str:
    """The drawing. Dashed: errors that are caught. The states are in the order of the definition, so that the same
    definition gives the same text."""
    states = definition["States"]
    lines = [
        "digraph {",
        '  graph [rankdir=TB, ranksep=0.35, nodesep=0.25, fontname="Helvetica"];',
        '  node [fontname="Helvetica", fontsize=11, margin="0.16,0.06", color="#6b7280"];',
        '  edge [fontname="Helvetica", fontsize=9, color="#374151"];',
        '  start [label="", shape=circle, width=0.15, style=filled, fillcolor=black];',
        f'  start -> "{definition["StartAt"]}";',
    ]
    for name, state in states.items():
        lines.append(f'  "{name}" [label="{_words(name)}", {_SHAPES.get(state["Type"], _PLAIN)}];')
        lines += [
            f'  "{name}" -> "{target}" [label="{label}"{", " + style if style else ""}];'
            for target, label, style in _edges(state)
        ]
        if state.get("End") or state["Type"] == "Succeed":
            lines.append(f'  "{name} end" [label="", shape=doublecircle, width=0.12, style=filled, fillcolor=black];')
            lines.append(f'  "{name}" -> "{name} end";')
    return "\n".join([*lines, "}", ""])


def overview(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The same without errors and waiting: the states on the ways from the start to an end, and those ways only."""
    quiet = {
        name: {key: value for key, value in state.items() if key != "Catch"}
        for name, state in definition["States"].items()
        if state["Type"] != "Wait" and not _fails(state)
    }
    ways = {name: {target for target, _, _ in _edges(state) if target in quiet} for name, state in quiet.items()}
    reached = _closure({definition["StartAt"]}, ways)
    back: dict[str, set[str]] = {name: set() for name in quiet}
    for name, targets in ways.items():
        for target in targets:
            back[target].add(name)
    ends = {name for name, state in quiet.items() if state.get("End") or state["Type"] == "Succeed"}
    kept = reached & _closure(ends, back)
    return {**definition, "States": {name: _only(state, kept) for name, state in quiet.items() if name in kept}}


def _fails(state: Mapping[str, Any]) -> bool:
    """Whether the state ends a run as failed: a `Fail`, or a task that hands in its own failure."""
    return state["Type"] == "Fail" or "sendTaskFailure" in state.get("Resource", "")


def _closure(names: set[str], ways: Mapping[str, set[str]]) -> set[str]:
    """The names, and all that is reached from them."""
    found, new = set(names), set(names)
    while new := {target for name in new for target in ways[name]} - found:
        found |= new
    return found


def _only(state: Mapping[str, Any], kept: set[str]) -> dict[str, Any]:
    """The state without the ways that lead elsewhere."""
    reduced = {key: value for key, value in state.items() if key not in ("Next", "Default") or value in kept}
    if "Choices" in reduced:
        reduced["Choices"] = [each for each in reduced["Choices"] if each["Next"] in kept]
    return reduced


def _edges(state: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Where a state goes: the target, what is written at the arrow, how the arrow is drawn."""
    if "Next" in state:
        yield state["Next"], "", "weight=10"
    for choice in state.get("Choices", []):
        yield choice["Next"], _shortened(_condition(choice)), "weight=5"
    if "Default" in state:
        yield state["Default"], "otherwise", ""
    for catch in state.get("Catch", []):
        if catch["Next"] != state.get("Next"):
            yield catch["Next"], "", 'style=dashed, color="#dc2626"'


def _condition(choice: Mapping[str, Any]) -> str:
    for word in ("Or", "And"):
        if word in choice:
            # That something is there goes without saying where it is compared.
            parts = [part for part in choice[word] if "IsPresent" not in part] or choice[word]
            return f" {word.lower()} ".join(dict.fromkeys(_condition(part) for part in parts))
    if "Not" in choice:
        return f"not {_condition(choice['Not'])}"
    variable = str(choice.get("Variable", "")).rsplit(".", 1)[-1]
    [(operator, value)] = [(key, value) for key, value in choice.items() if key not in ("Variable", "Next", "Comment")]
    if operator == "BooleanEquals":
        return variable if value else f"not {variable}"
    if operator == "IsPresent":
        return f"has {variable}" if value else f"no {variable}"
    comparison = next((sign for end, sign in _COMPARISONS.items() if operator.endswith(end)), operator)
    return f"{variable} {comparison} {value}"


def _shortened(condition: str) -> str:
    text = re.sub(r"…[….]*…", "…", re.sub(r"[*\\\"']", "", condition))
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)


def _text(value: Any) -> str:
    """A property's text. Deployment fills in names that a drawing does not need."""
    if isinstance(value, str):
        return value
    separator, parts = value["Fn::Join"]
    joined: str = separator.join(part if isinstance(part, str) else "…" for part in parts)
    return joined
