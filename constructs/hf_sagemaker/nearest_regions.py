"""Which AWS regions are near another: for messages that say where something is that is not here."""

import re
from collections.abc import Iterable

# Regions of one partition reach each other's registries, and nobody else's.
_PARTITION = re.compile(r"^(?:cn|us-gov|us-isob|us-isof|us-iso|eu-isoe|eusc)(?=-)")
# Where to look next when a region's own part of the world has nothing.
_NEIGHBOURS = {
    "af": ["eu", "me"],
    "ap": ["us", "me"],
    "ca": ["us"],
    "eu": ["il", "me", "us"],
    "il": ["eu", "me"],
    "me": ["il", "eu", "ap"],
    "mx": ["us", "ca", "sa"],
    "sa": ["us", "mx"],
    "us": ["ca", "mx", "eu"],
}


def nearest_regions(region: str, offered: Iterable[str], most: int = 3) -> list[str]:
    """Those of the offered regions to which one would turn instead, nearest first.

    The same corner (`eu-west`), the same part of the world (`eu`), the parts beside it, then any. Only regions of the
    same partition. most: how many.
    """
    there = sorted(name for name in offered if _partition(name) == _partition(region))
    parts = [_part(region), *_NEIGHBOURS.get(_part(region), [])]

    def distance(name: str) -> tuple[bool, int, str]:
        place = parts.index(_part(name)) if _part(name) in parts else len(parts)
        return name.rpartition("-")[0] != region.rpartition("-")[0], place, name

    return sorted(there, key=distance)[:most]


def _partition(region: str) -> str:
    found = _PARTITION.match(region)
    return found[0] if found else ""


def _part(region: str) -> str:
    return region.split("-")[0]
