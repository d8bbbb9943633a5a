"""No safeguard is idle: without any one of them some row of the tables fails."""

import re
from collections.abc import Mapping, Sequence

from tests.compliance.iam.mutations import Mutant, mutants
from tests.compliance.iam.requests import World
from tests.compliance.iam.simulator import Request, decide

IDLE = {
    r".*#PushImages without StringEquals aws:ResourceAccount": "Its resources are repositories of this account, by "
    "ARN. The condition says it again, because control 87 asks every statement for it.",
    r".*#UnencryptedOutput without Null sagemaker:OutputKmsKey": "Documents give the key this name or the other, and "
    "the simulator knows the other one only. Without this condition, a service that uses this name would refuse all.",
}
"""Safeguards whose absence no request can show, with the reason."""


def test_a_policy_without_any_one_safeguard_fails_a_row(
    world: World, requests: Mapping[str, tuple[Request, bool]]
) -> None:
    # Given every policy of ours with one denial or one key of a condition taken out, for each of them
    weakened = list(mutants(world.ours))
    # When the rows that it concerns are decided again
    survivors = _survivors(weakened, world, requests)
    # Then at least one has another end, but where no request could show it
    assert weakened
    explained = {name: [pattern for pattern in IDLE if re.fullmatch(pattern, name)] for name in survivors}
    unexplained = [name for name, patterns in explained.items() if not patterns]
    assert not unexplained, "\n".join(unexplained)
    # and no such explanation has outlived its safeguard
    assert {pattern for patterns in explained.values() for pattern in patterns} == set(IDLE)


def test_an_idle_safeguard_is_found(world: World, requests: Mapping[str, tuple[Request, bool]]) -> None:
    # Given a policy from which nothing is taken
    policy = "dev-Data/RolesTrainingPolicy"
    (name,) = (name for name in world.ours if name.startswith(policy) and not name.endswith("trust"))
    same = Mutant("without nothing", name, world.ours[name], ("s3:getobject",))
    # Then no row notices
    assert _survivors([same], world, requests) == ["without nothing"]


def _survivors(weakened: Sequence[Mutant], world: World, requests: Mapping[str, tuple[Request, bool]]) -> list[str]:
    tried = {m.name: [m.of(r, expected) for r, expected in requests.values() if m.concerns(r)] for m in weakened}
    decisions = decide(
        (request for group in tried.values() for request in group),
        {**world.policies, **{mutant.name: mutant.document for mutant in weakened}},
    )
    undecided = [name for name, decision in decisions.items() if decision.allowed is None]
    assert not undecided, "\n".join(undecided)
    return [
        name
        for name, group in tried.items()
        if all(request.id in decisions and decisions[request.id].allowed == request.expected for request in group)
    ]
