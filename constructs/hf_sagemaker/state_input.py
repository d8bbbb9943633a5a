"""Values that a state reads while it runs, among values that are known at synth. Imports no CDK."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FromInput:
    """What a state reads when it begins.

    path: a path in its input (`$.job.name`), in the context (`$$.Execution.Id`), or an intrinsic function of such
        (`States.Format('{}-1', $.name)`), as the Amazon States Language writes them.
    """

    path: str


Text = str | FromInput
"""A text that is known at synth, or read from the state's input."""


def formatted(template: str, *values: FromInput) -> FromInput:
    """The template with each `{}` replaced by the value of its turn, when the state runs."""
    pieces = "{}".join(_quoted(piece) for piece in template.split("{}"))
    return FromInput(f"States.Format('{pieces}', {', '.join(value.path for value in values)})")


def rendered(value: Any) -> Any:
    """The value as the Amazon States Language has it: a member that is read from the input has a key that ends in `.$`.

    A list of texts some of which are read becomes one function that makes it. Members that are None are left out.

    Raises ValueError for a list of anything else that is read from the input: the language has no way to say it.
    """
    if isinstance(value, Mapping):
        members = [(key, _as_function(member)) for key, member in value.items() if member is not None]
        return {
            f"{key}.$" if isinstance(member, FromInput) else key: (
                member.path if isinstance(member, FromInput) else rendered(member)
            )
            for key, member in members
        }
    if isinstance(value, list | tuple):
        return [rendered(item) for item in value]
    return value


def _as_function(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not any(isinstance(item, FromInput) for item in value):
        return value
    if not all(isinstance(item, str | FromInput) for item in value):
        raise ValueError(f"only texts can stand in a list with values that are read from the input, not {value!r}")
    items = (item.path if isinstance(item, FromInput) else f"'{_quoted(item)}'" for item in value)
    return FromInput(f"States.Array({', '.join(items)})")


_KNOWN_LATER = re.compile(r"(\$\{Token\[[^\]]*\]\})")
"""How the CDK writes what is known when a stack is deployed, for example the name of another stack's bucket."""


def _quoted(text: str) -> str:
    """Inside of the single quotes of an intrinsic function. What is known later only stays for the CDK to find."""
    found = _KNOWN_LATER.split(text)
    return "".join(part if i % 2 else _escaped(part) for i, part in enumerate(found))


def _escaped(text: str) -> str:
    for character in ("\\", "'", "{", "}"):
        text = text.replace(character, f"\\{character}")
    return text
