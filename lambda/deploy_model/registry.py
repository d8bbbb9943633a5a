"""Which version of each followed job type is to be served: asked of the registry, written into a parameter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NONE = "none"
"""What a parameter says before the first approval."""


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A job type whose approved model is served.

    group: its model package group. parameter: name of the SSM parameter with the version's number.
    stacks: path of the SSM parameters that name the stacks which follow it.
    """

    job_type: str
    group: str
    parameter: str
    stacks: str

    def read_by(self, stack: Mapping[str, Any]) -> str | None:
        """What the parameter stood for in the stack's last update that succeeded, whatever it says now."""
        read = {each["ParameterValue"]: each.get("ResolvedValue") for each in stack.get("Parameters", [])}
        return read.get(self.parameter)


def wanted_versions(
    sagemaker: Any, ssm: Any, followed: Sequence[Followed], serving: Callable[[Followed], Sequence[str]]
) -> tuple[dict[str, str | None], list[str]]:
    """By job type: the version that is to be served, which its parameter says from now on; and what to tell people.

    It is the approved version with the highest number. So it does not matter how often, how late and in which order
    events come; and a rejection brings back the approved version before. None: none is approved, and every stack keeps
    what it serves. serving: what the stacks that follow a job type have read; asked only where none is approved.
    """
    wanted: dict[str, str | None] = {}
    notes = []
    for each in followed:
        said = ssm.get_parameter(Name=each.parameter)["Parameter"]["Value"]
        wanted[each.job_type] = approved = newest_approved(sagemaker, each.group)
        # The parameter goes on saying what is served, so that a deployment by hand takes no endpoint away.
        right = approved or max((version for version in serving(each) if version != NONE), key=int, default=NONE)
        if approved is None and right != NONE:
            notes.append(
                f"No version of {each.job_type} is approved any more, and version {right} is served on: a decision "
                "about a model takes no endpoint away. Approve one (`hfsm approve`), or write `model: null` into the "
                "settings of the endpoint and deploy."
            )
        if right != said:
            ssm.put_parameter(Name=each.parameter, Value=right, Overwrite=True)
    return wanted, notes


def newest_approved(sagemaker: Any, group: str) -> str | None:
    """The highest number of an approved version. None: there is none."""
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, ModelPackageType="Versioned", ModelApprovalStatus="Approved"
    )
    numbers = [int(each["ModelPackageVersion"]) for page in pages for each in page["ModelPackageSummaryList"]]
    return str(max(numbers)) if numbers else None
