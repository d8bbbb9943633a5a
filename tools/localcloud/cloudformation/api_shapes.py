"""From properties of a template to arguments of an API call.

Most properties of CloudFormation are the API's own, with another capital (`BuildSpec`, `buildspec`), a number written
as text, a policy as an object where the API wants its text, or a list of tags where it wants a mapping.
"""

import json
from typing import Any

NUMBERS = {"integer": int, "long": int, "float": float, "double": float}


def member_names(client: Any, operation: str) -> set[str]:
    """Names of the operation's arguments, in small letters."""
    return {name.lower() for name in _input(client, operation).members}


def accepted(client: Any, operation: str, properties: dict[str, Any], lost: set[str] | None = None) -> dict[str, Any]:
    """The members of `properties` that the operation of the boto3 client accepts, in its spelling and types.

    A property that the API does not know is left out: CloudFormation has it done by another call, or not at all.
    lost: takes the paths of those inside another property.
    """
    return _structure(properties, _input(client, operation), "", set() if lost is None else lost)


def _input(client: Any, operation: str) -> Any:
    return client.meta.service_model.operation_model(operation).input_shape


def _shaped(value: Any, shape: Any, path: str, lost: set[str]) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return _structure(value, shape, f"{path}.", lost) if isinstance(value, dict) else value
    if kind == "list":
        items = value if isinstance(value, list) else [value]
        return [_shaped(item, shape.member, path, lost) for item in items]
    if kind == "map":
        if isinstance(value, list):
            value = {tag["Key"]: tag["Value"] for tag in value}
        return {key: _shaped(item, shape.value, f"{path}.{key}", lost) for key, item in value.items()}
    if kind in NUMBERS:
        return NUMBERS[kind](value)
    if kind == "boolean":
        return str(value).lower() == "true"
    if kind == "string":
        return _text(value)
    return value


def _structure(value: dict[str, Any], shape: Any, prefix: str, lost: set[str]) -> dict[str, Any]:
    spelling = {name.lower(): name for name in shape.members}
    if prefix:
        lost |= {prefix + name for name, item in value.items() if name.lower() not in spelling and item is not None}
    return {
        spelling[name.lower()]: _shaped(item, shape.members[spelling[name.lower()]], prefix + name, lost)
        for name, item in value.items()
        if name.lower() in spelling and item is not None
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return str(value)
