"""What the rows call things, as names.yaml says, made ARNs."""

import re
from collections.abc import Mapping

from hf_sagemaker.controls.templates import Resource
from tests.compliance.iam.physical_names import UnknownReferenceError
from tests.compliance.iam.policy_model import PolicyModel

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


class UnknownNameError(LookupError):
    """A row names something that does not exist."""


class Names:
    """Fills the placeholders of the rows.

    foreign_account: of nobody we know.
    """

    foreign_account = "666666666666"

    def __init__(self, models: Mapping[str, PolicyModel], names: Mapping[str, str]) -> None:
        """models: by environment. names: name in the rows → construct path without the environment, or ARN."""
        self._models = models
        self._names = names

    def other(self, environment: str) -> str:
        """The environment that is not this one."""
        return next(name for name in self._models if name != environment)

    def fill(self, environment: str, text: str) -> str:
        """The text with its placeholders, as `{models bucket}`, made ARNs. Raises UnknownNameError."""
        return _PLACEHOLDER.sub(lambda match: self._value(environment, match.group(1)), text)

    def resource(self, environment: str, name: str) -> Resource:
        """The resource behind a name. Raises UnknownNameError."""
        path = self._path(name)
        stack, *ids = path.split("/")
        found = self._models[environment].by_path.get((f"{environment}-{stack}", "".join(ids)))
        if found is None:
            raise UnknownNameError(f"{name!r}: {environment} has no resource at {path}; mend names.yaml")
        return found

    def owner(self, environment: str, resource: str) -> str:
        """The account that owns a resource, given by its ARN; `*` counts as the environment's."""
        if resource == "*":
            return self._models[environment].templates.account
        if account := resource.split(":")[4]:
            return account
        bucket = resource.split(":::")[1].split("/")[0]
        for model in self._models.values():
            ours = {model.names.of(b, "Ref") for b in model.templates.resources("AWS::S3::Bucket")}
            if bucket in ours or model.templates.account in bucket:
                return model.templates.account
        return self.foreign_account

    def _path(self, name: str) -> str:
        if name not in self._names:
            raise UnknownNameError(f"{name!r}: names.yaml does not hold this name")
        return self._names[name]

    def _value(self, environment: str, placeholder: str) -> str:
        if placeholder.startswith("other "):
            return self._value(self.other(environment), placeholder.removeprefix("other "))
        templates = self._models[environment].templates
        facts = {
            "account": templates.account,
            "environment": environment,
            "foreign account": self.foreign_account,
            "region": templates.region,
        }
        if placeholder in facts:
            return facts[placeholder]
        name, _, attribute = placeholder.partition(".")
        if self._path(name).startswith("arn:"):
            return self.fill(environment, self._path(name))
        return self._attribute(environment, self.resource(environment, name), attribute)

    def _attribute(self, environment: str, resource: Resource, attribute: str) -> str:
        """An attribute as CloudFormation names it, or a property's path; where none is given, the ARN or the id."""
        names = self._models[environment].names
        if "." in attribute:
            value = {"Properties": resource.properties, **resource.properties}
            for part in attribute.split("."):
                value = value[part]
            return str(names.resolve(value))
        if attribute:
            return names.of(resource, attribute)
        try:
            return names.of(resource, "Arn")
        except UnknownReferenceError:
            return names.of(resource, "Ref")
