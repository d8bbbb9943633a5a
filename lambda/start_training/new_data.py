"""Whether new data lies below a prefix: S3's listing on one side, names of earlier executions on the other. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from start_training import names

LOOK_BACK = timedelta(days=14)
"""Data that has lain there for longer starts nothing. Far less than the 90 days for which a name stays used: after
those, the same data would look new again."""


@dataclass(frozen=True)
class Listing:
    """What lies below a prefix. newest: when the newest object was written. fingerprint: of all of it."""

    newest: datetime
    count: int
    fingerprint: str

    @property
    def cause(self) -> str:
        """As part of an execution's name; `read_cause` reads it."""
        return f"{names.to_second(self.newest)}_{self.count}_{self.fingerprint}"


def read_cause(cause: str) -> Listing:
    """What an earlier execution has seen. ValueError: it is no cause of this kind."""
    newest, count, fingerprint = cause.split("_")
    return Listing(names.from_second(newest), int(count), fingerprint)


def listing(objects: Iterable[Mapping[str, Any]]) -> Listing | None:
    """objects: `Contents` of ListObjectsV2, in its order. None: there is none.

    Empty objects whose keys end in a slash are the console's folders, and no data.
    """
    seen = hashlib.sha256()
    newest: datetime | None = None
    count = 0
    for each in objects:
        if each["Key"].endswith("/") and not each["Size"]:
            continue
        written = each["LastModified"]
        seen.update(f"{each['Key']}\0{each['ETag']}\0{names.to_second(written)}\0".encode())
        newest = max(newest, written) if newest else written
        count += 1
    return Listing(newest.replace(microsecond=0), count, seen.hexdigest()[:8]) if newest else None


def why_not(found: Listing | None, seen: Listing | None, *, now: datetime, quiet: timedelta) -> str | None:
    """In a sentence, why no run is started. None: one is.

    found: what lies there. seen: what the trigger's newest run has seen. None: it has started none since the newest
    object came. quiet: how long nothing must have come.
    """
    if found is None:
        return "Nothing lies there."
    if now - found.newest > LOOK_BACK:
        return f"Nothing came within {LOOK_BACK.days} days."
    if now - found.newest < quiet:
        return f"The newest object came {(now - found.newest).total_seconds():.0f} s ago: more may come."
    if seen is None:
        return None
    if (found.newest, found.count) < (seen.newest, seen.count):
        return "Objects were deleted since the last run, and none came."
    if found == seen:
        return "The last run has seen it."
    return None
