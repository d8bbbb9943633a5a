"""Intrinsic functions and conditions, evaluated for one deployment of one stack.

Replaces `clean_json` of moto's parser, which creates resources while it evaluates, knows no
`Fn::GetStackOutput`, answers an unknown attribute with a warning and lets a reference to nothing through.
"""

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from moto.cloudformation.exceptions import ValidationError

from localcloud.cloudformation.template import SUBSTITUTION, Template

NO_VALUE = object()
DYNAMIC_REFERENCE = re.compile(r"\{\{resolve:ssm:([^:}]+)(?::\d+)?\}\}")


class Surroundings(Protocol):
    """What a template can read outside itself."""

    def export(self, name: str) -> str:
        """Value of an export of this account and region; raises ValidationError when there is none."""

    def stack_output(self, arguments: Mapping[str, Any]) -> str:
        """Value of an output of another stack, given `StackName`, `OutputName`, and perhaps `Region`, `RoleArn`."""

    def zones(self, region: str) -> list[str]:
        """Availability zones of a region, of this one where it is empty."""

    def parameter(self, name: str) -> str:
        """Value of an SSM parameter, for `{{resolve:ssm:name}}`."""


class Reference(Protocol):
    """A resource that exists: what `Ref` and `Fn::GetAtt` answer."""

    @property
    def physical_id(self) -> str: ...

    @property
    def attributes(self) -> Mapping[str, Any]: ...


class Resolver:
    """Evaluates values of `template`.

    names: parameters and pseudo parameters by name. resources: those that exist, by logical id; it may grow
        while the deployment goes on.
    """

    def __init__(
        self,
        template: Template,
        names: Mapping[str, Any],
        resources: Mapping[str, Reference],
        surroundings: Surroundings,
    ) -> None:
        self._names = names
        self._resources = resources
        self._surroundings = surroundings
        self._mappings = template.get("Mappings", {})
        self._conditions = template.get("Conditions", {})
        self._types = {logical_id: each["Type"] for logical_id, each in template["Resources"].items()}
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::If": self._if,
            "Fn::FindInMap": self._find_in_map,
            "Fn::Base64": lambda text: base64.b64encode(self.resolve(text).encode()).decode(),
            "Fn::GetAZs": lambda region: self._surroundings.zones(self.resolve(region)),
            "Fn::ImportValue": lambda name: self._surroundings.export(self.resolve(name)),
            "Fn::GetStackOutput": lambda call: self._surroundings.stack_output(self.resolve(call)),
            "Fn::ToJsonString": lambda value: json.dumps(self.resolve(value), separators=(",", ":")),
            "Fn::Length": lambda value: len(self.resolve(value)),
            "Fn::Cidr": self._cidr,
        }

    def resolve(self, value: Any) -> Any:
        """The value with every function evaluated. Raises ValidationError where one cannot be."""
        resolved = self._resolve(value)
        return None if resolved is NO_VALUE else resolved

    def condition(self, name: str) -> bool:
        if name not in self._conditions:
            raise ValidationError(message=f"Template error: there is no condition {name}")
        return self._test(self._conditions[name])

    def wanted(self, resource_or_output: dict[str, Any]) -> bool:
        """False only where a `Condition` says so."""
        condition = resource_or_output.get("Condition")
        return condition is None or self.condition(condition)

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._resolve, value) if item is not NO_VALUE]
        if isinstance(value, str):
            return DYNAMIC_REFERENCE.sub(lambda match: self._surroundings.parameter(match[1]), value)
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name in self._functions:
                return self._functions[name](argument)
            if name.startswith("Fn::"):
                raise ValidationError(message=f"Template error: the function {name} is not known")
        resolved = {key: self._resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self._names:
            return self._names[name]
        return self._existing(name).physical_id

    def _get_att(self, argument: Any) -> Any:
        logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        attributes = self._existing(logical_id).attributes
        if attribute not in attributes:
            raise ValidationError(
                message=f"Template error: resource {logical_id} of type {self._types[logical_id]} does not support "
                f"attribute type {attribute} in Fn::GetAtt; here it has {', '.join(sorted(attributes)) or 'none'}"
            )
        return attributes[attribute]

    def _existing(self, logical_id: str) -> Reference:
        if logical_id not in self._resources:
            raise ValidationError(message=f"Template error: unresolved reference to {logical_id}")
        return self._resources[logical_id]

    def _sub(self, argument: Any) -> str:
        text, own = (argument[0], argument[1]) if isinstance(argument, list) else (argument, {})
        values = {name: self.resolve(value) for name, value in own.items()}

        def substitute(name: str) -> str:
            if name in values:
                return str(values[name])
            return str(self._get_att(name) if "." in name else self._ref(name))

        return SUBSTITUTION.sub(lambda match: substitute(match[1].strip()), text).replace("${!", "${")

    def _join(self, argument: Any) -> str:
        separator, items = argument
        return str(separator).join(str(item) for item in self.resolve(items))

    def _select(self, argument: Any) -> Any:
        index, items = self.resolve(argument[0]), self.resolve(argument[1])
        if not 0 <= int(index) < len(items):
            raise ValidationError(message=f"Template error: Fn::Select cannot select {index} of {len(items)}")
        return items[int(index)]

    def _split(self, argument: Any) -> list[str]:
        return str(self.resolve(argument[1])).split(argument[0])

    def _if(self, argument: Any) -> Any:
        condition, when_true, when_false = argument
        return self._resolve(when_true if self.condition(condition) else when_false)

    def _find_in_map(self, argument: Any) -> Any:
        keys = [self.resolve(key) for key in argument[:3]]
        value: Any = self._mappings
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                if len(argument) == 4 and "DefaultValue" in argument[3]:
                    return self.resolve(argument[3]["DefaultValue"])
                raise ValidationError(message=f"Template error: no mapping for {' / '.join(map(str, keys))}")
            value = value[key]
        return value

    def _cidr(self, argument: Any) -> list[str]:
        block, count, bits = [self.resolve(item) for item in [*argument, 8][:3]]
        network = ipaddress.ip_network(block)
        blocks = network.subnets(new_prefix=network.max_prefixlen - int(bits))
        return [str(next(blocks)) for _ in range(int(count))]

    def _test(self, condition: Any) -> bool:
        if isinstance(condition, bool):
            return condition
        (operator, argument), *_ = condition.items()
        if operator == "Condition":
            return self.condition(argument)
        if operator == "Fn::Equals":
            left, right = self.resolve(argument)
            return bool(str(left) == str(right))
        if operator == "Fn::Not":
            return not self._test(argument[0])
        if operator == "Fn::And":
            return all(self._test(each) for each in argument)
        if operator == "Fn::Or":
            return any(self._test(each) for each in argument)
        raise ValidationError(message=f"Template error: the condition function {operator} is not known")
