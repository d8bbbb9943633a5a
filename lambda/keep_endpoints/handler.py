"""Lambda entry point of the hourly look."""

from datetime import UTC, datetime
from typing import Any

import boto3

from keep_endpoints.logic import look


def handle(event: dict[str, Any], context: object) -> list[dict[str, str]]:
    """Input: {environment, topic}, both from the rule. Output: {name, told} of each endpoint that something was done
    about."""
    clients = {name: boto3.client(name) for name in ("sagemaker", "ssm", "cloudwatch", "cloudformation", "sns")}
    done = look(clients, event["environment"], event["topic"], datetime.now(UTC))
    result = [{"name": each.name, "told": each.told} for each in done]
    print(result)
    return result
