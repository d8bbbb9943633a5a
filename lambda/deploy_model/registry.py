"""Which version of each followed job type is to be served: asked of the registry, written into a parameter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NONE = "none"
"""What a parameter says before the first approval."""


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A job type whose approved model is served.

    group: its model package group. parameter: name of the SSM parameter with the version's number.
    template_parameter: of the stack, which reads it.
    """

    job_type: str
    group: str
    parameter: str
    template_parameter: str

    def read_by(self, stack: Mapping[str, Any]) -> str | None:
        """What the stack's parameter stood for in the last update that succeeded, whatever the SSM one says now."""
        read = {each["ParameterKey"]: each.get("ResolvedValue") for each in stack.get("Parameters", [])}
        return read.get(self.template_parameter)


def wanted_versions(
    sagemaker: Any, ssm: Any, followed: Sequence[Followed], stack: Mapping[str, Any]
) -> tuple[dict[str, str], list[str]]:
    """By job type: the version that is to be served, which its parameter says from now on; and what to tell people.

    It is the approved version with the highest number. So it does not matter how often, how late and in which order
    events come; and a rejection brings back the approved version before. Where none is approved, it is what the stack
    serves. stack: of DescribeStacks.
    """
    wanted, notes = {}, []
    for each in followed:
        said = ssm.get_parameter(Name=each.parameter)["Parameter"]["Value"]
        approved = newest_approved(sagemaker, each.group)
        served = each.read_by(stack) or said
        if approved is None and served != NONE:
            notes.append(
                f"No version of {each.job_type} is approved any more, and version {served} is served on: a decision "
                "about a model takes no endpoint away. Approve one (`hfsm approve`), or write `model: null` into the "
                "settings of the endpoint and deploy."
            )
        wanted[each.job_type] = approved or served
        if wanted[each.job_type] != said:
            ssm.put_parameter(Name=each.parameter, Value=wanted[each.job_type], Overwrite=True)
    return wanted, notes


def newest_approved(sagemaker: Any, group: str) -> str | None:
    """The highest number of an approved version. None: there is none."""
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, ModelPackageType="Versioned", ModelApprovalStatus="Approved"
    )
    numbers = [int(each["ModelPackageVersion"]) for page in pages for each in page["ModelPackageSummaryList"]]
    return str(max(numbers)) if numbers else None
