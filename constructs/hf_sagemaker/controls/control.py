"""What a control is: a requirement, and the check that finds in the templates what proves it or breaks it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hf_sagemaker.controls.templates import Resource, Templates


@dataclass(frozen=True)
class Proof:
    """This resource does what the control asks for. remark: what a reviewer should know about it; empty: nothing."""

    resource: Resource
    remark: str = ""


@dataclass(frozen=True)
class Breach:
    """This resource breaks the control. problem: what is wrong and what it must be, one sentence for people."""

    resource: Resource
    problem: str


@dataclass(frozen=True)
class Missing:
    """A resource that has to be there is not. problem: what must be there, one sentence for people."""

    problem: str


Check = Callable[[Templates], Iterator[Proof | Breach | Missing]]
"""Judges one environment. A check that yields nothing has found nothing to judge."""


@dataclass(frozen=True)
class Control:
    """One of the 88 security controls.

    number: its number, 1 to 88, which never changes. title: the requirement, a few words.
    anchors: what it comes from, for example `Security Hub KMS.4`.
    check: judges the templates.
    comes_with: the work that brings the resource it judges, as CHANGELOG and README name it. None: the resource is
        there, and a check that finds nothing to judge has failed.
    """

    number: int
    title: str
    anchors: str
    check: Check
    comes_with: str | None = None

    @property
    def rule(self) -> str:
        """Name of the rule in reports, for example `Control-10`; acknowledged as `HfSageMaker::Control-10`."""
        return f"Control-{self.number}"


def judge(resource: Resource, holds: bool, problem: str) -> Proof | Breach:
    """A proof when it holds, else a breach with that problem."""
    return Proof(resource) if holds else Breach(resource, problem)
