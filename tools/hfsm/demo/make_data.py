"""Makes the demo's data set: `python tools/hfsm/demo/make_data.py` writes train.jsonl and test.jsonl into data/.

The same phrases always give the same bytes. Each sentence is somebody's verdict on a service or a product; where it
holds two opinions, the label is that of the one it ends on; where it denies an opinion, the label is the opposite.
"""

import json
import random
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
TRAIN_ROWS = 1200
TEST_ROWS = 300
NEGATIVE, POSITIVE = 0, 1
_POLARITY = ("negative", "positive")
_SEED = 20260101


@dataclass(frozen=True)
class Aspect:
    """Something that people have an opinion on: `the soup`, and what may be said of it, by label."""

    subject: str
    predicates: tuple[tuple[str, ...], tuple[str, ...]]

    def clause(self, label: int, chance: random.Random) -> str:
        return f"{self.subject} {chance.choice(self.predicates[label])}"


@dataclass(frozen=True)
class Topic:
    """Aspects that belong together, and what may stand before and, by label, after a verdict on one of them."""

    aspects: tuple[Aspect, ...]
    openings: tuple[str, ...]
    closings: tuple[tuple[str, ...], tuple[str, ...]]


def read_topics(path: Path = DATA / "phrases.toml") -> tuple[Topic, ...]:
    content: dict[str, Any] = tomllib.loads(path.read_text())

    def fitting(phrases: dict[str, list[str]], kind: str) -> tuple[str, ...]:
        return (*phrases["any"], *phrases[kind])

    return tuple(
        Topic(
            aspects=tuple(
                Aspect(aspect["subject"], (tuple(aspect["negative"]), tuple(aspect["positive"])))
                for aspect in topic["aspects"].values()
            ),
            openings=fitting(content["openings"], topic["kind"]),
            closings=(
                fitting(content["closings"]["negative"], topic["kind"]),
                fitting(content["closings"]["positive"], topic["kind"]),
            ),
        )
        for topic in content["topics"].values()
    )


class Writer:
    """Writes sentences with a given label. The frames' weights say how often each kind occurs."""

    def __init__(self, topics: Sequence[Topic], chance: random.Random) -> None:
        self._topics = topics
        self._chance = chance
        self._frames: list[tuple[int, Callable[[Topic, int], str]]] = [
            (3, self._plain),
            (4, self._opened),
            (4, self._closed),
            (4, self._twice),
            (3, self._but),
            (2, self._although),
            (2, self._denied),
            (2, self._feared),
        ]

    def write(self, label: int) -> str:
        weights, frames = zip(*self._frames, strict=True)
        (frame,) = self._chance.choices(frames, weights)
        return str(frame(self._chance.choice(self._topics), label))

    def _clause(self, topic: Topic, label: int) -> str:
        return self._chance.choice(topic.aspects).clause(label, self._chance)

    def _two_clauses(self, topic: Topic, first: int, second: int) -> tuple[str, str]:
        """On two different aspects."""
        one, other = self._chance.sample(topic.aspects, 2)
        return one.clause(first, self._chance), other.clause(second, self._chance)

    def _plain(self, topic: Topic, label: int) -> str:
        return f"{_capital(self._clause(topic, label))}."

    def _opened(self, topic: Topic, label: int) -> str:
        opening = self._chance.choice(topic.openings)
        comma = "" if opening.endswith(" that") else ","
        return f"{_capital(opening)}{comma} {self._clause(topic, label)}."

    def _closed(self, topic: Topic, label: int) -> str:
        return f"{_capital(self._clause(topic, label))}. {self._chance.choice(topic.closings[label])}"

    def _twice(self, topic: Topic, label: int) -> str:
        first, second = self._two_clauses(topic, label, label)
        return f"{_capital(first)}, and {second}."

    def _but(self, topic: Topic, label: int) -> str:
        other, own = self._two_clauses(topic, 1 - label, label)
        return f"{_capital(other)}, but {own}. {self._chance.choice(topic.closings[label])}"

    def _although(self, topic: Topic, label: int) -> str:
        other, own = self._two_clauses(topic, 1 - label, label)
        return f"{self._chance.choice(('Although', 'Even though', 'While'))} {other}, {own}."

    def _denied(self, topic: Topic, label: int) -> str:
        start = ("Nobody can tell me that", "It is simply not true that", "I really cannot say that")
        return f"{self._chance.choice(start)} {self._clause(topic, 1 - label)}."

    def _feared(self, topic: Topic, label: int) -> str:
        """Expected one thing, got the other."""
        other, own = self._two_clauses(topic, 1 - label, label)
        before = ("I had heard that", "Others wrote that", "My neighbour had told me that")
        return f"{self._chance.choice(before)} {other}, yet the truth is that {own}."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def make(topics: Sequence[Topic]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Training and test rows; half of each is positive, no text occurs twice, neither in one nor in both."""
    chance = random.Random(_SEED)
    writer = Writer(topics, chance)
    seen: set[str] = set()

    def rows(count: int) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        while len(made) < count:
            label = len(made) % 2
            text = writer.write(label)
            if text not in seen:
                seen.add(text)
                made.append({"text": text, "label": label})
        chance.shuffle(made)
        return made

    return rows(TRAIN_ROWS), rows(TEST_ROWS)


def as_json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def main() -> int:
    train, test = make(read_topics())
    for name, rows in (("train.jsonl", train), ("test.jsonl", test)):
        (DATA / name).write_bytes(as_json_lines(rows))
        print(f"{DATA / name}: {len(rows)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
