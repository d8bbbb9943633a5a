"""`build/faults/training.json`: each fault, what was expected and what was seen."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = Path(__file__).parents[2] / "build/faults/training.json"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One fault's line. steps_lost: None where the program counts none. seconds: from the start to the last end."""

    fault: str
    expected: str
    seen: str
    steps_lost: int | None
    seconds: float


def write(rows: list[Seen]) -> None:
    """Replaces what an earlier run has left."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    content = {"schema_version": "1", "faults": [asdict(row) for row in rows]}
    FILE.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def faults() -> dict[str, dict[str, object]]:
    """What the file says, by fault."""
    return {row["fault"]: row for row in json.loads(FILE.read_text())["faults"]}
