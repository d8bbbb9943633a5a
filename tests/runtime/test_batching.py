"""Which waiting requests the model is asked at once."""

import itertools
import random
import threading
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def batching(module) -> ModuleType:
    return module("inference/batching.py")


def units(batching: ModuleType, *lengths: int, key: object = "text", deadline: float = 1e9) -> list:
    return [batching.Unit(key, length, deadline, at) for at, length in enumerate(lengths)]


def cost(batches: list[list], fixed: float) -> float:
    return sum(fixed + max(unit.length for unit in batch) * len(batch) for batch in batches)


def all_batches(batching: ModuleType, waiting: list, limits) -> list[list]:
    """What would be asked, one after the other, if nothing more came."""
    batches = []
    while waiting:
        batch = batching.choose(waiting, limits)
        batches.append(batch)
        waiting = [unit for unit in waiting if unit not in batch]
    return batches


def test_who_waits_longest_is_always_asked_next(batching: ModuleType) -> None:
    for seed in range(50):
        lengths = random.Random(seed).choices(range(1, 400), k=40)
        waiting = units(batching, *lengths)
        for fixed in (0.0, 50.0, 4096.0):
            assert waiting[0] in batching.choose(waiting, batching.BatchLimits(fixed_tokens=fixed))


def test_similar_lengths_go_together(batching: ModuleType) -> None:
    # Given short and long texts that came in turn
    waiting = units(batching, 10, 400, 11, 390, 12, 410)

    batch = batching.choose(waiting, batching.BatchLimits(fixed_tokens=20))

    assert [unit.length for unit in batch] == [10, 11, 12]


def test_where_asking_costs_much_padding_does_not_count(batching: ModuleType) -> None:
    waiting = units(batching, 10, 400, 11, 390)

    assert len(batching.choose(waiting, batching.BatchLimits(fixed_tokens=4096))) == 4


def test_no_other_cut_by_length_is_cheaper(batching: ModuleType) -> None:
    # Given few enough units to try every cut of them
    for seed in range(30):
        lengths = sorted(random.Random(seed).choices(range(1, 100), k=6))
        limits = batching.BatchLimits(size=4, fixed_tokens=25)
        waiting = units(batching, *lengths)

        cuts = batching._cheapest_cuts(lengths, limits)

        found = cost([waiting[start:end] for start, end in cuts], 25)
        possible = []
        for chosen in itertools.product((False, True), repeat=5):
            ends = [at + 1 for at, cut in enumerate(chosen) if cut] + [6]
            batches = [waiting[start:end] for start, end in itertools.pairwise([0, *ends])]
            if all(len(batch) <= 4 for batch in batches):
                possible.append(cost(batches, 25))
        assert found == min(possible)


def test_limits_hold(batching: ModuleType) -> None:
    limits = batching.BatchLimits(size=6, tokens=900, fixed_tokens=4096)
    for seed in range(30):
        waiting = units(batching, *random.Random(seed).choices(range(1, 500), k=50))

        batches = all_batches(batching, waiting, limits)

        assert max(len(batch) for batch in batches) <= 6
        assert all(len(batch) == 1 or len(batch) * max(each.length for each in batch) <= 900 for batch in batches)
        assert sum(len(batch) for batch in batches) == 50


def test_other_keys_stay_apart_and_no_key_is_alone(batching: ModuleType) -> None:
    first, second, alone = (units(batching, 5, 5, key=key) for key in ("a", "b", None))
    limits = batching.BatchLimits(fixed_tokens=4096)

    assert batching.choose([*first, *second], limits) == first
    assert batching.choose([*alone, *first], limits) == alone[:1]


def test_who_is_too_late_is_not_asked(batching: ModuleType) -> None:
    queue = batching.BatchQueue(batching.BatchLimits(), now=lambda: 100.0)
    late, soon = units(batching, 5, deadline=99.0)[0], units(batching, 5, deadline=101.0)[0]
    queue.put([late, soon])

    assert queue.take() == ([soon], [late])


def test_a_single_client_never_waits_for_company(batching: ModuleType) -> None:
    # Given a delay, and one unit at a time
    queue = batching.BatchQueue(batching.BatchLimits(delay=30.0))

    for unit in units(batching, 5, 5, 5):
        queue.put([unit])

        assert queue.patience() == 0.0
        assert queue.take() == ([unit], [])


def test_company_is_waited_for_where_there_was_some(batching: ModuleType) -> None:
    now = [0.0]
    queue = batching.BatchQueue(batching.BatchLimits(size=4, delay=0.5), now=lambda: now[0])
    queue.put(units(batching, 5, 5))
    assert queue.patience() == 0.5

    now[0] = 0.2
    queue.put(units(batching, 5))
    assert queue.patience() == pytest.approx(0.3)

    queue.put(units(batching, 5))  # as many as a batch may have
    assert queue.patience() == 0.0


def test_what_waits_is_still_taken_after_the_end(batching: ModuleType) -> None:
    queue = batching.BatchQueue(batching.BatchLimits())
    waiting = units(batching, 5)
    queue.put(waiting)
    queue.close()

    assert queue.wait()
    assert queue.take() == (waiting, [])
    assert not queue.wait()


def test_a_thread_that_waits_is_woken(batching: ModuleType) -> None:
    queue = batching.BatchQueue(batching.BatchLimits())
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(queue.wait()))
    thread.start()

    queue.put(units(batching, 5))
    thread.join(10)

    assert seen == [True]
