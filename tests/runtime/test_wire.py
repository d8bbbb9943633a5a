"""Frames between the serving front end and its workers."""

import random
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def wire(module) -> ModuleType:
    return module("inference/wire.py")


FRAMES = [
    ({"id": 1, "deadline": 12.5, "accept": None, "content_type": "application/json"}, b'{"inputs": "\xc3\xa9"}'),
    ({"ready": "a model", "device": "cpu", "threads": 2}, b""),
    ({}, b"\x00" * 70_000),
]


@pytest.mark.parametrize("seed", range(5))
def test_frames_come_out_as_they_went_in_whatever_the_pieces(wire: ModuleType, seed: int) -> None:
    chance = random.Random(seed)
    stream = b"".join(wire.write_frame(*frame) for frame in FRAMES)
    cuts = sorted(chance.sample(range(len(stream)), 20))
    frames, found = wire.Frames(), []

    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += frames.feed(stream[start:end])

    assert found == FRAMES


def test_what_is_not_whole_waits(wire: ModuleType) -> None:
    frame = wire.write_frame({"id": 7}, b"body")
    frames = wire.Frames()

    assert frames.feed(frame[:-1]) == []
    assert frames.feed(frame[-1:] + frame) == [({"id": 7}, b"body")] * 2
