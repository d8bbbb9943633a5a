"""Which models the environment's settings bring, and under which conditions. Standard library only."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COMMIT = re.compile(r"[0-9a-f]{40}")


class RefusedError(Exception):
    """A model is not brought; the text says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """One entry of `hub.models` in the settings.

    id: `<namespace>/<name>` on the Hub. revision: a commit of 40 hexadecimal digits, or the name of a branch or tag.
    allow_pickle: weights in formats that may run code when they are loaded are brought too.
    allow_remote_code: the commits whose own code people have read.
    """

    id: str
    revision: str
    allow_pickle: bool = False
    allow_remote_code: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.id}@{self.revision}"


def read_models(file: Path) -> list[Model]:
    """The models of the settings, which the build finds beside its code."""
    entries = json.loads(file.read_text(encoding="utf-8"))
    return [Model(**{**entry, "allow_remote_code": tuple(entry["allow_remote_code"])}) for entry in entries]


def choose(models: Sequence[Model], names: Sequence[str]) -> list[Model]:
    """Those that are asked for, as `<id>` or `<id>@<revision>`; none asked for: all.

    RefusedError: a name that the settings do not have.
    """
    unknown = [name for name in names if not any(name in (model.id, str(model)) for model in models)]
    if unknown:
        known = ", ".join(map(str, models))
        raise RefusedError(
            f"{', '.join(unknown)}: not among the models of this environment, which are {known}. Only what hub.models "
            "in its settings names is brought."
        )
    return [model for model in models if not names or {model.id, str(model)} & set(names)]
