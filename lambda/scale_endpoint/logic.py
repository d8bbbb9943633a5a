"""The order of things around an update of an endpoint: what is taken off before it, and put back after it, or instead.

Every step can be done twice, and each begins with a look: what an interrupted one has left is where the next goes on.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from scale_endpoint import live
from scale_endpoint.declaration import Declaration, Target, read
from scale_endpoint.registration import Clients, deregister, register, registered, remove_alarms, suspend


class VariantsChanged(RuntimeError):  # noqa: N818 (the name is what people see as the reason of a failed deployment)
    """The update names other variants, and its strategy needs the same ones."""


class TargetMissing(RuntimeError):  # noqa: N818
    """What is to scale is not there."""


def pause(
    clients: Clients, properties: Mapping[str, Any], wait: Callable[[float], None], *, suspends: bool = True
) -> bool:
    """Makes the endpoint ready for an update to the configuration that the properties name.

    SageMaker refuses an update that takes a registered variant away, or changes its instance types: such a variant is
    deregistered. It refuses any update while another change goes on, such as a scaling activity: that is waited for,
    and none begins before the variant is registered again.
    Answers whether something was registered.

    suspends: False: what is registered is somebody else's, who would not know of it.

    Raises VariantsChanged and live.StillMoving.
    """
    name = properties["EndpointName"]
    found = live.endpoint(clients.sagemaker, name)
    if found is None:
        return False
    now = live.instance_types(clients.sagemaker, found["EndpointConfigName"])
    wanted = live.instance_types(clients.sagemaker, properties["EndpointConfigName"]) or {}
    if properties.get("Strategy") and now is not None and set(now) != set(wanted):
        raise VariantsChanged(
            f"The endpoint {name} has the variants {_list(now)}, and gets {_list(wanted)}: SageMaker refuses that with "
            f"the strategy {properties['Strategy']}. Write `update: {{strategy: all-at-once, rollback_alarms: []}}` "
            "into its settings for this deployment."
        )
    there = registered(clients.scaling, (_variant(name, each) for each in {*(now or found_variants(found)), *wanted}))
    for each in there:
        variant = each["ResourceId"].rpartition("/")[2]
        # What runs now is not known when its configuration was deleted: then it may be anything.
        if now is None or now.get(variant) != wanted.get(variant):
            deregister(clients.scaling, each)
        elif suspends:
            suspend(clients.scaling, each)
    live.wait_until_settled(clients.sagemaker, name, wait)
    return bool(there)


def make_true(
    clients: Clients, declaration: Declaration, *, also: Iterable[str] = (), strict: bool = False
) -> list[str]:
    """Makes the registration equal to the declaration. Answers what could not be registered: it is not there.

    also: resource ids that were declared once: what is not declared now is deregistered.
    strict: raises TargetMissing instead of an answer.
    """
    found = live.endpoint(clients.sagemaker, declaration.endpoint)
    variants = {_variant(declaration.endpoint, each) for each in found_variants(found)}
    there = [each for each in declaration.targets if _is_there(clients, each, variants)]
    missing = [each.resource_id for each in declaration.targets if each not in there]
    if missing and strict:
        raise TargetMissing(
            f"{_list(missing)} is to scale and is not there. Somebody has deleted it, or the update before has been "
            "rolled back by SageMaker: deploy again, and look at the endpoint's FailureReason if this comes back."
        )
    for each in there:
        register(clients, each, datetime.now(UTC))
    remove(clients, ({*also} | variants | {*missing}) - {each.resource_id for each in there})
    return missing


def remove(clients: Clients, resource_ids: Iterable[str]) -> None:
    """Deregisters them, where they are registered, and deletes the alarms that go with them."""
    ids = set(resource_ids)
    for each in registered(clients.scaling, ids):
        deregister(clients.scaling, each)
    remove_alarms(clients.cloudwatch, ids)


def finish(clients: Clients, properties: Mapping[str, Any], *, adopted: bool) -> None:
    """When a deployment is through, or was rolled back, or the stack is deleted: what is declared now is what counts.

    adopted: the registration was somebody else's before this deployment: where nothing is declared, it stays theirs.
    """
    declaration = read(clients.ssm, properties["Declaration"])
    if declaration is not None:
        make_true(clients, declaration, also=properties.get("Targets", []))
        return
    name = properties["EndpointName"]
    found = live.endpoint(clients.sagemaker, name)
    if found is None or not adopted:
        remove(clients, {*properties.get("Targets", []), *(_variant(name, each) for each in found_variants(found))})


def heal(clients: Clients, declaration: Declaration) -> str:
    """What a look outside of deployments does: after an interrupted one, a change by hand, or a start of the endpoint.

    Answers what was done.
    """
    if _is_deploying(clients.cloudformation, declaration.stack):
        # Between the steps of a deployment it would undo them. Its end is the next look.
        return "its stack is being deployed"
    missing = make_true(clients, declaration)
    return f"not there: {_list(missing)}" if missing else "as declared"


def found_variants(found: Mapping[str, Any] | None) -> list[str]:
    """Names of the production variants that DescribeEndpoint shows. None: there is no endpoint."""
    return [each["VariantName"] for each in (found or {}).get("ProductionVariants", [])]


def _is_there(clients: Clients, target: Target, variants: Iterable[str]) -> bool:
    kind, _, name = target.resource_id.partition("/")
    if kind == "inference-component":
        return live.has_component(clients.sagemaker, name)
    return target.resource_id in variants


def _is_deploying(cloudformation: Any, stack: str) -> bool:
    try:
        status = str(cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            return False
        raise
    return status.endswith("_IN_PROGRESS") and "CLEANUP" not in status


def _variant(endpoint: str, name: str) -> str:
    return f"endpoint/{endpoint}/variant/{name}"


def _list(names: Iterable[str]) -> str:
    return " and ".join(sorted(names)) or "none"
