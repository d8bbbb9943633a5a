"""Lambda entry point."""

from typing import Any

import boto3

from close_default_security_group.logic import close, fulfil


def handle(event: dict[str, Any], context: Any) -> None:
    """Input: a request of CloudFormation for a custom resource with the property DefaultSecurityGroupId.

    The answer goes to the request's ResponseURL, see `fulfil`.
    """
    fulfil(event, lambda group_id: close(boto3.client("ec2"), group_id), log=context.log_stream_name)
