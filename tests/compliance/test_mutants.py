"""Each control notices when one resource breaks it: a check that cannot fail proves nothing."""

from copy import deepcopy
from importlib import import_module
from pathlib import Path

import pytest

from hf_sagemaker.controls.assembly import Acknowledgement
from hf_sagemaker.controls.catalog import CONTROLS
from hf_sagemaker.controls.control import Control
from hf_sagemaker.controls.templates import Templates
from hf_sagemaker.controls.verdict import Verdict, verdict
from tests.compliance.mutant import Mutant

BY_NUMBER = {control.number: control for control in CONTROLS}
MUTANTS: dict[int, Mutant] = {
    number: mutant
    for file in sorted(Path(__file__).parent.glob("mutants_*.py"))
    for number, mutant in import_module(f"tests.compliance.{file.stem}").MUTANTS.items()
}


def test_every_control_has_a_mutant() -> None:
    assert sorted(MUTANTS) == sorted(BY_NUMBER)


@pytest.mark.parametrize("number", sorted(MUTANTS))
def test_a_broken_template_is_noticed(
    number: int, full_environments: dict[str, Templates], acknowledged: list[Acknowledgement]
) -> None:
    # Given a prod environment that this control accepts, but for what is acknowledged
    control, prod = BY_NUMBER[number], full_environments["prod"]
    before = verdict(control, prod)
    assert _findings(before, acknowledged) == set()
    # When one resource is broken
    stacks = deepcopy({name: dict(template) for name, template in prod.stacks.items()})
    MUTANTS[number](stacks)
    broken = Templates(
        prod.name, account=prod.account, region=prod.region, stacks=stacks, protected=sorted(prod.protected)
    )
    # Then the control says so, and not because its check could not read the template
    new = _findings(verdict(control, broken), acknowledged) - _findings(before, acknowledged)
    assert new
    assert not [problem for problem in new if "its check failed" in problem]


def _findings(found: Verdict, acknowledged: list[Acknowledgement]) -> set[str]:
    return {
        f"{breach.resource.path}: {breach.problem}"
        for breach in found.breaches
        if not _is_acknowledged(found.control, breach.resource.path, acknowledged)
    } | set(found.missing)


def _is_acknowledged(control: Control, path: str, acknowledged: list[Acknowledgement]) -> bool:
    return any(
        made.rule == f"HfSageMaker::{control.rule}" and f"{path}/".startswith(f"{made.path}/") for made in acknowledged
    )
