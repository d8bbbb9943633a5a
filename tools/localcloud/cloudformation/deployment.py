"""One operation on one stack: create, update or delete its resources, tell each step, and undo what fails."""

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

from moto.core.exceptions import ServiceException

from localcloud.cloudformation import reasons
from localcloud.cloudformation.intrinsics import Resolver, Surroundings
from localcloud.cloudformation.resource import (
    AwsApi,
    Deployed,
    Properties,
    Request,
    ResourceError,
    ResourceType,
    WatchedProperties,
)
from localcloud.cloudformation.stack import DeployedStack, Output, ResourceRecord
from localcloud.cloudformation.template import Template, dependencies, in_dependency_order

LOG = logging.getLogger(__name__)


class ResourceFailedError(Exception):
    """The operation stops, because of the named resource."""

    def __init__(self, logical_id: str) -> None:
        super().__init__(logical_id)
        self.logical_id = logical_id


class UpdateCancelledError(Exception):
    """The update stops, because somebody has asked for it."""


class Deployment:
    """Brings `stack` from what it is to `template` with `names` (parameters and pseudo parameters)."""

    def __init__(
        self,
        stack: DeployedStack,
        template: Template,
        names: Mapping[str, Any],
        *,
        api: AwsApi,
        types: Mapping[str, ResourceType],
        surroundings: Surroundings,
        undone: Callable[[], None] = lambda: None,
        only: Collection[str] | None = None,
    ) -> None:
        """undone: called when an update was rolled back, before the stack says so. Omitted: nothing is.

        only: the types of resources that may be made or changed, `ResourceTypes` of UpdateStack. Omitted: all.
        """
        self._undone, self._only = undone, only
        self._stack = stack
        self._template = template
        self._api = api
        self._types = types
        # Grows as resources come to be. In an update it begins empty, so that everything is evaluated anew.
        self._deployed: dict[str, Deployed] = {}
        self._resolver = Resolver(template, names, self._deployed, surroundings)
        self._undo: list[Callable[[], None]] = []
        self._made: list[str] = []
        self._replaced: list[ResourceRecord] = []

    def create(self) -> None:
        """Ends in CREATE_COMPLETE, ROLLBACK_COMPLETE or ROLLBACK_FAILED."""
        stack = self._stack
        try:
            for logical_id in self._wanted():
                self._bring_about(logical_id)
            self._take_outputs()
        except ResourceFailedError as failure:
            stack.become(
                "ROLLBACK_IN_PROGRESS",
                f"The following resource(s) failed to create: [{failure.logical_id}]. Rollback requested by user.",
            )
            failed = self._delete(list(stack.resources.values()))
            stack.become("ROLLBACK_FAILED" if failed else "ROLLBACK_COMPLETE", _could_not_delete(failed))
            return
        stack.become("CREATE_COMPLETE")

    def update(self) -> None:
        """Ends in UPDATE_COMPLETE, UPDATE_ROLLBACK_COMPLETE or UPDATE_ROLLBACK_FAILED."""
        stack = self._stack
        wanted = self._wanted()
        try:
            for logical_id in wanted:
                self._bring_about(logical_id)
                if stack.update_cancelled.is_set():
                    raise UpdateCancelledError
            self._take_outputs()
        except (ResourceFailedError, UpdateCancelledError) as end:
            failed = isinstance(end, ResourceFailedError)
            reason = f"The following resource(s) failed to update: [{end}]." if failed else "User Initiated"
            stack.become("UPDATE_ROLLBACK_IN_PROGRESS", reason)
            status = self._roll_back()
            self._undone()
            stack.become(status)
            return
        removed = [record for logical_id, record in stack.resources.items() if logical_id not in wanted]
        stack.become("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        # As on AWS, what cannot be cleaned up is told, and the update is complete all the same.
        self._delete(self._replaced, replaced=True)
        self._delete(removed)
        for record in removed:
            stack.resources.pop(record.logical_id, None)
        stack.become("UPDATE_COMPLETE")

    def delete(self) -> None:
        """Ends in DELETE_COMPLETE or DELETE_FAILED; the latter can be tried again."""
        failed = self._delete(list(self._stack.resources.values()))
        self._stack.become("DELETE_FAILED" if failed else "DELETE_COMPLETE", _could_not_delete(failed))

    def _wanted(self) -> list[str]:
        wanted = {
            logical_id
            for logical_id, definition in self._template["Resources"].items()
            if self._resolver.wanted(definition)
        }
        return in_dependency_order(self._template, wanted)

    def _bring_about(self, logical_id: str) -> None:
        """Create, update, replace or leave one resource. Raises ResourceFailedError; its reason is told."""
        definition = self._template["Resources"][logical_id]
        record = self._stack.resources.get(logical_id)
        type_name = definition["Type"]
        verb = "UPDATE" if record else "CREATE"
        try:
            properties: Properties = self._resolver.resolve(definition.get("Properties", {}))
            if self._only is not None and type_name not in self._only:
                self._refuse_change(record, type_name, properties)
            if record is None:
                self._create(logical_id, definition, properties)
            elif record.type_name != type_name:
                raise ResourceError(f"Update of resource type is not permitted: {record.type_name} → {type_name}")
            elif self._types[type_name].must_replace(record.properties, properties):
                self._replace(record, definition, properties)
            elif record.properties != properties:
                self._update(record, definition, properties)
            else:
                record.definition = definition
        except Exception as error:
            # Whatever goes wrong in a resource is that resource's failure, and the stack's to tell and to undo.
            LOG.info("%s of %s failed", verb, logical_id, exc_info=error)
            physical_id = self._physical_id(logical_id)
            self._stack.tell(logical_id, type_name, physical_id, f"{verb}_FAILED", reasons.of(error))
            raise ResourceFailedError(logical_id) from error
        self._deployed[logical_id] = self._stack.resources[logical_id].deployed

    def _refuse_change(self, record: ResourceRecord | None, type_name: str, properties: Properties) -> None:
        if record is None or record.properties != properties:
            raise ResourceError(f"The update names ResourceTypes, and {type_name} is none of them.")

    def _create(self, logical_id: str, definition: dict[str, Any], properties: Properties) -> None:
        stack, type_name = self._stack, definition["Type"]

        def note(deployed: Deployed) -> None:
            known = stack.resources.get(logical_id)
            if known is None or known.deployed.physical_id != deployed.physical_id:
                reason_ = "Resource creation Initiated"
                stack.tell(logical_id, type_name, deployed.physical_id, "CREATE_IN_PROGRESS", reason_)
            stack.resources[logical_id] = ResourceRecord(logical_id, type_name, definition, properties, deployed)

        stack.tell(logical_id, type_name, "", "CREATE_IN_PROGRESS")
        self._made.append(logical_id)
        request = self._request(logical_id, properties, note)
        note(self._types[type_name].create(request))
        left_out = reasons.left_out(self._types[type_name].left_out(request))
        stack.tell(logical_id, type_name, self._physical_id(logical_id), "CREATE_COMPLETE", left_out)

    def _update(self, record: ResourceRecord, definition: dict[str, Any], properties: Properties) -> None:
        stack, logical_id, type_name = self._stack, record.logical_id, record.type_name
        stack.tell(logical_id, type_name, record.deployed.physical_id, "UPDATE_IN_PROGRESS")
        before = record.properties

        def undo() -> None:
            now = stack.resources[logical_id]
            restored = self._types[type_name].update(self._request(logical_id, before), now.deployed, properties)
            stack.resources[logical_id] = ResourceRecord(logical_id, type_name, record.definition, before, restored)
            self._note_replaced(now, restored)

        self._undo.append(undo)
        request = self._request(logical_id, properties)
        updated = self._types[type_name].update(request, record.deployed, before)
        stack.resources[logical_id] = ResourceRecord(logical_id, type_name, definition, properties, updated)
        self._note_replaced(record, updated)
        left_out = reasons.left_out(self._types[type_name].left_out(request, before))
        stack.tell(logical_id, type_name, updated.physical_id, "UPDATE_COMPLETE", left_out)

    def _note_replaced(self, record: ResourceRecord, updated: Deployed) -> None:
        changed = updated.physical_id != record.deployed.physical_id
        if changed and self._types[record.type_name].replaces_itself:
            self._replaced.append(record)

    def _replace(self, record: ResourceRecord, definition: dict[str, Any], properties: Properties) -> None:
        stack, logical_id, type_name = self._stack, record.logical_id, record.type_name
        stack.tell(
            logical_id,
            type_name,
            record.deployed.physical_id,
            "UPDATE_IN_PROGRESS",
            "Requested update requires the creation of a new physical resource; hence creating one.",
        )
        del stack.resources[logical_id]
        self._undo.append(lambda: stack.resources.update({logical_id: record}))
        self._create(logical_id, definition, properties)
        self._replaced.append(record)

    def _roll_back(self) -> str:
        """As on AWS it goes through the resources in their order once more, to what they were: what depends on others
        comes after them again. What is there in vain is deleted when everything is back.
        """
        resources = self._stack.resources
        in_vain = [resources.pop(logical_id) for logical_id in self._made if logical_id in resources]
        status = "UPDATE_ROLLBACK_COMPLETE"
        self._replaced = []  # What the update meant to replace is back; from here on, what going back replaces.
        for undo in self._undo:
            try:
                undo()
            except Exception as error:
                LOG.warning("rollback of %s: %s", self._stack.name, reasons.of(error))
                status = "UPDATE_ROLLBACK_FAILED"
        if self._delete(in_vain):
            status = "UPDATE_ROLLBACK_FAILED"
        self._delete(self._replaced, replaced=True)
        return status

    def _delete(self, records: list[ResourceRecord], *, replaced: bool = False) -> list[str]:
        """Delete the records, dependents first; answers the logical ids that could not be deleted.

        What one of those depends on stays too, so that its deletion can be tried again.
        """
        failed = []
        needed: set[str] = set()
        for record in _dependents_first(records):
            told = record.logical_id, record.type_name, record.deployed.physical_id
            if record.logical_id in needed:
                needed |= dependencies(record.definition)
                continue
            if record.retained_on_replace if replaced else record.retained_on_delete:
                self._stack.tell(*told, "DELETE_SKIPPED")
            else:
                self._stack.tell(*told, "DELETE_IN_PROGRESS")
                try:
                    request = self._request(record.logical_id, record.properties)
                    self._types[record.type_name].delete(request, record.deployed)
                except Exception as error:
                    LOG.info("deletion of %s failed", record.logical_id, exc_info=error)
                    self._stack.tell(*told, "DELETE_FAILED", reasons.of(error))
                    failed.append(record.logical_id)
                    needed |= dependencies(record.definition)
                    continue
                self._stack.tell(*told, "DELETE_COMPLETE")
            if self._stack.resources.get(record.logical_id) is record:
                del self._stack.resources[record.logical_id]
        return failed

    def _take_outputs(self) -> None:
        outputs = []
        for key, output in self._template.get("Outputs", {}).items():
            try:
                if self._resolver.wanted(output):
                    outputs.append(self._output(key, output))
            except ServiceException as error:
                raise ResourceFailedError(f"output {key}: {reasons.of(error)}") from error
        self._stack.outputs = outputs

    def _output(self, key: str, output: dict[str, Any]) -> Output:
        return Output(
            output_key=key,
            output_value=str(self._resolver.resolve(output["Value"])),
            description=output.get("Description"),
            export_name=self._resolver.resolve(output.get("Export", {}).get("Name")),
        )

    def _request(
        self, logical_id: str, properties: Properties, exists: Callable[[Deployed], None] = lambda _: None
    ) -> Request:
        return Request(
            api=self._api,
            stack_id=self._stack.stack_id,
            stack_name=self._stack.name,
            logical_id=logical_id,
            properties=WatchedProperties(properties),
            stack_tags=self._stack.tags,
            exists=exists,
        )

    def _physical_id(self, logical_id: str) -> str:
        record = self._stack.resources.get(logical_id)
        return record.deployed.physical_id if record else ""


def _dependents_first(records: list[ResourceRecord]) -> list[ResourceRecord]:
    by_id = {record.logical_id: record for record in records}
    template = {"Resources": {logical_id: record.definition for logical_id, record in by_id.items()}}
    return [by_id[logical_id] for logical_id in reversed(in_dependency_order(template, by_id))]


def _could_not_delete(failed: list[str]) -> str | None:
    return f"The following resource(s) failed to delete: [{', '.join(failed)}]." if failed else None
