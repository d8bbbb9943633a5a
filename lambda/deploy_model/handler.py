"""Lambda entry point."""

from typing import Any

import boto3

from deploy_model.following import FollowingStacks
from deploy_model.logic import Models, StackStuck, deploy_all
from deploy_model.registry import Followed, wanted_versions


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Input: {stack, resource_types, models: see `Followed`, topic, failed}, all of it but the stack from the rule: an
    event only says that it is time to look. Output: {done: by stack, models}.

    stack: ARN of the only one to look at; one that follows nothing is left alone. Omitted: all that follow a job type.
    failed: a deployment of that stack was rolled back; it is not tried again now, but told.

    Raises what `deploy_all` does.
    """
    clients = {name: boto3.client(name) for name in ("cloudformation", "sagemaker", "ssm", "sns")}
    followed = [Followed(**each) for each in event["models"]]
    stacks = FollowingStacks(clients["cloudformation"], clients["ssm"], followed)
    wanted, notes = wanted_versions(clients["sagemaker"], clients["ssm"], followed, stacks.serving)
    # arn:…:stack/<name>/<id>
    names = [event["stack"].split("/")[1]] if "stack" in event else stacks.names()
    looked_at = [
        (stack, Models(followed=follows, wanted=wanted))
        for name in names
        if (follows := stacks.followed_by(name)) and (stack := stacks.described(name))
    ]
    done, told = deploy_all(clients["cloudformation"], looked_at, event["resource_types"], event["failed"])
    if text := "\n\n".join([*notes, *told]):
        subject = "An approved model is not served" if told else "A model without approval is served"
        clients["sns"].publish(TopicArn=event["topic"], Subject=subject, Message=text)
    result = {"done": done, "models": wanted}
    print(result)
    return result


__all__ = ["StackStuck", "handle"]
