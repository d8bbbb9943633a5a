"""Reads `environments/*.yaml`, and says in one paragraph per problem what is wrong with them.

Also writes the JSON schema for editors: `python -m stacks.settings_files > environments/schema.json`.
"""

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from hf_sagemaker.image_lock import FILE_NAME, ImageLockError, Pin, read_lock
from stacks.access_settings import notebook_roles
from stacks.endpoint_problems import component_name_problems
from stacks.image_settings import FOLDER, PINS
from stacks.network_settings import overlaps
from stacks.organization_settings import ORGANIZATION, OrganizationSettings
from stacks.promotion_settings import ENVIRONMENTS
from stacks.settings import EnvironmentSettings
from stacks.settings_base import Settings

_Model = TypeVar("_Model", bound=Settings)
# What a Hugging Face Hub token, an AWS access key or a GitHub token looks like.
_TOKEN = re.compile(r"\b(hf_[A-Za-z0-9]{30,}|(AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,})\b")


class SettingsError(ValueError):
    """All problems of all files; `problems` holds one paragraph each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n\n".join(problems))


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_environments(folder: Path) -> dict[str, EnvironmentSettings]:
    """Every environment of the folder, by name (the file's name without .yaml), in alphabetical order.

    Raises SettingsError with all problems of all files at once.
    """
    files = sorted(file for file in folder.glob("*.yaml") if file.stem != ORGANIZATION)
    if not files:
        raise SettingsError([f"{folder}: holds no environment. Add one file per environment, for example dev.yaml."])
    try:
        reader = _Environments(files, read_lock(folder / FILE_NAME))
    except ImageLockError as error:
        raise SettingsError([str(error)]) from None
    environments: dict[str, EnvironmentSettings] = {}
    problems: list[str] = []
    for file in files:
        try:
            environments[file.stem] = reader.read(file.stem)
        except SettingsError as error:
            problems += error.problems
    networks = {name: settings.network for name, settings in environments.items()}
    roles = {name: (settings.account, settings.roles) for name, settings in environments.items()}
    for name, problem in (*overlaps(networks), *notebook_roles(roles)):
        problems.append(_paragraph(folder / f"{name}.yaml", *problem))
    for name, settings in environments.items():
        too_long = component_name_problems(settings, name)
        problems += [_paragraph(folder / f"{name}.yaml", *problem) for problem in too_long]
    if problems:
        raise SettingsError(problems)
    return environments


def load_organization(folder: Path) -> OrganizationSettings | None:
    """What `organization.yaml` of the folder says; None when there is none.

    Raises SettingsError with all its problems.
    """
    file = folder / f"{ORGANIZATION}.yaml"
    return _load(file, OrganizationSettings) if file.exists() else None


class _Environments:
    """Reads each file once, and those first from which others promote images."""

    def __init__(self, files: Sequence[Path], pins: Mapping[str, Mapping[str, Pin]]) -> None:
        self._files = {file.stem: file for file in files}
        self._pins = pins
        self._read: dict[str, EnvironmentSettings | SettingsError | None] = {}

    def read(self, name: str) -> EnvironmentSettings:
        """Raises SettingsError with all problems of the file."""
        if name not in self._read:
            self._read[name] = None
            try:
                self._read[name] = self._environment(self._files[name])
            except SettingsError as error:
                self._read[name] = error
        found = self._read[name]
        if isinstance(found, EnvironmentSettings):
            return found
        raise found or LookupError("it promotes images from this one: promote in one direction only")

    def find(self, name: str) -> EnvironmentSettings:
        """For a file that refers to another. LookupError: there is none, or it cannot be read."""
        if name not in self._files:
            raise LookupError(f"must be the name of another environment file: {', '.join(self._files)}")
        try:
            return self.read(name)
        except SettingsError:
            raise LookupError(f"the problems of {name}.yaml are to be mended first") from None

    def _environment(self, file: Path) -> EnvironmentSettings:
        context = {FOLDER: file.parent, PINS: self._pins.get(file.stem, {}), ENVIRONMENTS: self.find}
        settings = _load(file, EnvironmentSettings, context)
        if problems := settings.problems():
            raise SettingsError([_paragraph(file, *problem) for problem in problems])
        return settings


def _load(file: Path, model: type[_Model], context: dict[str, Any] | None = None) -> _Model:
    try:
        text = file.read_text(encoding="utf-8")
        _refuse_tokens(file, text)
        content = yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SettingsError([f"{file}{where}: not valid YAML: {error.problem}. Mend that line."]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError([f"{file}: not valid YAML: {error}. The file must be UTF-8 text."]) from None
    if not isinstance(content, dict):
        raise SettingsError([f"{file}: must be a mapping of fields (account, region, network, …), not {content!r}."])
    try:
        return model.model_validate(content, context=context)
    except ValidationError as error:
        raise SettingsError([_paragraph(file, *_describe(e, model)) for e in error.errors()]) from None


def _refuse_tokens(file: Path, text: str) -> None:
    lines = [str(number) for number, line in enumerate(text.splitlines(), 1) if _TOKEN.search(line)]
    if lines:
        raise SettingsError(
            [
                f"{file}, line {', '.join(lines)}: holds what looks like an access token. Settings reach templates and "
                "reports: put the token into Secrets Manager, name the secret in hub.token_secret_arn, and revoke this "
                "token, since files are kept."
            ]
        )


def _paragraph(file: Path, path: str, value: object, reason: str) -> str:
    end = "" if reason.endswith((".", "?")) else "."
    return f"{file}: {path} is {_shown(value)}: {reason}{end}"


def _shown(value: object) -> str:
    """Shortened, and without what an address may hold of credentials: it is printed."""
    text = re.sub(r"(://[^?]*)\?.*", r"\1?…", re.sub(r"://.*@", "://…@", json.dumps(value, default=str)))
    return text if len(text) <= 80 else f"{text[:77]}…"


def _describe(error: Any, whole: type[Settings]) -> tuple[str, object, str]:
    """(field path, value, what it must be) of one pydantic error."""
    parts, models = _place(error["loc"], whole)
    path = ".".join(str(part) for part in parts) or "the file"
    value, kind, context = error["input"], error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return path, value, _unknown_field(str(parts[-1]), models)
    if kind == "string_type":
        return path, value, "must be text; put it in quotation marks"
    if kind == "missing":
        return path, None, "this field is required"
    if kind == "string_pattern_mismatch":
        return path, value, f"must be text matching {context['pattern']}"
    message = error["msg"].removeprefix("Value error, ")
    return path, value, message.replace("Input should", "must").replace(" after validation", "")


def _unknown_field(name: str, models: list[type[BaseModel]]) -> str:
    """models: the one in which it was found, and before it the others that could stand there."""
    known = list(models[-1].model_fields)
    if kinds := [f"{', '.join(model.model_fields)}" for model in models[:-1] if name in model.model_fields]:
        return f"it does not go with {known[0]}. Either the fields are {', '.join(known)}; or {'; or '.join(kinds)}."
    nearest = get_close_matches(name, known, n=1)
    hint = f"Did you mean {nearest[0]}?" if nearest else f"The fields here are {', '.join(known)}."
    return f"no field of this name exists. {hint}"


def _place(location: tuple[int | str, ...], whole: type[Settings]) -> tuple[list[int | str], list[type[BaseModel]]]:
    """The fields that lead to an error, and the models that could stand around it, the one that does last.

    Where several could, pydantic puts the name of the chosen one among the fields.
    """
    parts: list[int | str] = []
    around: list[type[BaseModel]] = [whole]
    below: list[type[BaseModel]] = []
    for part in location:
        if chosen := next((model for model in below if model.__name__ == part), None):
            below = [*(model for model in below if model is not chosen), chosen]
            continue
        parts.append(part)
        if isinstance(part, int):
            continue
        around = below or around
        field = around[-1].model_fields.get(part)
        below = _models_of(field.annotation) if field else []
    return parts, around


def _models_of(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [annotation]
    return [found for a in getattr(annotation, "__args__", ()) for found in _models_of(a)]


def schema() -> str:
    """The JSON schema of an environment file, as text."""
    _describe_fields()
    return (
        json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                **EnvironmentSettings.model_json_schema(),
            },
            indent=2,
        )
        + "\n"
    )


def _describe_fields() -> None:
    """Makes the docstrings of fields their descriptions, which nobody but editors reads.

    pydantic could do it whenever it makes a model, but would read all of the models' source at each synth.
    """
    models = list(_all_below(Settings))  # a model comes after those that its fields are of
    for model in models:
        (definition,) = ast.parse(dedent(inspect.getsource(model))).body
        assert isinstance(definition, ast.ClassDef)
        for field, text in pairwise(definition.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    described = model.model_fields[name]
                    described.description = described.description or inspect.cleandoc(said)
    for model in models:
        model.model_rebuild(force=True)


def _all_below(model: type[Settings]) -> Iterator[type[Settings]]:
    for each in model.__subclasses__():
        yield each
        yield from _all_below(each)


if __name__ == "__main__":
    sys.stdout.write(schema())
