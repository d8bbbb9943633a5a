"""Python requirements that an image may be given: pinned, and nothing that the base image must keep."""

import re
from collections.abc import Sequence

_REQUIREMENT = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<extras>\[[A-Za-z0-9,._ -]+\])?\s*==\s*(?P<version>[A-Za-z0-9][^\s;*]*)"
    r"(?P<marker>\s*;[^\\]*?)?(?P<hashes>(\s+--hash=[a-z0-9]+:[0-9a-f]+)*)$"
)
_KEPT = ("torch", "torchvision", "torchaudio", "triton")


def read_requirements(text: str) -> list[str]:
    """The requirements of a file: continued lines joined, comments and empty lines left out."""
    joined = re.sub(r"[ \t]*\\\r?\n[ \t]*", " ", text)
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def requirement_problems(lines: Sequence[str]) -> list[str]:
    """What is wrong with them, a half-sentence each; empty when they may be installed."""
    found: list[str] = []
    names: list[str] = []
    for line in lines:
        match = _REQUIREMENT.match(line)
        if not match:
            found.append(f"{line!r} must be pinned: name==version, with nothing before it and no other option")
            continue
        name = normalized(match["name"])
        if name in _KEPT:
            found.append(f"{line!r} must not be there: {name} and its CUDA are the base's own; take a base that has it")
        if name in names and not match["marker"]:
            found.append(f"{line!r} must not be there: {name} is named before it")
        names.append(name)
    hashed = [bool(re.search(r"\s--hash=", line)) for line in lines]
    if any(hashed) and not all(hashed):
        found.append("every line must have hashes once one has them, as pip wants it")
    return found


def are_hashed(lines: Sequence[str]) -> bool:
    """Whether the lines lock what is installed, dependencies included."""
    return bool(lines) and all("--hash=" in line for line in lines)


def pins(text: str) -> dict[str, str]:
    """Distribution → version of each pinned line of requirements; names as pip compares them."""
    found = (_REQUIREMENT.match(line) for line in read_requirements(text))
    return {normalized(match["name"]): match["version"] for match in found if match}


def normalized(name: str) -> str:
    """A distribution's name, as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
