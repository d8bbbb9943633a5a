"""What is known of one stack: its template, its resources, its outputs and its events."""

import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from moto.cloudformation.models import Event
from moto.core.utils import utcnow

from localcloud import events
from localcloud.cloudformation.resource import Deployed, Properties
from localcloud.cloudformation.template import Template

STACK_TYPE = "AWS::CloudFormation::Stack"


@dataclass
class ResourceRecord:
    """A resource of a stack. properties: evaluated, as they were deployed. definition: its part of the template."""

    logical_id: str
    type_name: str
    definition: dict[str, Any]
    properties: Properties
    deployed: Deployed

    @property
    def retained_on_delete(self) -> bool:
        return bool(self.definition.get("DeletionPolicy", "Delete") == "Retain")

    @property
    def retained_on_replace(self) -> bool:
        return bool(self.definition.get("UpdateReplacePolicy", "Delete") == "Retain")

    # What moto's answers to DescribeStackResources and ListStackResources read.
    @property
    def logical_resource_id(self) -> str:
        return self.logical_id

    @property
    def physical_resource_id(self) -> str:
        return self.deployed.physical_id

    @property
    def cf_resource_type(self) -> str:
        return self.type_name


@dataclass(frozen=True)
class Output:
    """An output of a stack; the names are those that moto's answer to DescribeStacks reads."""

    output_key: str
    output_value: str
    description: str | None
    export_name: str | None


@dataclass(frozen=True)
class Export:
    """An output that other stacks import by name; the names are those that moto's answer to ListExports reads."""

    exporting_stack_id: str
    name: str
    value: str


class DeployedStack:
    """One stack. Its attributes bear the names that moto's CloudFormation answers read."""

    class Meta:
        serialization_aliases = {"Parameters": "parameter_list"}  # noqa: RUF012 moto reads it as it is

    def __init__(
        self,
        *,
        name: str,
        account: str,
        region: str,
        tags: dict[str, str] | None = None,
        role_arn: str | None = None,
        notification_arns: list[str] | None = None,
    ) -> None:
        number = "-".join(secrets.token_hex(size) for size in (4, 2, 2, 2, 6))
        self.stack_id = f"arn:aws:cloudformation:{region}:{account}:stack/{name}/{number}"
        self.name = self.stack_name = name
        self.status = "REVIEW_IN_PROGRESS"
        self.stack_status_reason: str | None = None
        self.creation_time: datetime = utcnow()
        self.last_updated_time: datetime | None = None
        self.deletion_time: datetime | None = None
        self.tags = dict(tags or {})
        self.role_arn = role_arn
        self.notification_arns = notification_arns or []
        self.enable_termination_protection = False
        self.disable_rollback = False
        self.update_cancelled = threading.Event()
        self.policy = ""
        self.template = ""
        self.template_dict: Template = {"Resources": {}}
        # Texts, as given or defaulted; and what the template sees of them.
        self.parameters: dict[str, str] = {}
        self.parameter_values: dict[str, Any] = {}
        self.resources: dict[str, ResourceRecord] = {}
        self.outputs: list[Output] = []
        self.events: list[Event] = []
        # What its template read outside itself, and the value then: a stack whose text is the same has
        # nothing to do only while these are the same too.
        self.read_outside: dict[tuple[str, str], str] = {}

    @property
    def stack_status(self) -> str:
        return self.status

    @property
    def description(self) -> str | None:
        return self.template_dict.get("Description")

    @property
    def template_description(self) -> str | None:
        return self.description

    @property
    def stack_parameters(self) -> dict[str, str]:
        return self.parameters

    @property
    def parameter_list(self) -> list[dict[str, str]]:
        declared = self.template_dict.get("Parameters", {})
        return [
            {
                "ParameterKey": name,
                "ParameterValue": "****" if declared[name].get("NoEcho") else text,
                **self._resolved(name, declared[name]["Type"]),
            }
            for name, text in self.parameters.items()
        ]

    def _resolved(self, name: str, type_name: str) -> dict[str, str]:
        """What an SSM parameter said when the stack read it."""
        if not type_name.startswith("AWS::SSM::Parameter::Value"):
            return {}
        value = self.parameter_values[name]
        return {"ResolvedValue": ",".join(value) if isinstance(value, list) else value}

    @property
    def stack_resources(self) -> Iterable[ResourceRecord]:
        return list(self.resources.values())

    @property
    def exports(self) -> list[Export]:
        return [
            Export(self.stack_id, output.export_name, output.output_value)
            for output in self.outputs
            if output.export_name
        ]

    @property
    def in_progress(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    def become(self, status: str, reason: str | None = None) -> None:
        """Take a new status and tell it as an event of the stack, and to EventBridge, which moto does not."""
        self._tell(self.name, self.stack_id, STACK_TYPE, status, reason)
        # The status last: whoever sees it at its end must find the event.
        self.stack_status_reason = reason
        self.status = status
        details = {"status": status, "status-reason": reason or ""}
        events.emit(
            self.stack_id,
            "aws.cloudformation",
            "CloudFormation Stack Status Change",
            {"stack-id": self.stack_id, "status-details": details, "client-request-token": ""},
        )

    def tell(self, logical_id: str, type_name: str, physical_id: str, status: str, reason: str | None = None) -> None:
        """An event of one resource."""
        self._tell(logical_id, physical_id, type_name, status, reason)

    def _tell(self, logical_id: str, physical_id: str, type_name: str, status: str, reason: str | None) -> None:
        event = Event(
            stack_id=self.stack_id,
            stack_name=self.name,
            logical_resource_id=logical_id,
            physical_resource_id=physical_id,
            resource_type=type_name,
            resource_status=status,
            resource_status_reason=reason,
            resource_properties=None,
        )
        # Strictly one after the other: whoever reads them sorts by time.
        if self.events and event.timestamp <= self.events[-1].timestamp:
            event.timestamp = self.events[-1].timestamp + timedelta(milliseconds=1)
        self.events.append(event)
        _, _, _, region, account, *_ = self.stack_id.split(":")
        event.sendToSns(account, region, self.notification_arns)
