"""Lambda entry point."""

from typing import Any

import boto3

from deploy_model.logic import Models, StackStuck, deploy
from deploy_model.registry import Followed, wanted_versions


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Input: {stack, resource_types, models: see `Followed`, topic, failed}, all of it from the rule and nothing from
    an event's sender: an event only says that it is time to look. Output: {done, models}.

    failed: a deployment of the stack was rolled back; it is not tried again now, but told.
    """
    clients = {name: boto3.client(name) for name in ("cloudformation", "sagemaker", "ssm", "sns")}
    followed = [Followed(**each) for each in event["models"]]
    (stack,) = clients["cloudformation"].describe_stacks(StackName=event["stack"])["Stacks"]
    wanted, notes = wanted_versions(clients["sagemaker"], clients["ssm"], followed, stack)
    models = Models(followed=followed, wanted=wanted)
    done, told = deploy(clients["cloudformation"], stack, models, event["resource_types"], event["failed"])
    if text := "\n\n".join([*notes, *told]):
        subject = "An approved model is not served" if told else "A model without approval is served"
        clients["sns"].publish(TopicArn=event["topic"], Subject=subject, Message=text)
    result = {"done": done, "models": wanted}
    print(result)
    return result


__all__ = ["StackStuck", "handle"]
