"""Lambda entry point."""

from functools import partial
from typing import Any

import boto3

from close_default_security_group.logic import bring_about
from custom_resource.fulfilment import fulfil


def handle(event: dict[str, Any], context: Any) -> None:
    """Input: a request of CloudFormation for a custom resource with the property DefaultSecurityGroupId.

    Deleting leaves the group closed: it goes with its VPC. The answer goes to the request's ResponseURL, see `fulfil`.
    """
    fulfil(event, partial(bring_about, boto3.client("ec2")), log=context.log_stream_name)
