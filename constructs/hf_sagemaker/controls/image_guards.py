"""What state machines know for sure of an image that their input names: the pattern by which a state let it pass."""

from collections.abc import Iterator, Mapping
from typing import Any

from hf_sagemaker.controls.state_machines import Graph, State

Guards = frozenset[tuple[str, str]]
"""Path and the pattern that its value matches for sure."""


def pattern_of(graph: Graph, state: str, path: str) -> str | None:
    """The pattern that the value at the path matches on every way to the state; None when a way leaves it open."""
    found = [pattern for guarded, pattern in _on_arrival(graph).get(state, ()) if guarded == path]
    return found[0] if len(found) == 1 else None


def _on_arrival(graph: Graph) -> Mapping[str, Guards]:
    """For each state that is reached, what holds on every way to it."""
    arriving: dict[str, Guards] = {graph["StartAt"]: frozenset()}
    todo = [graph["StartAt"]]
    while todo:
        name = todo.pop()
        for following, guards in _leaving(graph["States"].get(name, {}), arriving[name]):
            known = arriving.get(following)
            both = guards if known is None else guards & known
            if both != known:
                arriving[following] = both
                todo.append(following)
    return arriving


def _leaving(state: State, guards: Guards) -> Iterator[tuple[str, Guards]]:
    for choice in state.get("Choices", []):
        yield choice["Next"], guards | _sure_when(choice)
    if "Default" in state:
        yield state["Default"], guards
    for catch in state.get("Catch", []):
        yield catch["Next"], _without(guards, catch.get("ResultPath", "$"))
    if "Next" in state:
        # These hand on what they were given.
        written = None if state.get("Type") in ("Choice", "Wait") else state.get("ResultPath", "$")
        kept = guards if state.get("OutputPath", "$") == "$" else frozenset[tuple[str, str]]()
        yield state["Next"], _without(kept, written)


def _sure_when(rule: Mapping[str, Any]) -> Guards:
    """What holds for sure when the rule does."""
    if "And" in rule:
        return frozenset().union(*(_sure_when(part) for part in rule["And"]))
    if "Or" in rule:
        return frozenset.intersection(*(_sure_when(part) for part in rule["Or"]))
    pattern = rule.get("StringMatches", rule.get("StringEquals"))
    return frozenset([(rule["Variable"], pattern)]) if pattern is not None else frozenset()


def _without(guards: Guards, written: str | None) -> Guards:
    """What still holds after something was written at the path; None: nothing was."""
    if written is None:
        return guards
    return frozenset(
        (path, pattern)
        for path, pattern in guards
        if not f"{path}.".startswith(f"{written}.") and not f"{written}.".startswith(f"{path}.")
    )
