"""Lambda entry point: of the custom resource that comes last in an endpoint's stack."""

import time
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

from custom_resource.fulfilment import Made, fulfil
from smoke_request.logic import Clients, NoAnswer, check, is_rolling_back

_CONFIG = Config(read_timeout=70, retries={"total_max_attempts": 1})
"""A model has 60 seconds for an answer; what is asked again, the logic decides."""


def handle(event: dict[str, Any], context: Any) -> None:
    """Input: CloudFormation's request. Its resource's attribute `Said` is what the endpoint answered."""
    clients = Clients(
        runtime=boto3.client("sagemaker-runtime", config=_CONFIG),
        **{name: boto3.client(name) for name in ("sagemaker", "s3", "cloudformation")},
    )
    fulfil(event, lambda properties: _check(clients, event["StackId"], properties), log=context.log_stream_name)


def _check(clients: Clients, stack: str, properties: Mapping[str, Any]) -> Made:
    name = properties["EndpointName"]
    try:
        said = check(clients, properties, wait=time.sleep)
    except NoAnswer as problem:
        # A rollback that fails leaves a stack that only a person can mend, and what was there before is there again.
        if not is_rolling_back(clients.cloudformation, stack):
            raise
        said = f"rolled back, and still: {problem}"
    print(said)
    return Made(f"smoke-request-of-{name}", {"Said": said[:1000]})
