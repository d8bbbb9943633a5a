"""What state machines know for sure of an image that their input names: the patterns by which states let it pass."""

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

from hf_sagemaker.controls.state_machines import Graph, State

Guards = Mapping[str, frozenset[str]]
"""Path and the patterns of which its value matches one for sure."""


def patterns_of(graph: Graph, state: str, path: str) -> frozenset[str]:
    """The patterns of which the value at the path matches one, whatever way led to the state; none when one leaves it
    open."""
    return _on_arrival(graph).get(state, {}).get(path, frozenset())


def _on_arrival(graph: Graph) -> Mapping[str, Guards]:
    """For each state that is reached, what holds on every way to it."""
    arriving: dict[str, Guards] = {graph["StartAt"]: {}}
    todo = [graph["StartAt"]]
    while todo:
        name = todo.pop()
        for following, guards in _leaving(graph["States"].get(name, {}), arriving[name]):
            known = arriving.get(following)
            both = guards if known is None else _either(guards, known)
            if both != known:
                arriving[following] = both
                todo.append(following)
    return arriving


def _leaving(state: State, guards: Guards) -> Iterator[tuple[str, Guards]]:
    for choice in state.get("Choices", []):
        yield choice["Next"], _both(guards, _sure_when(choice))
    if "Default" in state:
        yield state["Default"], guards
    for catch in state.get("Catch", []):
        yield catch["Next"], _without(guards, catch.get("ResultPath", "$"))
    if "Next" in state:
        # These hand on what they were given.
        written = None if state.get("Type") in ("Choice", "Wait") else state.get("ResultPath", "$")
        kept = guards if state.get("OutputPath", "$") == "$" else {}
        yield state["Next"], _without(kept, written)


def _sure_when(rule: Mapping[str, Any]) -> Guards:
    """What holds for sure when the rule does."""
    if "And" in rule:
        return reduce(_both, map(_sure_when, rule["And"]))
    if "Or" in rule:
        return reduce(_either, map(_sure_when, rule["Or"]))
    pattern = rule.get("StringMatches", rule.get("StringEquals"))
    return {rule["Variable"]: frozenset([pattern])} if pattern is not None else {}


def _both(one: Guards, other: Guards) -> Guards:
    """Where both say something of a path, either is true: the later is closer."""
    return {**one, **other}


def _either(one: Guards, other: Guards) -> Guards:
    return {path: one[path] | other[path] for path in one.keys() & other.keys()}


def _without(guards: Guards, written: str | None) -> Guards:
    """What still holds after something was written at the path; None: nothing was."""
    if written is None:
        return guards
    return {
        path: patterns
        for path, patterns in guards.items()
        if not f"{path}.".startswith(f"{written}.") and not f"{written}.".startswith(f"{path}.")
    }
