"""Which run the checkpoints in a folder belong to: two runs in one place would take and overwrite each other's.

A run and all its attempts, on spot and on demand, are one lineage; the state machine names it. A run goes on from
another's checkpoints only where its request names their place.
"""

import json
import os
from pathlib import Path

_FILE = "lineage.json"
_LINEAGE = "HF_SAGEMAKER_LINEAGE"
_PLACE = "HF_SAGEMAKER_CHECKPOINTS"  # `named` in the request, or the run's `own`


def claim(folder: Path) -> None:
    """Takes the folder for this run. No effect outside the state machine, which is where lineages have names.

    SystemExit: it belongs to another run, and nobody said that this one may go on from there.
    """
    mine = os.environ.get(_LINEAGE)
    if not mine:
        return
    lineages = _lineages(folder / _FILE)
    if lineages and lineages[-1] != mine and os.environ.get(_PLACE) != "named":
        raise SystemExit(
            f"The checkpoints of this job belong to another run, {lineages[-1]}. To go on from them, name their place "
            "as checkpoint_s3_uri in the training request; to begin anew, leave it out and start another execution."
        )
    if lineages[-1:] != [mine] and int(os.environ.get("RANK", "0")) == 0:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{_FILE}.tmp"
        unfinished.write_text(json.dumps({"schema_version": "1", "lineages": [*lineages, mine]}))
        unfinished.replace(folder / _FILE)


def _lineages(path: Path) -> list[str]:
    """Oldest first; empty where nobody has claimed the folder, or where that cannot be read any more."""
    try:
        return [str(name) for name in json.loads(path.read_bytes())["lineages"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
