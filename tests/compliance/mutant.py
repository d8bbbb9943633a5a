"""What breaks a template on purpose, to show that a control notices."""

from collections.abc import Callable, Iterator
from typing import Any

Stacks = dict[str, dict[str, Any]]
"""Stack name → template, as CloudFormation gets it."""

Mutant = Callable[[Stacks], None]
"""Breaks, adds or removes one resource of an environment in place. Raises when it finds nothing to break."""


def bodies(stacks: Stacks, type_: str) -> Iterator[dict[str, Any]]:
    """The resources of that type, as their templates hold them."""
    for template in stacks.values():
        for body in template["Resources"].values():
            if body["Type"] == type_:
                yield body


def first(stacks: Stacks, type_: str, holding: str = "") -> dict[str, Any]:
    """The first resource of that type whose construct path holds that text; its `Properties` are there to change."""
    for body in bodies(stacks, type_):
        if holding in body.get("Metadata", {}).get("aws:cdk:path", ""):
            body.setdefault("Properties", {})
            return body
    raise LookupError(f"No {type_} with {holding!r} in its path: the mutant has nothing to break.")


def add(stacks: Stacks, logical_id: str, type_: str, properties: dict[str, Any], stack: str = "") -> None:
    """Adds a resource to the first stack whose name ends with that text."""
    name = next(name for name in stacks if name.endswith(stack))
    stacks[name]["Resources"][logical_id] = {"Type": type_, "Properties": properties}
