"""The published schema of training requests, and a validator of the part of JSON Schema that it is written in.

A function carries no third-party code. The tests hold this validator against the `jsonschema` package.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA: dict[str, Any] = json.loads(Path(__file__).with_name("training-request.schema.json").read_text("utf-8"))
_TYPES = {"string": str, "object": dict, "array": list, "boolean": bool, "null": type(None)}
_SAID = {"$schema", "$id", "$defs", "title", "description", "x-must", "x-unsaid"}

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Violation:
    """What does not keep to the schema.

    kind: `missing` and `unknown` are members of an object, `wrong` is a value. place: of the member or value.
    schema: of the value, or of the object that the unknown member is in. must: what the value must be, in words.
    """

    kind: str
    place: Place
    schema: dict[str, Any]
    must: str
    value: Any = None


def violations(value: Any, schema: dict[str, Any] = SCHEMA, place: Place = (), must: str = "") -> Iterator[Violation]:
    """Everything in the value that does not keep to the schema.

    must: of the nearest schema around that says it.
    """
    if "$ref" in schema:
        schema = {**SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], **schema}
        del schema["$ref"]
    must = schema.get("x-must", must)
    if not _fits(value, schema):
        yield Violation("wrong", place, schema, must, value)
    elif isinstance(value, dict):
        yield from _of_members(value, schema, place, must)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from violations(item, schema.get("items", {}), (*place, i), must)


def _of_members(value: dict[str, Any], schema: dict[str, Any], place: Place, must: str) -> Iterator[Violation]:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield Violation("missing", (*place, name), schema, known.get(name, {}).get("x-must", must))
    for name, member in value.items():
        yield from violations(name, schema.get("propertyNames", {}), (*place, name), must)
        if name not in known and others is False:
            yield Violation("unknown", (*place, name), schema, must, member)
        else:
            yield from violations(member, known.get(name, others), (*place, name), must)


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether the value itself fits, its members left aside. Raises KeyError for a word that is not known here."""
    return all(_RULES[word](value, said) for word, said in schema.items() if word not in _SAID)


def _is_type(value: Any, names: str | list[str]) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    for name in [names] if isinstance(names, str) else names:
        if name == "number" and number:
            return True
        if name == "integer" and number and value == value // 1:  # JSON's 3.0 is a whole number
            return True
        if name in _TYPES and isinstance(value, _TYPES[name]):
            return True
    return False


def _same(value: Any, said: Any) -> bool:
    return type(value) is type(said) and bool(value == said)


def _is_number(value: Any) -> bool:
    return _is_type(value, "number")


# Each of these words speaks of one type of value, and lets others pass.
_RULES: dict[str, Callable[[Any, Any], bool]] = {
    "type": _is_type,
    "const": _same,
    "enum": lambda value, said: any(_same(value, each) for each in said),
    "pattern": lambda value, said: not isinstance(value, str) or re.search(said, value) is not None,
    "maxLength": lambda value, said: not isinstance(value, str) or len(value) <= said,
    "minimum": lambda value, said: not _is_number(value) or value >= said,
    "maximum": lambda value, said: not _is_number(value) or value <= said,
    "minItems": lambda value, said: not isinstance(value, list) or len(value) >= said,
    "maxItems": lambda value, said: not isinstance(value, list) or len(value) <= said,
    "anyOf": lambda value, said: any(not list(violations(value, each)) for each in said),
    # Read where members and items are.
    **dict.fromkeys(("properties", "required", "additionalProperties", "propertyNames", "items"), lambda *_: True),
}
