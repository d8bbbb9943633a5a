"""Control 63: no state reads what no step before it has written."""

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

from hf_sagemaker.controls.control import Breach, Control, Proof, judge
from hf_sagemaker.controls.state_machines import Graph, State, state_machines
from hf_sagemaker.controls.templates import Templates
from hf_sagemaker.controls.training import WITH_A_JOB_TYPE

Written = frozenset[str]
"""Paths that hold a value for sure. `$.job.*`: with all that a step's answer holds; `$.failure`: that and no more."""

_PATH = re.compile(r"(?<!\$)\$\.[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_FIELDS_WITH_PATHS = ("CausePath", "ErrorPath", "InputPath", "ItemsPath", "SecondsPath", "TimeoutSecondsPath")


def reads_what_was_written(templates: Templates) -> Iterator[Proof | Breach]:
    """Whichever way an execution took, each path that a state reads was written on that way, or IsPresent guards it.

    An error is caught with its name, not always with a cause: `Cause` needs a guard. What an execution is started with
    is nobody's promise, and counts as absent.
    """
    for machine in state_machines(templates):
        for graph in machine.graphs:
            arriving = _written_on_arrival(graph)
            whole = _answers(graph)
            for name, state in graph["States"].items():
                absent = sorted(set(_unguarded(state, arriving.get(name, frozenset()), whole)))
                yield judge(
                    machine.resource,
                    not absent,
                    f"state {name} reads {', '.join(absent)}, which a way to it leaves out; IsPresent must guard it.",
                )


def _written_on_arrival(graph: Graph) -> Mapping[str, Written]:
    """For each state that is reached, what holds on every way to it."""
    arriving: dict[str, Written] = {graph["StartAt"]: frozenset()}
    whole = _answers(graph)
    todo = [graph["StartAt"]]
    while todo:
        name = todo.pop()
        state = graph["States"].get(name, {"Type": "Fail"})
        for following, written in _leaving(state, arriving[name], whole):
            known = arriving.get(following)
            both = written if known is None else _common(written, known)
            if both != known:
                arriving[following] = both
                todo.append(following)
    return arriving


def _common(one: Written, other: Written) -> Written:
    """What holds by either."""
    return frozenset(p for p in one if _holds(p, other)) | frozenset(p for p in other if _holds(p, one))


def _answers(graph: Graph) -> Written:
    """The paths at which tasks leave whole answers: where one is present, all of it is."""
    tasks = (state for state in graph["States"].values() if state["Type"] == "Task" and "ResultSelector" not in state)
    return frozenset(str(state["ResultPath"]) for state in tasks if state.get("ResultPath"))


def _leaving(state: State, written: Written, whole: Written) -> Iterator[tuple[str, Written]]:
    """The states that may follow, each with what holds on the way there."""
    for choice in state.get("Choices", []):
        present = _present_when(choice)
        yield choice["Next"], written | present | {f"{path}.*" for path in present & whole}
    if "Default" in state:
        yield state["Default"], written
    for catch in state.get("Catch", []):
        path = catch.get("ResultPath", "$")
        yield catch["Next"], _replaced(written, path, {"Error"}) if path else written
    if "Next" in state:
        yield state["Next"], _after(state, written)


def _after(state: State, written: Written) -> Written:
    path = state.get("ResultPath", "$")
    if path is None or state["Type"] in ("Choice", "Wait"):
        return written
    made = state.get("ResultSelector") or (state.get("Parameters") if state["Type"] == "Pass" else None)
    if not made:
        return _replaced(written, path, None)
    # What an expression makes may hold anything; what is written out holds what is seen.
    return _replaced(
        written, path, {key.replace(".$", ".*") for key in made} | {key.removesuffix(".$") for key in made}
    )


def _replaced(written: Written, path: str, fields: Set[str] | None) -> Written:
    """What holds after something was written at `path`: these fields, or all that an answer may hold."""
    kept = frozenset(p for p in written if path != "$" and not f"{p}.".startswith(f"{path}."))
    if fields is None:
        return kept if path == "$" else kept | {f"{path}.*"}
    return kept | {path} | {f"{path}.{field}" for field in fields}


def _present_when(rule: Mapping[str, Any]) -> Written:
    """The paths that are there for sure when the rule holds."""
    if "And" in rule:
        return frozenset().union(*(_present_when(part) for part in rule["And"]))
    if "Or" in rule:
        return frozenset.intersection(*(_present_when(part) for part in rule["Or"]))
    if "Not" in rule or rule.get("IsPresent") is False:
        return frozenset()
    return frozenset([rule["Variable"]])


def _unguarded(state: State, written: Written, whole: Written) -> Iterator[str]:
    """The paths that the state reads and that may be absent."""
    for choice in state.get("Choices", []):
        yield from _unguarded_in_rule(choice, written, whole)
    texts = [str(state[field]) for field in _FIELDS_WITH_PATHS if state.get(field)]
    texts += _dynamic(state.get("Parameters", {}))
    yield from (path for text in texts for path in _PATH.findall(text) if not _holds(path, written))


def _unguarded_in_rule(rule: Mapping[str, Any], written: Written, whole: Written) -> Iterator[str]:
    if "And" in rule:
        for part in rule["And"]:
            yield from _unguarded_in_rule(part, written, whole)
            present = _present_when(part)
            written = written | present | {f"{path}.*" for path in present & whole}
    elif "Or" in rule or "Not" in rule:
        for part in rule.get("Or", [rule.get("Not")]):
            yield from _unguarded_in_rule(part, written, whole)
    elif "IsPresent" not in rule:
        paths = [rule["Variable"], *(str(value) for key, value in rule.items() if key.endswith("Path"))]
        yield from (path for path in paths if path.startswith("$.") and not _holds(path, written))


def _dynamic(value: Any) -> list[str]:
    """The expressions of a payload: the values of keys that end with `.$`."""
    if isinstance(value, list):
        return [text for item in value for text in _dynamic(item)]
    if not isinstance(value, dict):
        return []
    found = [str(item) for key, item in value.items() if key.endswith(".$")]
    return found + [text for key, item in value.items() if not key.endswith(".$") for text in _dynamic(item)]


def _holds(path: str, written: Written) -> bool:
    parts = path.split("[")[0].split(".")
    return path in written or any(".".join(parts[:i]) + ".*" in written for i in range(2, len(parts) + 1))


CONTROLS = (
    Control(
        63,
        "Choice never reads a path a failed step did not write",
        "deepracer-on-aws#88",
        reads_what_was_written,
        WITH_A_JOB_TYPE,
    ),
)
