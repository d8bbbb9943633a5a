"""The training request of a trigger: a file, written before the buckets that it names have names.

Never imports aws_cdk: settings are checked with it.
"""

import json
from collections.abc import Mapping
from typing import Any

BUCKETS = ("data", "models", "checkpoints")
"""Buckets of the environment that a request may name: `s3://${data-bucket}/reviews/`."""
LONGEST_REQUEST = 3000
"""Characters as JSON: the request shares an SSM parameter of 4096 with where it goes and when."""
_REFERENCE = "{{"


def placeholder(bucket: str) -> str:
    """What stands for one of BUCKETS."""
    return f"${{{bucket}-bucket}}"


def fill(request: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The request with the names of buckets, by BUCKETS, in the place of what stands for them."""
    text = json.dumps(request)
    for bucket in BUCKETS:
        text = text.replace(placeholder(bucket), names[bucket])
    filled: dict[str, Any] = json.loads(text)
    return filled


def problems(request: Mapping[str, Any]) -> list[str]:
    """What keeps a request, sound or not, from being a trigger's."""
    text, found = json.dumps(request), []
    if len(text) > LONGEST_REQUEST:
        found.append(
            f"The request has {len(text)} characters as JSON, and a trigger carries {LONGEST_REQUEST}. Put what is "
            "long into a file in a channel."
        )
    if _REFERENCE in text:
        found.append(f"The request holds {_REFERENCE}, which CloudFormation would take for a reference.")
    return found
