"""CloudFormation's side of the API.

Replaces moto's `CloudFormationBackend` through its own seam, the class that a `BackendDict` makes backends of; the
requests and answers stay moto's. moto's own engine skips types that it does not know, creates in template order, tells
no event of a resource, never rolls back, updates most types by doing nothing, and does all of it within the request.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, ClassVar

from moto.cloudformation import urls
from moto.cloudformation.exceptions import AlreadyExistsException, ValidationError
from moto.cloudformation.models import CloudFormationBackend, Event
from moto.cloudformation.utils import generate_changeset_id, validate_create_change_set
from moto.core.resource_tagging import TaggedResource
from moto.core.utils import utcnow

from localcloud.cloudformation import template as templates
from localcloud.cloudformation.change_set import ChangeSet, changes
from localcloud.cloudformation.deployment import Deployment
from localcloud.cloudformation.outside import Outside
from localcloud.cloudformation.parameters import effective_parameters, given_parameters, parameter_values
from localcloud.cloudformation.resource import AwsApi, ResourceType
from localcloud.cloudformation.stack import DeployedStack, Export, ResourceRecord

# A stack that is done within this time is answered when it is done: the CDK CLI asks at once, and then every 5 s.
ANSWER_WITHIN_SECONDS = 5.0
# What an update replaces in a stack, and a rollback brings back.
_REPLACED = ("template", "template_dict", "parameters", "parameter_values", "read_outside")
# `ResourceTypes` of the request, which moto does not hand on. None: it names none.
only_types: ContextVar[Collection[str] | None] = ContextVar("only_types", default=None)
UPDATABLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}


# Typed as Any: its stacks and change sets are ours, of other classes than those that moto's signatures name.
_MotoBackend: Any = CloudFormationBackend


class LocalCloudFormation(_MotoBackend):  # type: ignore[misc]
    """Stacks of one account and region."""

    types: ClassVar[Mapping[str, ResourceType]] = {}
    endpoint_url: ClassVar[str] = ""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.stacks: dict[str, DeployedStack] = {}
        self.deleted_stacks: dict[str, DeployedStack] = {}
        self.change_sets: dict[str, ChangeSet] = {}
        self.api = AwsApi(self.endpoint_url, account_id, region_name)

    @property
    def _url_module(self) -> Any:
        return urls  # moto would look for the one beside this module

    # Exports are read from the stacks: one list, that cannot differ from them.
    @property
    def exports(self) -> dict[str, Export]:
        return {export.name: export for stack in self.stacks.values() for export in stack.exports}

    @exports.setter
    def exports(self, _: Any) -> None:
        """moto's constructor sets it to an empty mapping."""

    def create_stack(
        self,
        name: str,
        template: str,
        parameters: dict[str, str],
        notification_arns: list[str] | None = None,
        tags: dict[str, str] | None = None,
        role_arn: str | None = None,
        enable_termination_protection: bool | None = False,
        timeout_in_mins: int | None = None,
        stack_policy_body: str | None = None,
    ) -> DeployedStack:
        if any(stack.name == name for stack in self.stacks.values()):
            raise AlreadyExistsException(f"Stack [{name}] already exists")
        stack = self._new_stack(name, notification_arns, tags, role_arn)
        stack.enable_termination_protection = bool(enable_termination_protection)
        stack.policy = stack_policy_body or ""
        deployment = self._deployment(stack, template, parameters)
        self.stacks[stack.stack_id] = stack
        stack.become("CREATE_IN_PROGRESS", "User Initiated")
        self._run(deployment.create)
        return stack

    def update_stack(
        self,
        name: str,
        template: str,
        role_arn: str | None,
        parameters: list[dict[str, Any]],
        tags: dict[str, str] | None,
    ) -> DeployedStack:
        stack: DeployedStack = self.get_stack(name)
        if stack.status not in UPDATABLE:
            raise ValidationError(message=f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")
        given = given_parameters(parameters, stack.parameters)
        if self._nothing_to_do(stack, template, given, tags):
            raise ValidationError(message="No updates are to be performed.")
        if tags is not None:
            stack.tags = dict(tags)
        self._update(stack, self._deployment(stack, template, given, only_types.get()))
        return stack

    def cancel_update_stack(self, name: str) -> None:
        """The update ends before its next resource, and is rolled back."""
        stack: DeployedStack = self.get_stack(name)
        if stack.status != "UPDATE_IN_PROGRESS":
            raise ValidationError(message="CancelUpdateStack cannot be called from current stack status")
        stack.update_cancelled.set()

    def delete_stack(self, name_or_stack_id: str) -> None:
        try:
            stack: DeployedStack = self.get_stack(name_or_stack_id)
        except ValidationError:
            return  # As on AWS: deleting what is not there is no error.
        if stack.stack_id in self.deleted_stacks:
            return
        if stack.enable_termination_protection:
            raise ValidationError(
                message=f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            )
        if stack.in_progress:
            raise ValidationError(message=f"Stack:{stack.stack_id} is in {stack.status} state and can not be deleted.")
        self._assert_not_imported(stack)
        deployment = self._deployment_of(stack, stack.template_dict)
        stack.become("DELETE_IN_PROGRESS", "User Initiated")

        def delete() -> None:
            deployment.delete()
            if stack.status == "DELETE_COMPLETE":
                stack.deletion_time = utcnow()
                self.deleted_stacks[stack.stack_id] = stack
                self.stacks.pop(stack.stack_id, None)

        self._run(delete)

    def create_change_set(
        self,
        stack_name: str,
        change_set_name: str,
        template: str,
        parameters: dict[str, str],
        description: str,
        change_set_type: str,
        notification_arns: list[str] | None = None,
        tags: dict[str, str] | None = None,
        role_arn: str | None = None,
    ) -> tuple[str, str]:
        validate_create_change_set(change_set_name)
        templates.checked(template, self.types)
        if change_set_type == "UPDATE":
            stack: DeployedStack = self.get_stack(stack_name)
        else:
            stack = self._stack_in_review(stack_name, notification_arns, tags, role_arn)
        change_set = ChangeSet(
            change_set_id=generate_changeset_id(change_set_name, self.region_name, self.account_id),
            change_set_name=change_set_name,
            change_set_type=change_set_type,
            stack_id=stack.stack_id,
            stack_name=stack.name,
            template=template,
            parameters=dict(parameters),
            description=description,
            changes=changes(stack, templates.parse(template)),
            tags=dict(tags or {}),
        )
        if change_set_type == "UPDATE" and self._nothing_to_do(stack, template, parameters, tags):
            change_set.status, change_set.execution_status = "FAILED", "UNAVAILABLE"
            change_set.status_reason = (
                "The submitted information didn't contain changes. Submit different information to create a change set."
            )
        self.change_sets[change_set.change_set_id] = change_set
        return change_set.change_set_id, stack.stack_id

    def execute_change_set(self, change_set_name: str, stack_name: str | None = None) -> None:
        change_set = self._change_set(change_set_name, stack_name)
        stack = self.stacks[change_set.stack_id]
        if change_set.tags:
            stack.tags = dict(change_set.tags)
        deployment = self._deployment(stack, change_set.template, change_set.parameters)
        change_set.execution_status = "EXECUTE_COMPLETE"
        if change_set.change_set_type == "UPDATE":
            self._update(stack, deployment)
        else:
            stack.become("CREATE_IN_PROGRESS", "User Initiated")
            self._run(deployment.create)

    def describe_change_set(self, change_set_name: str) -> ChangeSet:
        return self._change_set(change_set_name, None)

    def delete_change_set(self, change_set_name: str) -> None:
        for change_set in list(self.change_sets.values()):
            if change_set_name in (change_set.change_set_id, change_set.change_set_name):
                del self.change_sets[change_set.change_set_id]

    def describe_stack_resource(
        self, stack_name: str, logical_resource_id: str
    ) -> tuple[DeployedStack, ResourceRecord]:
        stack: DeployedStack = self.get_stack(stack_name)
        if logical_resource_id not in stack.resources:
            raise ValidationError(message=f"Resource {logical_resource_id} does not exist for stack {stack_name}")
        return stack, stack.resources[logical_resource_id]

    def describe_stack_resources(
        self, stack_name: str, logical_resource_id: str | None
    ) -> tuple[DeployedStack, list[ResourceRecord]]:
        stack: DeployedStack = self.get_stack(stack_name)
        records = list(stack.resources.values())
        return stack, [each for each in records if logical_resource_id in (None, each.logical_id)]

    def describe_stack_events(self, stack_name: str) -> list[Event]:
        return list(self.get_stack(stack_name).events)

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        for stack in list(self.stacks.values()):
            yield TaggedResource(arn=stack.stack_id, tags=dict(stack.tags), resource_type="cloudformation:stack")

    def _deployment(
        self, stack: DeployedStack, text: str, given: dict[str, str], only: Collection[str] | None = None
    ) -> Deployment:
        """Checks the template; from here on the stack is what it says, unless it is rolled back to what it was.

        only: see `Deployment`. Raises ValidationError.
        """
        template = templates.checked(text, self.types)
        texts = effective_parameters(template, given)
        values = parameter_values(template, texts, self.api)
        before = {name: getattr(stack, name) for name in _REPLACED}
        stack.template, stack.template_dict = text, template
        stack.parameters, stack.parameter_values = texts, values
        stack.read_outside = {}

        def undone() -> None:
            for name, value in before.items():
                setattr(stack, name, value)

        return self._deployment_of(stack, template, undone, only)

    def _deployment_of(
        self,
        stack: DeployedStack,
        template: templates.Template,
        undone: Callable[[], None] = lambda: None,
        only: Collection[str] | None = None,
    ) -> Deployment:
        names = {
            "AWS::AccountId": self.account_id,
            "AWS::NotificationARNs": stack.notification_arns,
            "AWS::Partition": "aws",
            "AWS::Region": self.region_name,
            "AWS::StackId": stack.stack_id,
            "AWS::StackName": stack.name,
            "AWS::URLSuffix": "amazonaws.com",
            **stack.parameter_values,
        }
        return Deployment(
            stack,
            template,
            names,
            api=self.api,
            types=self.types,
            surroundings=Outside(self, stack),
            undone=undone,
            only=only,
        )

    def _nothing_to_do(
        self, stack: DeployedStack, text: str, given: dict[str, str], tags: dict[str, str] | None
    ) -> bool:
        template = templates.parse(text)
        if template != stack.template_dict or (tags is not None and tags != stack.tags):
            return False
        texts = effective_parameters(template, given)
        if parameter_values(template, texts, self.api) != stack.parameter_values:
            return False
        outside = Outside(self, stack)
        return all(outside.read(*place) == value for place, value in list(stack.read_outside.items()))

    def _stack_in_review(
        self,
        name: str,
        notification_arns: list[str] | None,
        tags: dict[str, str] | None,
        role_arn: str | None,
    ) -> DeployedStack:
        for stack in self.stacks.values():
            if stack.name == name:
                if stack.status != "REVIEW_IN_PROGRESS":
                    raise ValidationError(message=f"Stack [{name}] already exists and cannot be created again")
                return stack
        stack = self._new_stack(name, notification_arns, tags, role_arn)
        self.stacks[stack.stack_id] = stack
        stack.become("REVIEW_IN_PROGRESS", "User Initiated")
        return stack

    def _new_stack(
        self, name: str, notification_arns: list[str] | None, tags: dict[str, str] | None, role_arn: str | None
    ) -> DeployedStack:
        place = {"account": self.account_id, "region": self.region_name}
        return DeployedStack(name=name, **place, tags=tags, role_arn=role_arn, notification_arns=notification_arns)

    def _change_set(self, name: str, stack_name: str | None) -> ChangeSet:
        for change_set in self.change_sets.values():
            if change_set.change_set_id == name:
                return change_set
        for change_set in reversed(list(self.change_sets.values())):
            of_stack = stack_name in (None, change_set.stack_name, change_set.stack_id)
            if change_set.change_set_name == name and of_stack:
                return change_set
        raise ValidationError(message=f"ChangeSet [{name}] does not exist")

    def _assert_not_imported(self, stack: DeployedStack) -> None:
        for export in stack.exports:
            importers = [other.name for other in self.stacks.values() if ("export", export.name) in other.read_outside]
            if importers:
                raise ValidationError(
                    message=f"Export {export.name} cannot be deleted as it is in use by {', '.join(importers)}"
                )

    def _update(self, stack: DeployedStack, deployment: Deployment) -> None:
        stack.last_updated_time = utcnow()
        stack.update_cancelled.clear()
        stack.become("UPDATE_IN_PROGRESS", "User Initiated")
        self._run(deployment.update)

    def _run(self, operation: Callable[[], None]) -> None:
        thread = threading.Thread(target=operation, name="cloudformation", daemon=True)
        thread.start()
        thread.join(ANSWER_WITHIN_SECONDS)
