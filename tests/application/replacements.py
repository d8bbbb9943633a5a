"""What CloudFormation would delete or replace if one set of templates followed another."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from hf_sagemaker.controls.templates import Resource, Templates

_REFERENCE = re.compile(r"\$\{([\w-]+)/(\w+)\.")
_SCHEMA_REGION = "us-east-1"


def replaced(before: Templates, after: Templates) -> dict[str, str]:
    """`<stack>/<logical id>` → why it goes, for each resource that disappears or is replaced.

    A resource is replaced when a property changes that the provider's schema calls create-only, or when such a
    property refers to something that is replaced itself.
    """
    later = {(r.stack, r.logical_id): r for r in after.all}
    gone: dict[str, str] = {}
    for resource in before.all:
        name, successor = _id(resource), later.get((resource.stack, resource.logical_id))
        if successor is None:
            gone[name] = "is no longer in the template"
        elif successor.type != resource.type:
            gone[name] = f"becomes {successor.type}"
        elif changed := [p for p, value in _create_only(resource).items() if _create_only(successor).get(p) != value]:
            gone[name] = f"changes {', '.join(changed)}"
    while following := dict(_followers(before, gone)):
        gone |= following
    return gone


def of_types(gone: Mapping[str, str], templates: Templates, *types: str) -> dict[str, str]:
    """Those of the resources that have one of these types."""
    return {_id(r): f"{r.type} {gone[_id(r)]}" for r in templates.resources(*types) if _id(r) in gone}


def is_immutable(type_: str) -> bool:
    """Whether every change of such a resource replaces it: nothing but its tags can be updated."""
    schema = _schema(type_)
    names = {path.split("/")[2] for path in schema.get("createOnlyProperties", ())}
    read_only = {path.split("/")[2] for path in schema.get("readOnlyProperties", ())}
    return not set(schema["properties"]) - names - read_only - {"Tags"}


def name_property(type_: str) -> str | None:
    """The create-only property that names such a resource, for example `ModelName`; None when it has none."""
    kind = type_.rsplit("::", 1)[1]
    names = {path.split("/")[2] for path in _schema(type_).get("createOnlyProperties", ())}
    return next((name for name in (f"{kind}Name", "Name") if name in names), None)


def _followers(templates: Templates, gone: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for resource in templates.all:
        if _id(resource) in gone:
            continue
        for path, value in _create_only(resource).items():
            for stack, logical_id in _REFERENCE.findall(value):
                if f"{stack}/{logical_id}" in gone:
                    yield _id(resource), f"refers in {path} to {stack}/{logical_id}"


def _create_only(resource: Resource) -> dict[str, str]:
    """Property path → value as JSON, for each create-only property that the template sets."""
    schema = _schema(resource.type)
    paths = [*schema.get("createOnlyProperties", ()), *schema.get("conditionalCreateOnlyProperties", ())]
    values = {path.removeprefix("/properties/"): _at(resource.properties, path.split("/")[2:]) for path in paths}
    return {path: json.dumps(value, sort_keys=True) for path, value in values.items() if value is not None}


def _at(value: Any, path: list[str]) -> Any:
    if not path:
        return value
    if isinstance(value, list):
        return [_at(item, path[1:] if path[0] == "*" else path) for item in value]
    return _at(value.get(path[0]), path[1:]) if isinstance(value, Mapping) else None


@cache
def _schema(type_: str) -> Mapping[str, Any]:
    if type_.startswith("Custom::") or type_ == "AWS::CloudFormation::CustomResource":
        return {"properties": {"ServiceToken": {}}, "createOnlyProperties": ["/properties/ServiceToken"]}
    schema: Mapping[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema(_SCHEMA_REGION, type_).schema
    return schema


def _id(resource: Resource) -> str:
    return f"{resource.stack}/{resource.logical_id}"
