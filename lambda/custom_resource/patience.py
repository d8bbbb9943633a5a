"""Waits for a role's policy that was created a moment ago and does not count everywhere yet."""

import time
from collections.abc import Callable, Collection
from typing import TypeVar

from botocore.exceptions import ClientError

ATTEMPTS = 6
PAUSE = 5.0
"""Seconds between attempts."""
_Answer = TypeVar("_Answer")


def patiently(
    call: Callable[[], _Answer], refusals: Collection[str], *, wait: Callable[[float], None] = time.sleep
) -> _Answer:
    """What the call answers. refusals: error codes of being refused. wait: sleeps for so many seconds.

    Raises what the call raises; being refused only after some attempts.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return call()
        except ClientError as error:
            if error.response["Error"]["Code"] not in refusals:
                raise
            wait(PAUSE)
    return call()
