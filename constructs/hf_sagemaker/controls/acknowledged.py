"""Acknowledgements: which were used, which are stale, and which say too little."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hf_sagemaker.controls.assembly import Acknowledgement
from hf_sagemaker.controls.validation_report import Suppression

THE_APP = "the app"
"""Where an acknowledgement is that is at no path."""
_SHORTEST_REASON = 30
_BELOW_A_STACK = 2
_BY_THE_CDK = "AWS::EC2::FlowLog DestinationOptions accepts properties in camelCase"
"""Begins the reason with which the CDK acknowledges two rules on every flow log, whether the engine finds it or not."""


@dataclass(frozen=True)
class Excuse:
    """One reason at one construct, for all the rules that it excuses there; this is what counts as one.

    path: of the construct that acknowledged. rules: namespaced ids. resources: paths of what breaks them.
    """

    path: str
    reason: str
    rules: tuple[str, ...]
    resources: tuple[str, ...]


def excuses(suppressions: Iterable[Suppression]) -> list[Excuse]:
    """The acknowledgements that were used, in the order of their constructs."""
    grouped: dict[tuple[str, str], list[Suppression]] = {}
    for suppression in suppressions:
        if not suppression.reason.startswith(_BY_THE_CDK):
            grouped.setdefault((suppression.acknowledged_at, suppression.reason), []).append(suppression)
    return [
        Excuse(
            path,
            reason,
            rules=tuple(sorted({suppression.acknowledged_id for suppression in used})),
            resources=tuple(sorted({suppression.finding.path for suppression in used})),
        )
        for (path, reason), used in sorted(grouped.items())
    ]


def problems(
    made: Sequence[Acknowledgement], suppressions: Sequence[Suppression], *, silent: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """What is wrong with acknowledgements: (path or `the app`, sentence) for each.

    made: by all constructs. suppressions: those that the plugins used.
    silent: beginnings of rules of which nothing is known in this synth, for example a plugin's that did not judge.
    """
    used = {(suppression.acknowledged_at, suppression.acknowledged_id) for suppression in suppressions}
    stale = [
        (ack.path, f"acknowledges {ack.rule}, which nothing there breaks: take it away, or mend its id")
        for ack in made
        if (ack.path, ack.rule) not in used
        and not ack.reason.startswith(_BY_THE_CDK)
        and not ack.rule.startswith(tuple(silent))
    ]
    unsaid = [
        (excuse.path, f"acknowledges {', '.join(excuse.rules)} without saying why: {excuse.reason!r}")
        for excuse in excuses(suppressions)
        if len(excuse.reason) < _SHORTEST_REASON
    ]
    wide = [
        (excuse.path, f"acknowledges {', '.join(excuse.rules)} for a whole stack: do so at the resource")
        for excuse in excuses(suppressions)
        if excuse.path.count("/") < _BELOW_A_STACK
    ]
    return [(path or THE_APP, sentence) for path, sentence in (*stale, *unsaid, *wide)]
