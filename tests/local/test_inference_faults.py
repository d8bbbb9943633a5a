"""The fault table of inference: each fault under a load of 20 requests per second, and reported.

`build/faults/inference.json` has what was seen, as it was in this run.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.local import fault_report
from tests.local.embedded_aws import Stacks
from tests.local.fault_report import SeenUnderLoad
from tests.local.inference_faults import ROWS, Faults, Outcome, Row

RATE = 20


def _line(row: Row, seen: Outcome) -> SeenUnderLoad:
    return SeenUnderLoad(
        name=row.fault,
        expected=row.expected,
        seen=seen.seen,
        requests_sent=len(seen.load.answers),
        requests_failed=len(seen.load.failed),
        seconds=seen.seconds,
    )


@pytest.fixture(scope="module")
def faults(localcloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    """All of them, brought about and over, and the report written."""
    stacks = Stacks(localcloud)
    try:
        made = Faults(localcloud, stacks, tmp_path_factory.mktemp("image"))
        made.inject()
        fault_report.write([_line(row, made.outcomes[row.fault]) for row in ROWS], fault_report.INFERENCE)
        yield made
    finally:
        stacks.delete_all()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_each_fault_ends_as_specified(faults: Faults, row: Row) -> None:
    # Given a fault that was brought about
    seen = faults.outcomes[row.fault]
    # Then the stack ended so, and what failed says why
    assert seen.stack == row.status, seen.reasons
    assert row.words in " ".join(seen.reasons.values())
    # And this model answers
    assert seen.says == {row.says}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_callers_see_no_more_of_it_than_specified(faults: Faults, row: Row) -> None:
    load = faults.outcomes[row.fault].load
    # Given a load that was steady
    assert len(load.answers) >= 0.9 * RATE * load.answers[-1].sent
    assert load.answers[-1].sent >= row.load_seconds - 1
    # Then so many requests failed at most
    if row.most_failed is None:
        assert load.failed
    else:
        assert len(load.failed) <= row.most_failed, load.said()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_the_report_has_each_fault(faults: Faults, row: Row) -> None:
    line = fault_report.faults(fault_report.INFERENCE, by="name")[row.fault]
    load = faults.outcomes[row.fault].load
    assert line["expected"] == row.expected
    assert line["seen"]
    assert (line["requests_sent"], line["requests_failed"]) == (len(load.answers), len(load.failed))
    assert float(str(line["seconds"])) > 0
