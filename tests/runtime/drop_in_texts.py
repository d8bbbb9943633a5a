"""Texts of mixed lengths for the differential test, from sentences that are shipped beside it."""

import random
from pathlib import Path

SENTENCES = tuple((Path(__file__).parent / "drop_in_sentences.txt").read_text(encoding="utf-8").splitlines())


def mixed_lengths(seed: int, count: int, longest: int = 110) -> list[str]:
    """Texts of one to `longest` words; short and long ones take turns, so that whoever pads has to pad a lot."""
    chance = random.Random(seed)
    return [_of_length(chance, 1 + (longest - 1) * (number % 5) // 4) for number in range(count)]


def _of_length(chance: random.Random, words: int) -> str:
    text: list[str] = []
    while len(text) < words:
        text += chance.choice(SENTENCES).split()
    return " ".join(text[:words])
