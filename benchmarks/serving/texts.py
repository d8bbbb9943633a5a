"""The texts that the benchmark sends: sentences of mixed lengths, in ASCII, and always the same ones."""

import json
import random
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Reviews, where the checkout has them beside it; else what the demo trains on, which is shipped.
_REVIEWS = ROOT.parent / "shared/data/movie_reviews"
_SHIPPED = ROOT / "tools/hfsm/demo/data"
_SENT = 500


def default_folder() -> Path:
    """Where train.jsonl and test.jsonl are, whose lines are {"text": …}."""
    return _REVIEWS if (_REVIEWS / "test.jsonl").is_file() else _SHIPPED


def read(path: Path) -> list[str]:
    """The texts of a JSON Lines file."""
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines() if line]


def to_send(folder: Path) -> list[str]:
    """At most 500, in a random order that never changes. wrk's script holds them as they are: hence ASCII only."""
    texts = read(folder / "test.jsonl")
    random.Random(0).shuffle(texts)
    return [text.encode("ascii", "ignore").decode() for text in texts[:_SENT]]
