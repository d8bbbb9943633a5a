"""Decides requests by evaluating policies, in one Node process for all of them."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("simulate.mjs")
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Request:
    """One request as IAM sees it.

    id: names it in the decisions. principal: ARN of a session, or the name of a service.
    account: that owns the resource. context: what the service and the caller say of the request.
    identity, boundary, scp, endpoint: ids of the policies of each kind; resource_policy: of the resource's own.
    group, expected: of several requests of a group, those after the first that is not decided as expected are left
        undecided. Omitted: it is decided in any case.
    """

    id: str
    principal: str
    action: str
    resource: str
    account: str
    context: Mapping[str, str | Sequence[str]]
    identity: Sequence[str] = ()
    boundary: Sequence[str] = ()
    scp: Sequence[str] = ()
    endpoint: Sequence[str] = ()
    resource_policy: str | None = None
    group: str | None = None
    expected: bool | None = None

    @property
    def policies(self) -> set[str]:
        """Ids of all policies that it is decided by."""
        return {*self.identity, *self.boundary, *self.scp, *self.endpoint, *filter(None, [self.resource_policy])}


@dataclass(frozen=True)
class Decision:
    """allowed: or not; None when it could not be decided. ignored: context keys that were dropped.

    by: `<policy id>#<statement>` that decided, or what kept it from being decided.
    """

    allowed: bool | None
    ignored: Sequence[str]
    by: Sequence[str]


def decide(requests: Iterable[Request], policies: Mapping[str, Mapping[str, Any]]) -> dict[str, Decision]:
    """Decisions by request id. Raises CalledProcessError, with its output, when the simulator itself fails."""
    batch = list(requests)
    used = set().union(*(request.policies for request in batch)) if batch else set()
    done = subprocess.run(
        ["node", str(PROGRAM)],
        input=json.dumps({"policies": {p: policies[p] for p in used}, "requests": [asdict(r) for r in batch]}),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {name: _decision(answer) for name, answer in json.loads(done.stdout).items()}


def _decision(answer: Mapping[str, Any]) -> Decision:
    if "error" in answer:
        return Decision(None, [], [answer["error"]])
    return Decision(answer["decision"] == "Allowed", answer["ignored"], answer["by"])
