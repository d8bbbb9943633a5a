"""Build specifications: the YAML in which a CodeBuild project says what it runs."""

from dataclasses import dataclass, field
from typing import Any

import yaml

PHASES = ("install", "pre_build", "build", "post_build")
_TOP = {"version", "env", "phases"}
_ENV = {"variables", "shell", "exported-variables"}
_PHASE = {"commands", "finally", "on-failure"}
# Chosen by the image on CodeBuild; here a build has this machine's Python, whatever version it asks for.
_RUNTIMES = {"python"}


class BuildspecError(Exception):
    """The build specification cannot be run; the message names every reason."""


@dataclass(frozen=True)
class Phase:
    """Commands of one phase. last: what runs at its end even where one of them failed (`finally`)."""

    name: str
    commands: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    goes_on: bool = False  # on-failure: CONTINUE


@dataclass(frozen=True)
class Buildspec:
    """What a build does. variables: given to every command, weaker than the project's own.

    exported: names of those whose values at the end of the build whoever started it gets.
    """

    phases: tuple[Phase, ...]
    variables: dict[str, str] = field(default_factory=dict)
    exported: tuple[str, ...] = ()


def parse(text: str) -> Buildspec:
    """BuildspecError: all that is wrong with it, or not supported here."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BuildspecError(f"YAML_FILE_ERROR Message: {error}") from None
    if not isinstance(document, dict):
        raise BuildspecError("YAML_FILE_ERROR Message: the build specification is not a mapping")
    problems = _unknown("buildspec", document, _TOP)
    if str(document.get("version")) != "0.2":
        problems.append(f"version is {document.get('version')!r}: only 0.2 is supported")
    environment = document.get("env") or {}
    problems += _unknown("env", environment, _ENV)
    if environment.get("shell", "bash") not in ("bash", "/bin/sh"):
        problems.append(f"env.shell is {environment['shell']!r}: commands run in bash")
    phases = document.get("phases") or {}
    problems += _unknown("phases", phases, set(PHASES))
    for name in PHASES:
        content = phases.get(name) or {}
        if name == "install":
            problems += _unknown("phases.install.runtime-versions", content.get("runtime-versions") or {}, _RUNTIMES)
        problems += _unknown(f"phases.{name}", content, _PHASE | ({"runtime-versions"} if name == "install" else set()))
        for part in ("commands", "finally"):
            commands = content.get(part) or []
            if not isinstance(commands, list) or not all(isinstance(command, str) for command in commands):
                problems.append(f"phases.{name}.{part} is not a list of strings")
        if content.get("on-failure", "ABORT") not in ("ABORT", "CONTINUE"):
            problems.append(f"phases.{name}.on-failure is {content['on-failure']!r}: ABORT or CONTINUE")
    if problems:
        raise BuildspecError("YAML_FILE_ERROR Message: " + "; ".join(problems))
    variables = {name: str(value) for name, value in (environment.get("variables") or {}).items()}
    exported = tuple(environment.get("exported-variables") or ())
    return Buildspec(tuple(_phase(name, phases.get(name) or {}) for name in PHASES), variables, exported)


def _phase(name: str, content: dict[str, Any]) -> Phase:
    return Phase(
        name,
        tuple(content.get("commands") or ()),
        tuple(content.get("finally") or ()),
        goes_on=content.get("on-failure") == "CONTINUE",
    )


def _unknown(place: str, content: Any, known: set[str]) -> list[str]:
    if not isinstance(content, dict):
        return [f"{place} is not a mapping"]
    return [f"{place}.{name} is not supported" for name in sorted(map(str, content)) if name not in known]
