"""Channels from file systems of the team's: which one a request means, how far into it, and what a job may do there.

The environment's settings say which there are: `{name, id, type, access_mode, directory_path}` each. SageMaker mounts
whatever it is told to, and the jobs' security group lets every job reach all of them: so this is what decides.
"""

from collections.abc import Mapping, Sequence
from typing import Any

FileSystems = Sequence[Mapping[str, str]]
Channel = Mapping[str, Any]

_NAMING = ("file_system", "file_system_id")
_FIELDS = {*_NAMING, "file_system_type", "directory_path", "file_system_access_mode", "content_type"}


def is_file_system(channel: Channel) -> bool:
    """Whether the data comes from a file system, and not from S3."""
    return any(name in channel for name in _NAMING)


def file_system_problems(request: Mapping[str, Any], known: FileSystems) -> list[str]:
    """What such a channel may not say. known: the environment's file systems."""
    return [
        f"channels.{name}{problem}"
        for name, channel in request.get("channels", {}).items()
        if isinstance(channel, dict)
        for problem in (_problems(channel, known) if is_file_system(channel) else _strays(channel))
    ]


def data_source(channel: Channel, known: FileSystems) -> dict[str, Any]:
    """`DataSource` of a channel without problems."""
    found = _meant(channel, known)
    assert found is not None
    return {
        "FileSystemDataSource": {
            "FileSystemId": found["id"],
            "FileSystemType": found["type"],
            "FileSystemAccessMode": channel.get("file_system_access_mode", "ro"),
            "DirectoryPath": _folder(channel.get("directory_path", found["directory_path"])),
        }
    }


def _problems(channel: Channel, known: FileSystems) -> list[str]:
    problems = [
        f".{field} does not go with a file system, which is mounted as it is: leave it out."
        for field in channel
        if field not in _FIELDS and field != "input_mode"
    ]
    if (mode := channel.get("input_mode", "File")) != "File":
        problems.append(f".input_mode is {mode}, and a file system has File only, which mounts it and copies nothing.")
    if all(name in channel for name in _NAMING):
        return [*problems, " has file_system and file_system_id: name the file system once."]
    found = _meant(channel, known)
    if found is None:
        named = next(f".{name} is {channel[name]!r}" for name in _NAMING if name in channel)
        there = ", ".join(f"{each['name']} ({each['type']}, {each['id']})" for each in known) or "none"
        return [
            *problems,
            f"{named}, and this environment has {there}. The platform team adds file systems to data.file_systems in "
            "the environment's settings.",
        ]
    return problems + _beyond(channel, found)


def _beyond(channel: Channel, found: Mapping[str, str]) -> list[str]:
    """What the settings do not allow of this file system."""
    problems = []
    kind = channel.get("file_system_type", found["type"])
    if kind != found["type"]:
        problems.append(f".file_system_type is {kind}, and {found['name']} is {found['type']}.")
    allowed = _folder(found["directory_path"])
    path = _folder(channel.get("directory_path", allowed))
    if path != allowed and not path.startswith(f"{allowed.rstrip('/')}/"):
        mount = f" (/{allowed.split('/')[1]} is its mount name)" if found["type"] == "FSxLustre" else ""
        problems.append(f".directory_path is {path!r}; of {found['name']} jobs may see {allowed!r} and below{mount}.")
    if channel.get("file_system_access_mode") == "rw" and found["access_mode"] != "rw":
        problems.append(f".file_system_access_mode is rw, and this environment's jobs only read {found['name']}.")
    return problems


def _strays(channel: Channel) -> list[str]:
    """Fields of a file system, of a channel that names none."""
    fields = [field for field in channel if field in _FIELDS and field != "content_type"]
    return [f".{field} needs file_system or file_system_id, and this channel has s3_data." for field in fields]


def _meant(channel: Channel, known: FileSystems) -> Mapping[str, str] | None:
    name, identifier = channel.get("file_system"), channel.get("file_system_id")
    return next((each for each in known if each["name"] == name or each["id"] == identifier), None)


def _folder(path: str) -> str:
    """Without a slash at its end; the root is that slash."""
    return path.rstrip("/") or "/"
