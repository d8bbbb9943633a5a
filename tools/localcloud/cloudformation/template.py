"""A template as CloudFormation reads it: its text, its resources, and what each of them refers to."""

import json
import re
from collections.abc import Collection, Container, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

import yaml
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.utils import yaml_tag_constructor

Template = dict[str, Any]
SUBSTITUTION = re.compile(r"\$\{([^!}][^}]*)\}")


class _TemplateLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms (`!Ref`, `!Sub`, …)."""


_TemplateLoader.add_multi_constructor("!", lambda loader, suffix, node: _short_form(loader, suffix, node))


def _short_form(loader: Any, suffix: str, node: Any) -> dict[str, Any]:
    if isinstance(node, yaml.MappingNode):
        return {f"Fn::{suffix}": loader.construct_mapping(node, deep=True)}
    if isinstance(node, yaml.SequenceNode):
        return {f"Fn::{suffix}": loader.construct_sequence(node, deep=True)}
    # moto knows which of the scalars are names to split (GetAtt) and which have no Fn:: (Ref).
    short: dict[str, Any] = yaml_tag_constructor(loader, f"!{suffix}", node)
    return short if suffix != "Condition" else {"Condition": node.value}


def parse(text: str) -> Template:
    """The template in JSON or YAML. Raises ValidationError when it is neither or has no resources."""
    try:
        # JSON first: the YAML parser reads it too, but takes seconds for a stack of the CDK.
        template = json.loads(text)
    except ValueError:
        try:
            template = yaml.load(text, Loader=_TemplateLoader)
        except yaml.YAMLError as error:
            raise ValidationError(message=f"Template format error: {error}") from None
    if not isinstance(template, dict) or not template.get("Resources"):
        raise ValidationError(message="Template format error: At least one Resources member must be defined.")
    return template


def checked(text: str, known: Container[str]) -> Template:
    """The template, once everything that can be known to be wrong before anything is created has been looked for.

    known: the resource types that can be deployed. Raises ValidationError, which names every type that is not among
    them, or every reference to nothing, or a circle of references.
    """
    template = parse(text)
    unknown = unknown_types(template, known)
    if unknown:
        listed = "; ".join(f"{name} ({', '.join(ids)})" for name, ids in sorted(unknown.items()))
        raise ValidationError(
            message=f"Template format error: Unrecognized resource types: {listed}. The embedded AWS does not know "
            "them, so nothing was created: deploy this stack to an account, or teach it the types in "
            "localcloud/cloudformation/resources."
        )
    undefined = undefined_references(template)
    if undefined:
        raise ValidationError(
            message=f"Template format error: Unresolved resource dependencies: {', '.join(undefined)}"
        )
    in_dependency_order(template, template["Resources"])
    return template


def unknown_types(template: Template, known: Container[str]) -> dict[str, list[str]]:
    """Logical ids by resource type, for every type that is not in `known`."""
    unknown: dict[str, list[str]] = {}
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] not in known:
            unknown.setdefault(resource["Type"], []).append(logical_id)
    return unknown


def in_dependency_order(template: Template, logical_ids: Collection[str]) -> list[str]:
    """The logical ids, each after those it refers to. Raises ValidationError where they form a circle."""
    resources = template["Resources"]
    graph = {
        logical_id: dependencies(resources[logical_id]) & set(logical_ids)
        for logical_id in resources
        if logical_id in logical_ids
    }
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = ", ".join(sorted(set(error.args[1])))
        raise ValidationError(message=f"Circular dependency between resources: [{circle}]") from None


def dependencies(resource: dict[str, Any]) -> set[str]:
    """Names that the resource refers to; parameters and pseudo parameters among them."""
    depends_on = resource.get("DependsOn", [])
    explicit = {depends_on} if isinstance(depends_on, str) else set(depends_on)
    return explicit | set(_references(resource.get("Properties", {})))


def undefined_references(template: Template) -> list[str]:
    """`logical id → name` for each reference to a name that the template does not define."""
    defined = set(template["Resources"]) | set(template.get("Parameters", {}))
    return [
        f"{logical_id} → {name}"
        for logical_id, resource in template["Resources"].items()
        for name in sorted(dependencies(resource))
        if name not in defined and not name.startswith("AWS::")
    ]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    if not isinstance(value, dict):
        return
    for key, argument in value.items():
        if key == "Ref" and len(value) == 1 and isinstance(argument, str):
            yield argument
        elif key == "Fn::GetAtt":
            yield argument.split(".")[0] if isinstance(argument, str) else argument[0]
        elif key == "Fn::Sub":
            yield from _substituted(argument)
        else:
            yield from _references(argument)


def _substituted(argument: Any) -> Iterator[str]:
    text, own = (argument[0], argument[1]) if isinstance(argument, list) else (argument, {})
    yield from _references(own)
    for name in SUBSTITUTION.findall(text):
        if name not in own:
            yield name.split(".")[0]
