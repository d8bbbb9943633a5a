"""In which regions AWS has the services that an environment needs.

The table is botocore's endpoint data, kept as data so that nothing imports botocore at synth; a test compares the two.
That a service is there does not prove that it has an interface endpoint there: no offline source tells. Imports no CDK.
"""

import json
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any


class UnknownRegionError(ValueError):
    """No region of AWS has this name."""


@cache
def _table() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return content


def missing_services(region: str) -> list[str]:
    """The services that the region lacks, by the names that people call them.

    Raises UnknownRegionError naming the nearest region that exists.
    """
    known = _table()["regions"]
    if region not in known:
        nearest = get_close_matches(region, known, n=1, cutoff=0.5)
        raise UnknownRegionError(f"must be a region of AWS, for example {nearest[0] if nearest else 'us-east-1'}")
    return [name for name, regions in _table()["services"].items() if region not in regions]
