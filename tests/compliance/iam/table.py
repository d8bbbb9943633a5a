"""The rows of attacks.yaml and duties.yaml, read and checked. docs/iam-table.md says how to write one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

FOLDER = Path(__file__).parent


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


OneOrMore = Annotated[list[str], BeforeValidator(_as_list)]
Context = dict[str, str | list[str] | None]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Twin(_Strict):
    """What is different in the allowed twin of an attack: everything else, the action above all, stays the same.

    under: `nothing` when the twin is allowed only where no service control policy holds.
    """

    who: OneOrMore | None = None
    resource: OneOrMore | None = None
    through: OneOrMore | None = None
    context: Context = {}
    under: Literal["scp", "nothing"] | None = None


class Variant(_Strict):
    """One of several forms of a row: it replaces the row's fields, and adds to its context and to its twin."""

    who: OneOrMore | None = None
    action: OneOrMore | None = None
    resource: OneOrMore | None = None
    through: OneOrMore | None = None
    context: Context = {}
    twin: Twin = Twin()


class Row(_Strict):
    """One row. Where a field holds several values, all of them are meant, each with each.

    in: environments; omitted: all. who, action, resource: the request. through: the VPC endpoint by which it comes.
    context: what caller and service say of it; null: what is otherwise said is not said.
    resource_policy: `trusting` as if the resource's own policy left the decision to the account, as that of a key of
        the team's may; `open` as if it let everybody in. Omitted: the one that it has.
    boundary: `none` as in an environment whose settings want none. Omitted: the one that the role has.
    each: forms of the row. why: one sentence. source: what it comes from.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    in_: Annotated[OneOrMore, Field(alias="in")] = ["dev", "prod"]
    who: OneOrMore = []
    action: OneOrMore = []
    resource: OneOrMore = []
    through: OneOrMore = [""]
    context: Context = {}
    resource_policy: Literal["trusting", "open"] | None = None
    boundary: Literal["none"] | None = None
    each: list[Variant] = []
    why: Annotated[str, Field(min_length=20)]
    source: str

    def forms(self) -> Iterator["Row"]:
        """The row in each of its forms; itself where it has one only."""
        for variant in self.each or [Variant()]:
            yield self._replaced(variant.who, variant.action, variant.resource, variant.through, variant.context)

    def _replaced(
        self,
        who: list[str] | None,
        action: list[str] | None,
        resource: list[str] | None,
        through: list[str] | None,
        context: Context,
    ) -> "Row":
        fields = {"who": who, "action": action, "resource": resource, "through": through}
        given = {name: value for name, value in fields.items() if value is not None}
        return self.model_copy(update={**given, "context": self.context | context, "each": []})

    @model_validator(mode="after")
    def _complete(self) -> "Row":
        for form in self.forms() if self.each else [self]:
            missing = [name for name in ("who", "action", "resource") if not getattr(form, name)]
            if missing:
                raise ValueError(f"{self.id}: lacks {', '.join(missing)}")
        return self


class Duty(Row):
    """A request that must be allowed, also under the service control policy."""


class Attack(Row):
    """A request that must be denied.

    under: `scp` when only the service control policy stands against it; else it is denied without one.
    twin: id of a duty with the same action, or what has to be different for the request to be allowed.
    """

    under: Literal["scp", "nothing"] = "nothing"
    twin: str | Twin

    def twins(self) -> Iterator[tuple[Row, bool]]:
        """Each form of the inline twin, and whether it holds under the service control policy; none for a duty."""
        if isinstance(self.twin, str):
            return
        for variant in self.each or [Variant()]:
            form, twin = (
                self._replaced(variant.who, variant.action, variant.resource, variant.through, variant.context),
                variant.twin,
            )
            context = self.twin.context | twin.context
            yield (
                form._replaced(
                    twin.who or self.twin.who,
                    None,
                    twin.resource or self.twin.resource,
                    twin.through or self.twin.through,
                    context,
                ),
                (twin.under or self.twin.under) != "nothing",
            )


def duties() -> list[Duty]:
    """Every row of duties.yaml. Raises pydantic's ValidationError, which names row and field."""
    return TypeAdapter(list[Duty]).validate_python(_read("duties.yaml"))


def attacks() -> list[Attack]:
    """Every row of attacks.yaml. Raises pydantic's ValidationError, which names row and field."""
    return TypeAdapter(list[Attack]).validate_python(_read("attacks.yaml"))


def names() -> dict[str, str]:
    """Name in the tables → construct path without the environment, or ARN."""
    return TypeAdapter(dict[str, str]).validate_python(_read("names.yaml"))


def _read(file: str) -> Any:
    return yaml.safe_load((FOLDER / file).read_text(encoding="utf-8"))
