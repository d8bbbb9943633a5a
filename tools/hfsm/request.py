"""Reads a training request and finds what in it lies on this machine.

Whether its fields keep to the published schema is looked at before anything is uploaded, with the code of the state
machine's Validate. What the environment allows is checked there only, whoever starts the run.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfsm import dataset
from hfsm.errors import WrongUseError, raise_problems
from validate_training_request.fields import problems_of_fields


@dataclass(frozen=True)
class LocalRequest:
    """A training request as read from a file.

    body: the JSON document. channels: channel name → its files on this machine, as {path below the channel:
    file}; channels that are S3 URIs already are not in it. source_dir: folder with the training code, where
    it is local.
    """

    path: Path
    body: dict[str, Any]
    channels: dict[str, dict[str, Path]]
    source_dir: Path | None

    @property
    def name(self) -> str:
        return str(self.body.get("name") or "training")


def read_request(path: Path, *, image: str | None = None) -> LocalRequest:
    """Read and check a request. Raises WrongUseError with every problem, before anything is uploaded.

    Relative folders count from the request's own folder, so that a request can be moved together with its
    data. image: in place of the one that it names. Omitted: that one.
    """
    return check_request(path, _parse(path), image=image)


def check_request(path: Path, body: dict[str, Any], *, image: str | None = None) -> LocalRequest:
    """As read_request, of a request that something else than a file of its own says.

    path: the file that it comes from; in messages, and where relative folders count from.
    """
    body = body | ({"image": image} if image else {})
    problems: list[str] = []
    channels: dict[str, dict[str, Path]] = {}
    named = body.get("channels", {})
    if not isinstance(named, dict):
        problems.append(f"{path}: channels must be an object of name → S3 URI or folder, found {named!r}.")
        named = {}
    for channel, value in named.items():
        if isinstance(value, dict):
            continue  # in S3, with how it comes
        if not isinstance(value, str) or not value:
            problems.append(f"{path}: channels.{channel} must be an S3 URI or a folder, found {value!r}.")
        elif "://" not in value:
            files = _channel_files(path.parent / value)
            if not files:
                problems.append(f"{path}: channels.{channel}: {path.parent / value} is no folder or file with data.")
            problems += dataset.check_channel(list(files.values()))
            channels[channel] = files
    source_dir, source_problems = _source_dir(path, body)
    if not problems + source_problems:
        problems = [
            f"{path}: {problem}" for problem in problems_of_fields(_as_uploaded(body, set(channels), source_dir))
        ]
    raise_problems(problems + source_problems)
    return LocalRequest(path=path, body=body, channels=channels, source_dir=source_dir)


def _as_uploaded(body: dict[str, Any], channels: set[str], source_dir: Path | None) -> dict[str, Any]:
    """What the upload makes of it, as far as the schema can tell."""
    made = dict(body)
    if channels:
        made["channels"] = {**body["channels"], **dict.fromkeys(channels, "s3://local/channel/")}
    if source_dir:
        made["source_dir"] = "s3://local/sourcedir.tar.gz"
    made.pop("model", None)  # may name a branch or tag, which the upload resolves
    return made


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise WrongUseError(f"{path} cannot be read: {error.strerror}. Name a training request, a JSON file.") from None
    except UnicodeDecodeError:
        raise WrongUseError(f"{path} is not UTF-8 text. A training request is a JSON file.") from None
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        line = text.splitlines()[error.lineno - 1].strip() if text.strip() else ""
        raise WrongUseError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
            + (f" at {line!r}." if line else ".")
            + " Correct the file and start again; nothing was uploaded."
        ) from None
    if not isinstance(body, dict):
        raise WrongUseError(f"{path}: a training request is a JSON object, found {type(body).__name__}.")
    return body


def _channel_files(location: Path) -> dict[str, Path]:
    """A file is a channel with one file; of a folder every file below it counts, hidden ones left out."""
    if location.is_file():
        return {location.name: location}
    if not location.is_dir():
        return {}
    return {
        file.relative_to(location).as_posix(): file
        for file in sorted(location.rglob("*"))
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(location).parts)
    }


def _source_dir(path: Path, body: dict[str, Any]) -> tuple[Path | None, list[str]]:
    value = body.get("source_dir")
    if value is None or "git_config" in body or (isinstance(value, str) and "://" in value):
        return None, []
    if not isinstance(value, str) or not (path.parent / value).is_dir():
        return None, [f"{path}: source_dir must be an S3 URI or a folder, found {value!r}."]
    folder = path.parent / value
    entry_point = body.get("entry_point")
    if isinstance(entry_point, str) and not (folder / entry_point).is_file():
        return None, [f"{path}: entry_point {entry_point!r} is no file of source_dir {folder}."]
    return folder, []
