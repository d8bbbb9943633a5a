"""What the controls found in one environment."""

from collections.abc import Iterable
from dataclasses import dataclass

from hf_sagemaker.controls.control import Breach, Control, Missing, Proof
from hf_sagemaker.controls.templates import Templates


@dataclass(frozen=True)
class Verdict:
    """What one control found.

    proofs: resources that do what it asks for. breaches: resources that do not, which their owner may acknowledge.
    missing: what has to be there and is not, or why nothing could be judged; nobody can acknowledge that.
    """

    control: Control
    proofs: tuple[Proof, ...] = ()
    breaches: tuple[Breach, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing was there to judge, which is right where the resource comes with later work."""
        return not (self.proofs or self.breaches or self.missing)


def verdict(control: Control, templates: Templates) -> Verdict:
    """Judges one control. A check that fails itself, or finds nothing although it should, has found a fault."""
    findings: list[Proof | Breach | Missing] = []
    try:
        findings.extend(control.check(templates))
    except Exception as error:
        findings.append(Missing(f"its check failed: {type(error).__name__}: {error}"))
    if not findings and control.comes_with is None:
        findings.append(Missing("nothing was found that it could judge"))
    return Verdict(
        control,
        proofs=tuple(finding for finding in findings if isinstance(finding, Proof)),
        breaches=tuple(finding for finding in findings if isinstance(finding, Breach)),
        missing=tuple(finding.problem for finding in findings if isinstance(finding, Missing)),
    )


def verdicts(controls: Iterable[Control], templates: Templates) -> list[Verdict]:
    """Judges one environment by every control."""
    return [verdict(control, templates) for control in controls]
