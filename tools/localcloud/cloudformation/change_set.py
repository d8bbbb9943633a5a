"""Change sets: a change that is described first and executed later."""

from dataclasses import dataclass, field
from datetime import datetime

from moto.cloudformation.models import Change
from moto.core.utils import utcnow

from localcloud.cloudformation.stack import DeployedStack
from localcloud.cloudformation.template import Template


@dataclass
class ChangeSet:
    """A change that can be executed; the names are those that moto's answer to DescribeChangeSet reads."""

    change_set_id: str
    change_set_name: str
    change_set_type: str
    stack_id: str
    stack_name: str
    template: str
    parameters: dict[str, str]
    description: str | None
    changes: list[Change]
    tags: dict[str, str]
    status: str = "CREATE_COMPLETE"
    execution_status: str = "AVAILABLE"
    status_reason: str | None = None
    creation_time: datetime = field(default_factory=utcnow)


def changes(stack: DeployedStack, template: Template) -> list[Change]:
    """What separates the stack from the template, resource by resource."""
    now = {logical_id: record.definition for logical_id, record in stack.resources.items()}
    wanted = template["Resources"]
    actions = [("Add", each) for each in wanted if each not in now]
    actions += [("Modify", each) for each in wanted if each in now and wanted[each] != now[each]]
    actions += [("Remove", each) for each in now if each not in wanted]
    return [
        Change(action=action, logical_resource_id=each, resource_type=(wanted.get(each) or now[each])["Type"])
        for action, each in actions
    ]
