"""Updates stacks of endpoints with their own templates, so that they read their parameters anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy_model.registry import Followed

_UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
CURRENT, WAITS, STARTED, TOLD = "current", "waits", "started", "told"
"""What was done: nothing was to do; the stack is busy, and the end of that is the next look; an update was started;
people were told that one has failed."""


class StackStuck(RuntimeError):  # noqa: N818 (the name is what people see in the dead letters' log)
    """The stack is in a state out of which only a person can bring it."""


@dataclass(frozen=True, kw_only=True)
class Models:
    """followed: by one stack. wanted: job type → version that is to be served. None: whatever is."""

    followed: Sequence[Followed]
    wanted: Mapping[str, str | None]

    def behind(self, stack: Mapping[str, Any]) -> list[Followed]:
        """Those of which the stack has read something else. stack: of DescribeStacks."""
        return [each for each in self.followed if self.wanted[each.job_type] not in (None, each.read_by(stack))]


def deploy_all(
    cloudformation: Any,
    stacks: Sequence[tuple[Mapping[str, Any], Models]],
    resource_types: Sequence[str],
    failed: bool,
) -> tuple[dict[str, str], list[str]]:
    """(what was done, by stack; what to tell people), with each stack as `deploy` says: one that cannot be updated
    keeps no other back.

    Raises what `deploy` does, once all have had their turn; an ExceptionGroup where several could not be updated.
    """
    done: dict[str, str] = {}
    told: list[str] = []
    errors: list[Exception] = []
    for stack, models in stacks:
        try:
            done[stack["StackName"]], tell = deploy(cloudformation, stack, models, resource_types, failed)
        except (StackStuck, ClientError) as error:
            errors.append(error)
        else:
            told += tell
    if len(errors) > 1:
        raise ExceptionGroup("Stacks that could not be updated", errors)
    if errors:
        raise errors[0]
    return done, told


def deploy(
    cloudformation: Any, stack: Mapping[str, Any], models: Models, resource_types: Sequence[str], failed: bool
) -> tuple[str, list[str]]:
    """(what was done, what to tell people).

    stack: of DescribeStacks. resource_types: those that the update may change; the function's role can ask for no
    others.
    failed: the stack has just been rolled back: not tried again now.

    Raises StackStuck, and whatever CloudFormation refuses: the event then is a dead letter, of which people are told.
    """
    name, status = stack["StackName"], stack["StackStatus"]
    behind = models.behind(stack)
    if not behind:
        return CURRENT, []
    if failed:
        return TOLD, [_failed(name, models, behind)]
    if status.endswith("_IN_PROGRESS"):
        return WAITS, []
    if status not in _UPDATABLE:
        raise StackStuck(
            f"The stack {name} is {status}, and {_versions(models, behind)} cannot be deployed. Bring the stack to "
            f"{', '.join(_UPDATABLE[:3])}: `aws cloudformation continue-update-rollback --stack-name {name}`, or "
            "`make deploy`; the next look then goes on."
        )
    try:
        cloudformation.update_stack(
            StackName=stack["StackId"],
            UsePreviousTemplate=True,
            Parameters=[
                {"ParameterKey": each["ParameterKey"], "UsePreviousValue": True} for each in stack["Parameters"]
            ],
            Capabilities=stack.get("Capabilities", []),
            ResourceTypes=list(resource_types),
        )
    except ClientError as error:
        said = error.response["Error"].get("Message", "")
        if "No updates are to be performed" in said:
            return CURRENT, []
        if "_IN_PROGRESS state and can not be updated" in said:  # since we looked
            return WAITS, []
        raise
    return STARTED, []


def _failed(stack: str, models: Models, behind: Sequence[Followed]) -> str:
    first = behind[0]
    return (
        f"The stack {stack} was rolled back, and {_versions(models, behind)} is approved and not served; endpoints go "
        f"on with what they served before. Its events say why: `aws cloudformation describe-stack-events --stack-name "
        f"{stack}`. Where the model is the cause: `hfsm approve {first.job_type} {models.wanted[first.job_type]} "
        "--reject`, and the approved version before it stays. Else mend the cause: it is tried again within a day, "
        "with the next decision about a model, or by `make deploy`."
    )


def _versions(models: Models, behind: Sequence[Followed]) -> str:
    return " and ".join(f"version {models.wanted[each.job_type]} of {each.job_type}" for each in behind)
