"""Control 89: a stack stays far from CloudFormation's limits, and none holds another one back."""

import json
from collections.abc import Iterator
from typing import Any

from hf_sagemaker.controls.control import Breach, Control, Missing, Proof
from hf_sagemaker.controls.templates import Templates

_RESOURCES = 400
"""CloudFormation's limit is 500."""
_BYTES = 1_000_000


def stays_within_limits(templates: Templates) -> Iterator[Proof | Breach | Missing]:
    """At most 400 resources and 1 MB a stack, and no export: a stack that is imported from can no longer change."""
    for name, template in templates.stacks.items():
        wrong = list(_faults(template))
        if wrong:
            yield Missing(f"stack {name} must be split or loosened: {'; '.join(wrong)}")
    # The first resource stands for its stack.
    seen: set[str] = set()
    for resource in templates.all:
        if resource.stack not in seen and not list(_faults(templates.stacks[resource.stack])):
            yield Proof(
                resource, f"stack {resource.stack}: {len(templates.stacks[resource.stack]['Resources'])} resources"
            )
        seen.add(resource.stack)


def _faults(template: Any) -> Iterator[str]:
    resources = template.get("Resources", {})
    if not resources:
        yield "it has no resources"
    if len(resources) > _RESOURCES:
        yield f"{len(resources)} resources, more than {_RESOURCES}"
    text = json.dumps(template, separators=(",", ":"))
    if len(text.encode()) >= _BYTES:
        yield f"{len(text.encode())} bytes, more than {_BYTES}"
    if '"Fn::ImportValue"' in text:
        yield "it imports from another stack"
    yield from (f"it exports {name}" for name, output in template.get("Outputs", {}).items() if "Export" in output)


CONTROLS = (
    Control(
        89,
        "stack limits: at most 400 resources, template <1 MB, no export and no import between stacks",
        "CV F0007, F3004",
        stays_within_limits,
    ),
)
