"""Lambda entry point."""

from typing import Any

import boto3
from botocore.config import Config

from custom_resource.fulfilment import fulfil
from package_model.copying import COPIES_AT_ONCE
from package_model.logic import Preparation


def handle(event: dict[str, Any], context: Any) -> None:
    """Input: a request of CloudFormation for a custom resource with the properties that `Preparation` reads.

    Deleting leaves packages: endpoints of before, and a deployment that is rolled back, may serve them. The answer goes
    to the request's ResponseURL, see `fulfil`; its attribute Uri is where the model lies.
    """
    s3 = boto3.client("s3", config=Config(max_pool_connections=2 * COPIES_AT_ONCE))
    preparation = Preparation(s3, milliseconds_left=context.get_remaining_time_in_millis)
    fulfil(event, preparation.bring_about, log=context.log_stream_name)
