"""What the schema of training requests finds, in sentences."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from validate_training_request.schema import SCHEMA, Place, Violation, violations

FIELDS: dict[str, Any] = SCHEMA["properties"]
_S3_URI = re.compile(SCHEMA["$defs"]["s3_uri"]["pattern"])
MIRRORED_MODEL = re.compile(r"^hub/(?P<id>[^/]+/[^/@]+)@(?P<commit>[0-9a-f]{40})$")


def is_s3_uri(value: object) -> bool:
    """Whether the value is `s3://bucket/…`."""
    return isinstance(value, str) and _S3_URI.search(value) is not None


def problems_of_fields(request: dict[str, Any]) -> list[str]:
    """One sentence for each field that is missing, unknown or of a wrong shape."""
    found = list(violations(request))
    kinds = ("missing", "unknown", "wrong")
    return [_sentence(each) for kind in kinds for each in found if each.kind == kind] + _expressions(request)


def sound(request: dict[str, Any]) -> dict[str, Any]:
    """The fields that are of the right shape, with whole numbers as such."""
    wrong = {each.place[0] for each in violations(request)}
    wrong |= {"metric_definitions"} if _expressions(request) else set()
    return {
        name: int(value) if FIELDS[name].get("type") == "integer" else value
        for name, value in request.items()
        if name not in wrong
    }


def _sentence(found: Violation) -> str:
    name = _path(found.place)
    if found.kind == "missing":
        return f"{name} is missing: it {found.must}."
    if found.kind == "unknown":
        return f"{name} is not a field of {_whole(found.place)}.{_nearest(found)}"
    return f"{name} {'' if found.schema.get('x-unsaid') else f'is {found.value!r}: it '}{found.must}."


def _whole(place: Place) -> str:
    return _path(place[:-1]) if len(place) > 1 else "a training request"


def _path(place: Iterable[str | int]) -> str:
    return ".".join(str(part) for part in place)


def _nearest(found: Violation) -> str:
    known = found.schema["properties"]
    near = get_close_matches(str(found.place[-1]), known, n=1)
    return f" Did you mean {near[0]}?" if near else f" The fields are {', '.join(known)}."


def _expressions(request: dict[str, Any]) -> list[str]:
    """JSON Schema cannot count the groups of a regular expression."""
    definitions = request.get("metric_definitions")
    must = FIELDS["metric_definitions"]["x-must"]
    return [
        f"metric_definitions.{i}.Regex is {definition['Regex']!r}: it {must}."
        for i, definition in enumerate(definitions if isinstance(definitions, list) else [])
        if isinstance(definition, dict) and isinstance(definition.get("Regex"), str)
        if not _has_one_group(definition["Regex"])
    ]


def _has_one_group(expression: str) -> bool:
    try:
        return re.compile(expression).groups == 1
    except re.error:
        return False
