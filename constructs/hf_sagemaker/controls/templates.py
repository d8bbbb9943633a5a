"""The synthesised templates of one environment, as a reviewer reads them: references followed, types together."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, eq=False)
class Resource:
    """One resource of one template.

    stack: name of its stack, for example `dev-Data`. logical_id: its key in the template.
    type: for example `AWS::S3::Bucket`.
    body: all that the template says of it: `Properties`, `DeletionPolicy`, `DependsOn`, `Metadata`, …
    properties: its properties with references as text, see `Templates.resolve`.
    """

    stack: str
    logical_id: str
    type: str
    body: Mapping[str, Any]
    properties: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Construct path, for example `dev/Data/Models/Resource`; the logical id where the template has none."""
        path: str = self.body.get("Metadata", {}).get("aws:cdk:path", f"{self.stack}/{self.logical_id}")
        return path

    def reference(self, attribute: str = "Ref") -> str:
        """How a reference to this resource looks in resolved properties."""
        return f"${{{self.stack}/{self.logical_id}.{attribute}}}"

    def is_named_by(self, value: object) -> bool:
        """Whether a resolved value refers to this resource, by any attribute."""
        return f"${{{self.stack}/{self.logical_id}." in json.dumps(value)


class Templates:
    """All templates of one environment.

    name: of the environment. account, region: where it is deployed.
    stacks: stack name → template as CloudFormation gets it. protected: names of the stacks that CloudFormation
    refuses to delete.
    """

    def __init__(
        self,
        name: str,
        *,
        account: str,
        region: str,
        stacks: Mapping[str, Mapping[str, Any]],
        protected: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.account = account
        self.region = region
        self.stacks = stacks
        self.protected = frozenset(protected)

    @cached_property
    def all(self) -> Sequence[Resource]:
        """Every resource, in the order of stacks and templates."""
        return [
            Resource(stack, logical_id, body["Type"], body, self.resolve(body.get("Properties", {}), stack))
            for stack, template in self.stacks.items()
            for logical_id, body in template.get("Resources", {}).items()
        ]

    def resources(self, *types: str) -> Iterator[Resource]:
        """Every resource of these types, for example `AWS::S3::Bucket`."""
        return (resource for resource in self.all if resource.type in types)

    def find(self, value: object) -> Resource | None:
        """The resource that a resolved value refers to; None when it refers to none, or to several."""
        named = set(_REFERENCE.findall(value if isinstance(value, str) else json.dumps(value)))
        found = [self._by_name[name] for name in named if name in self._by_name]
        return found[0] if len(found) == 1 else None

    @cached_property
    def _by_name(self) -> Mapping[str, Resource]:
        """`<stack>/<logical id>` → resource."""
        return {f"{resource.stack}/{resource.logical_id}": resource for resource in self.all}

    def resolve(self, value: Any, stack: str) -> Any:
        """The value with every intrinsic function as text.

        A reference to a resource becomes `${<stack>/<logical id>.<attribute>}`, where `Ref` counts as an attribute,
        also when it comes from another stack; a pseudo parameter becomes what it will be. A value that this cannot
        follow stays as it is.
        """
        if isinstance(value, list):
            return [self.resolve(item, stack) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            if function in _FUNCTIONS:
                return getattr(self, _FUNCTIONS[function])(argument, stack)
        return {key: self.resolve(item, stack) for key, item in value.items()}

    def _ref(self, name: str, stack: str) -> Any:
        pseudo = {
            "AWS::AccountId": self.account,
            "AWS::NoValue": None,
            "AWS::Partition": _partition(self.region),
            "AWS::Region": self.region,
            "AWS::StackName": stack,
            "AWS::URLSuffix": "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com",
        }
        return pseudo.get(name, f"${{{stack}/{name}.Ref}}")

    def _get_att(self, argument: Any, stack: str) -> str:
        name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        return f"${{{stack}/{name}.{attribute}}}"

    def _join(self, argument: Any, stack: str) -> Any:
        separator, parts = argument
        parts = self.resolve(parts, stack)
        if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
            return separator.join(parts)
        return {"Fn::Join": [separator, parts]}

    def _sub(self, argument: Any, stack: str) -> Any:
        text, variables = argument if isinstance(argument, list) else (argument, {})
        for name, variable in variables.items():
            text = text.replace(f"${{{name}}}", str(self.resolve(variable, stack)))
        for name in ("AWS::AccountId", "AWS::Partition", "AWS::Region", "AWS::StackName", "AWS::URLSuffix"):
            text = text.replace(f"${{{name}}}", str(self._ref(name, stack)))
        for name in self.stacks.get(stack, {}).get("Resources", {}):
            text = text.replace(f"${{{name}}}", self._ref(name, stack)).replace(f"${{{name}.", f"${{{stack}/{name}.")
        return text

    def _select(self, argument: Any, stack: str) -> Any:
        index, items = argument
        items = self.resolve(items, stack)
        if isinstance(items, dict) and list(items) == ["Fn::Split"] and items["Fn::Split"][1].endswith("Arn}"):
            # A part of the ARN of something in this environment: whose it is we know, whatever its name.
            known = {1: _partition(self.region), 3: self.region, 4: self.account}
            return known.get(int(index), {"Fn::Select": [index, items]})
        if (
            isinstance(items, dict)
            and list(items) == ["Fn::Split"]
            and _ONE_REFERENCE.fullmatch(str(items["Fn::Split"][1]))
        ):
            # A part of what is known at deployment only; as text, so that what it is joined with can still be followed.
            separator, reference = items["Fn::Split"]
            return f"{reference[:-1]}[{separator}{index}]}}"
        return items[int(index)] if isinstance(items, list) else {"Fn::Select": [index, items]}

    def _split(self, argument: Any, stack: str) -> Any:
        separator, text = argument
        text = self.resolve(text, stack)
        known = isinstance(text, str) and "${" not in text
        return text.split(separator) if known else {"Fn::Split": [separator, text]}

    def _stack_output(self, argument: Mapping[str, str], stack: str) -> Any:
        source = argument["StackName"]
        output = self.stacks.get(source, {}).get("Outputs", {}).get(argument["OutputName"])
        return self.resolve(output["Value"], source) if output else f"${{{source}.{argument['OutputName']}}}"


_ONE_REFERENCE = re.compile(r"\$\{[^{}]+\}")
_REFERENCE = re.compile(r"\$\{([^/{}]+/\w+)\.")
_FUNCTIONS = {
    "Ref": "_ref",
    "Fn::GetAtt": "_get_att",
    "Fn::Join": "_join",
    "Fn::Sub": "_sub",
    "Fn::Select": "_select",
    "Fn::Split": "_split",
    "Fn::GetStackOutput": "_stack_output",
}


def _partition(region: str) -> str:
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def as_list(value: Any) -> list[Any]:
    """IAM and CloudFormation let one element stand for a list of one; None is an empty list."""
    return [] if value is None else value if isinstance(value, list) else [value]


def statements(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The statements of a policy document, with Action, NotAction and Resource as lists."""
    for statement in as_list(document.get("Statement")):
        yield {
            key: as_list(value) if key in ("Action", "NotAction", "Resource", "NotResource") else value
            for key, value in statement.items()
        }
