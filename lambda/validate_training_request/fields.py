"""The fields of a training request, version 1: names, shapes and what each must be."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from validate_training_request import distribution

SCHEMA_VERSION = "1"
_S3_URI = re.compile(r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.*$")
_NAME = re.compile(r"^[a-z][a-z0-9-]{0,29}[a-z0-9]$")
_CHANNEL = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
MIRRORED_MODEL = re.compile(r"^hub/(?P<id>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)@(?P<commit>[0-9a-f]{40})$", re.ASCII)
_DAY = 24 * 3600


@dataclass(frozen=True)
class Field:
    """fits: whether a value has the right shape. must: what to tell when it has not."""

    fits: Callable[[Any], bool]
    must: str
    required: bool = False


def is_s3_uri(value: object) -> bool:
    """Whether the value is `s3://bucket/…`."""
    return isinstance(value, str) and _S3_URI.match(value) is not None


def _whole(lowest: int, highest: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def _mapping(fits: Callable[[Any, Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(fits(key, item) for key, item in value.items())


def _is_text(_key: object, value: object) -> bool:
    return isinstance(value, str)


def _is_scalar(_key: object, value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _is_channel(key: str, value: object) -> bool:
    return _CHANNEL.match(key) is not None and is_s3_uri(value)


def _is_metric_definition(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"Name", "Regex"}:
        return False
    if not all(isinstance(part, str) for part in value.values()):
        return False
    try:
        return re.compile(value["Regex"]).groups == 1
    except re.error:
        return False


def _is_evaluation(key: str, value: object) -> bool:
    if key == "metric":
        return isinstance(value, str)
    return key == "minimum" and isinstance(value, int | float) and not isinstance(value, bool)


FIELDS: dict[str, Field] = {
    "schema_version": Field(lambda v: v == SCHEMA_VERSION, f'must be "{SCHEMA_VERSION}"', required=True),
    "job_type": Field(lambda v: isinstance(v, str), "must be the name of a job type of this environment"),
    "name": Field(
        lambda v: isinstance(v, str) and _NAME.match(v) is not None,
        "must be 2 to 31 lower-case letters, digits and hyphens, beginning with a letter",
        required=True,
    ),
    "image": Field(lambda v: isinstance(v, str), "must be the name of a training image of this environment"),
    "source_dir": Field(
        lambda v: is_s3_uri(v) and v.endswith("/sourcedir.tar.gz"),
        "must be s3://…/sourcedir.tar.gz (hfsm train packs and uploads a local folder)",
    ),
    "entry_point": Field(
        lambda v: isinstance(v, str) and re.match(r"^[A-Za-z0-9_][A-Za-z0-9_./-]*\.py$", v) is not None,
        "must be the name of a Python file in source_dir",
    ),
    "hyperparameters": Field(
        _mapping(_is_scalar), "must be an object whose values are texts, numbers or explicit booleans"
    ),
    "channels": Field(_mapping(_is_channel), "must be an object of channel name → s3://bucket/prefix", required=True),
    "model": Field(
        lambda v: isinstance(v, str) and MIRRORED_MODEL.match(v) is not None,
        "must be hub/<namespace>/<name>@<commit>, a model of the mirror, with a commit of 40 hexadecimal digits (hfsm "
        "train also takes a branch or tag)",
    ),
    "instance_type": Field(lambda v: isinstance(v, str), "must be an instance type such as ml.g4dn.xlarge"),
    "instance_count": Field(_whole(1, 64), "must be a whole number from 1"),
    "distribution": Field(lambda v: isinstance(v, dict), distribution.MUST),
    "volume_size": Field(_whole(1, 16384), "must be a whole number of GiB, 1 to 16384"),
    "max_run": Field(_whole(1, 28 * _DAY), "must be a whole number of seconds, at most 28 days"),
    "use_spot_instances": Field(lambda v: isinstance(v, bool), "must be true or false"),
    "max_wait": Field(_whole(1, 28 * _DAY), "must be a whole number of seconds, at most 28 days"),
    "checkpoint_s3_uri": Field(
        lambda v: v in (None, "") or is_s3_uri(v), "must be s3://… in the environment's checkpoints bucket"
    ),
    "metric_definitions": Field(
        lambda v: isinstance(v, list) and len(v) <= 40 and all(_is_metric_definition(item) for item in v),
        'must be a list of {"Name": …, "Regex": …}, each a valid regular expression with one group',
    ),
    "environment": Field(_mapping(_is_text), "must be an object whose values are texts"),
    "evaluation": Field(_mapping(_is_evaluation), 'must be {"metric": <name>, "minimum": <number>}'),
    "tags": Field(_mapping(_is_text), "must be an object whose values are texts"),
}


def problems_of_fields(request: dict[str, Any]) -> list[str]:
    """One sentence for each field that is missing, unknown or of a wrong shape."""
    missing = [f"{name} is missing: it {field.must}." for name, field in FIELDS.items() if _is_missing(name, request)]
    unknown = [
        f"{name} is not a field of a training request.{_nearest(name)}" for name in request if name not in FIELDS
    ]
    wrong = [
        f"{name} is {value!r}: it {FIELDS[name].must}."
        for name, value in request.items()
        if name in FIELDS and not FIELDS[name].fits(value)
    ]
    return missing + unknown + wrong


def _is_missing(name: str, request: dict[str, Any]) -> bool:
    return FIELDS[name].required and name not in request


def _nearest(name: str) -> str:
    near = get_close_matches(name, FIELDS, n=1)
    return f" Did you mean {near[0]}?" if near else f" The fields are {', '.join(FIELDS)}."
