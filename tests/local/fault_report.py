"""`build/faults/training.json` and `inference.json`: each fault, what was expected and what was seen."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build/faults"
FILE = FOLDER / "training.json"
INFERENCE = FOLDER / "inference.json"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One fault's line. steps_lost: None where the program counts none. seconds: from the start to the last end."""

    fault: str
    expected: str
    seen: str
    steps_lost: int | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class SeenUnderLoad:
    """One fault of an endpoint that was asked all the time. seconds: from the fault until it was over."""

    name: str
    expected: str
    seen: str
    requests_sent: int
    requests_failed: int
    seconds: float


def write(rows: Sequence[Seen | SeenUnderLoad], file: Path = FILE) -> None:
    """Replaces what an earlier run has left."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"schema_version": "1", "faults": [asdict(row) for row in rows]}
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def faults(file: Path = FILE, *, by: str = "fault") -> dict[str, dict[str, object]]:
    """What the file says, by that member."""
    return {row[by]: row for row in json.loads(file.read_text())["faults"]}
