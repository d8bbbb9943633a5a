"""What a model's time goes with, measured when it is loaded: decides its threads, and which batches are cheapest."""

import time
from collections.abc import Callable
from typing import Any

import torch
from batching import Unit

_ROUNDS = 5
_LARGE_SECONDS = 0.25  # of one short text: measuring such a model would take longer than it could save
_LEAST = 32.0  # tokens
_WORTHWHILE = 0.8  # of the time with half as many threads, for more to be worth their waking

Forward = Callable[[list[Unit]], Any]


def is_large(forward: Forward, one: list[Unit]) -> bool:
    return _seconds(forward, one, rounds=1) > _LARGE_SECONDS


def choose_threads(forward: Forward, units: list[Unit]) -> None:
    """Sets torch's threads: twice as many, as long as they are clearly faster.

    For a small model it costs more to wake them than they do, and who does not wake them has cores left for others.
    """
    most, threads = torch.get_num_threads(), 1
    torch.set_num_threads(threads)
    seconds = _seconds(forward, units)
    while threads * 2 <= most:
        torch.set_num_threads(threads * 2)
        with_more = _seconds(forward, units)
        if with_more > _WORTHWHILE * seconds:
            break
        threads, seconds = threads * 2, with_more
    torch.set_num_threads(threads)


def fixed_tokens(forward: Forward, unit: Unit, *, units: int, most: float) -> float:
    """What asking costs however little is asked, in tokens: as BatchLimits wants it.

    units: how many of the one are asked together, to see what a token costs. most: where tokens cost nothing.
    Not below a sentence: other work on the machine can make a token look expensive, and never makes one look cheap.
    """
    of_one = _seconds(forward, [unit])
    per_token = (_seconds(forward, [unit] * units) - of_one) / ((units - 1) * unit.length)
    return most if per_token <= 0 else min(most, max(_LEAST, of_one / per_token - unit.length))


def _seconds(forward: Forward, units: list[Unit], rounds: int = _ROUNDS) -> float:
    """The best of some rounds: whatever else runs on the machine only adds to it."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        forward(units)
        times.append(time.perf_counter() - began)
    return min(times)
