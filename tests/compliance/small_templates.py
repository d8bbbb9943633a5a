"""Templates of a few resources, written by hand, and what a control says of them."""

from typing import Any

from hf_sagemaker.controls.catalog import CONTROLS
from hf_sagemaker.controls.templates import Templates
from hf_sagemaker.controls.verdict import verdict

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
"""A key that the team owns."""
Resources = dict[str, dict[str, Any]]


def resource(type_: str, **properties: Any) -> dict[str, Any]:
    """A resource as a template has it; the type without `AWS::`."""
    return {"Type": type_ if "Custom" in type_ else f"AWS::{type_}", "Properties": properties}


def problems(number: int, resources: Resources, *, protected: bool = False) -> list[str]:
    """What the control of that number has against the resources; that it found nothing to judge is a problem too.

    protected: the stack that holds them is protected from deletion, as in prod.
    """
    stacks = {"dev-Stack": {"Resources": resources}}
    templates = Templates(
        "dev", account=ACCOUNT, region="us-east-1", stacks=stacks, protected=["dev-Stack"] if protected else []
    )
    (control,) = (control for control in CONTROLS if control.number == number)
    found = verdict(control, templates)
    said = [*(breach.problem for breach in found.breaches), *found.missing]
    assert not [problem for problem in said if "its check failed" in problem], said
    return ["nothing was judged"] if found.is_empty else said
