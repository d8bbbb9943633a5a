"""IAM decided: every attack of attacks.yaml is denied, every duty of duties.yaml is allowed."""

import resource
from collections.abc import Mapping

import pytest

from tests.compliance.iam import table
from tests.compliance.iam.requests import World
from tests.compliance.iam.simulator import Decision, Request, decide

MOST_SECONDS = 15
"""Of one core, for both tables in every environment; machines have been seen to change their speed by half."""


@pytest.fixture(scope="module")
def decided(world: World, requests: Mapping[str, tuple[Request, bool]]) -> tuple[dict[str, Decision], float]:
    """Every decision, and the seconds that they took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    decisions = decide((request for request, _ in requests.values()), world.policies)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return decisions, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_the_tables_hold_enough() -> None:
    assert len(table.attacks()) >= 60
    assert len(table.duties()) >= 40


def test_rows_are_told_apart() -> None:
    ids = [row.id for row in (*table.attacks(), *table.duties())]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("row", [pytest.param(r, id=r.id) for r in table.duties()])
def test_a_duty_can_be_done(row: table.Duty, world: World, decided: tuple[dict[str, Decision], float]) -> None:
    refused = {r.id: decided[0][r.id].by for r in world.duty(row) if decided[0][r.id].allowed is not True}
    assert refused == {}


@pytest.mark.parametrize("row", [pytest.param(r, id=r.id) for r in table.attacks()])
def test_an_attack_is_denied_and_its_twin_is_not(
    row: table.Attack, world: World, decided: tuple[dict[str, Decision], float]
) -> None:
    # Given the decisions; then no request of the attack is allowed
    admitted = {r.id: decided[0][r.id].by for r in world.attack(row) if decided[0][r.id].allowed is not False}
    assert admitted == {}
    # and its twin is, so that it is a policy that refuses it and not a wrong word
    if isinstance(row.twin, str):
        duty = next(duty for duty in table.duties() if duty.id == row.twin)
        assert set(row.action) <= set(duty.action)
    else:
        refused = {r.id: decided[0][r.id].by for r in world.twin(row) if decided[0][r.id].allowed is not True}
        assert refused == {}


def test_every_request_is_one_that_aws_knows(decided: tuple[dict[str, Decision], float]) -> None:
    # An action or a resource type that does not exist is refused by no policy, and proves nothing.
    assert {name: decision.by for name, decision in decided[0].items() if decision.allowed is None} == {}


def test_no_context_key_was_dropped(decided: tuple[dict[str, Decision], float]) -> None:
    # A key that the simulator does not know is left out: the row would prove something else than it says.
    assert {name: decision.ignored for name, decision in decided[0].items() if decision.ignored} == {}


def test_deciding_is_quick(decided: tuple[dict[str, Decision], float]) -> None:
    assert decided[1] < MOST_SECONDS
