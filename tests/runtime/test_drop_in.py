"""Our server beside the stock toolkit and server, both run for real: same models, same requests, same answers."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.runtime.answers import difference
from tests.runtime.drop_in_requests import MODELS, Request, refused_requests_of, requests_of, task_of
from tests.runtime.served_model import Answer, Served, StockServer, mounted_for_stock, our_server, stock_server

_SEEDS = (1, 2)  # of the random orders


@dataclass(frozen=True)
class Comparison:
    """What both servers answered to one model's requests. together: ours, asked at once, once per order."""

    model: str
    requests: list[Request]
    stock: list[Answer]
    alone: list[Answer]
    together: list[list[Answer]]
    largest_batch: int
    refused: tuple[Request, ...]
    stock_refused: list[Answer]
    our_refused: list[Answer]


@pytest.fixture(scope="module")
def models(inference_python, run_python, tmp_path_factory) -> Path:
    """A folder with a model per name of MODELS, and one of images and sounds."""
    folder = tmp_path_factory.mktemp("drop-in")
    done = run_python(
        inference_python, str(Path(__file__).parent / "drop_in_models.py"), str(folder / "models"), timeout=250
    )
    assert done.returncode == 0, done.stdout
    return folder / "models"


@pytest.fixture(scope="module")
def stock(inference_python, tmp_path_factory) -> Iterator[StockServer]:
    with stock_server(inference_python, tmp_path_factory.mktemp("stock") / "server") as server:
        yield server


@pytest.fixture(scope="module", params=MODELS)
def comparison(request, models: Path, stock: StockServer, inference_python, runtime, tmp_path_factory) -> Comparison:
    """Each server has a core of its own to start on."""
    name: str = request.param
    requests, refused = requests_of(name, models / "media"), refused_requests_of(name)
    folder = tmp_path_factory.mktemp(name)

    def ask_stock() -> tuple[list[Answer], list[Answer]]:
        served = stock.add(name, mounted_for_stock(models / name, task_of(name), folder / "stock"))
        answers = [served.ask(one) for one in requests], [served.ask(one) for one in refused]
        stock.remove(name)
        return answers

    def ask_ours() -> tuple[list[Answer], list[list[Answer]], int, list[Answer]]:
        serve, variables = runtime / "inference/serve.py", {"HF_TASK": task_of(name)}
        with our_server(inference_python, serve, models / name, folder / "ours", variables) as served:
            alone = [served.ask(one) for one in requests]
            # Twice each, so that some are of one length: that is all that may share a batch where nothing may be padded
            together = [served.ask_together(requests * 2, seed) for seed in _SEEDS]
            refused_ones = [served.ask(one) for one in refused]
            return alone, together, _largest_batch(served), refused_ones

    with ThreadPoolExecutor(2) as pool:
        theirs, ours = pool.submit(ask_stock), pool.submit(ask_ours)
        alone, together, largest_batch, our_refused = ours.result()
        expected, stock_refused = theirs.result()
    return Comparison(
        model=name,
        requests=requests,
        stock=expected,
        alone=alone,
        together=together,
        largest_batch=largest_batch,
        refused=refused,
        stock_refused=stock_refused,
        our_refused=our_refused,
    )


def _largest_batch(served: Served) -> int:
    """As the request log says it."""
    lines = [line for line in served.output.read_text().splitlines() if line.startswith("{")]
    return max((json.loads(line).get("batch") or 0 for line in lines), default=0)


def test_the_stock_server_answers_and_answers_differ(comparison: Comparison) -> None:
    # Otherwise the other tests would compare failures, or one and the same answer
    failed = [
        str(one) for one, answer in zip(comparison.requests, comparison.stock, strict=True) if answer.status != 200
    ]

    assert failed == []
    assert len({answer.body for answer in comparison.stock}) > len(comparison.stock) / 2


def test_answers_are_those_of_the_stock_server(comparison: Comparison) -> None:
    assert _differences(comparison, comparison.alone) == []


@pytest.mark.parametrize("order", range(len(_SEEDS)))
def test_answers_are_the_same_when_all_ask_at_once_in_random_order(comparison: Comparison, order: int) -> None:
    answers, count = comparison.together[order], len(comparison.requests)

    assert _differences(comparison, answers[:count]) == []
    assert _differences(comparison, answers[count:]) == []


def test_requests_of_several_clients_share_a_batch(comparison: Comparison) -> None:
    # Otherwise nothing was proven about batches
    assert comparison.largest_batch > 1


def test_what_the_stock_server_refuses_is_the_clients_fault(comparison: Comparison) -> None:
    asked = zip(comparison.refused, comparison.stock_refused, comparison.our_refused, strict=True)

    problems = [f"{one}: {theirs.status}, {ours.status}" for one, theirs, ours in asked if not _refused(theirs, ours)]

    assert problems == []


def _refused(theirs: Answer, ours: Answer) -> bool:
    if theirs.status != 400 or not 400 <= ours.status < 500:
        return False
    return {"code", "type", "field", "message"} <= json.loads(ours.body).keys()


def _differences(comparison: Comparison, answers: list[Answer]) -> list[str]:
    found = []
    for request, expected, answer in zip(comparison.requests, comparison.stock, answers, strict=True):
        if (problem := difference(expected, answer)) is not None:
            found.append(f"{request}: {problem}")
    return found
