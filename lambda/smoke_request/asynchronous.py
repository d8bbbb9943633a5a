"""The way to an asynchronous endpoint and back: by objects in S3."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from smoke_request.example import Example

PAUSE = 5.0
"""Seconds between two looks."""
LOOKS = 156
"""Thirteen minutes: an endpoint without instances needs some to start one, and Lambda lets a function run fifteen."""


def ask_asynchronously(
    clients: Any, name: str, example: Example, place: Mapping[str, str], wait: Callable[[float], None]
) -> tuple[int | None, bytes]:
    """Status and answer. Status None: the time was over, and the endpoint has no instance that could have answered.

    clients: with `runtime`, `sagemaker` and `s3`. place: {Bucket, Prefix} for the example, where the endpoint reads.
    """
    bucket, key = place["Bucket"], f"{place['Prefix']}smoke/{name}"
    clients.s3.put_object(Bucket=bucket, Key=key, Body=example.body, ContentType=example.content_type)
    invoked = clients.runtime.invoke_endpoint_async(
        EndpointName=name, ContentType=example.content_type, InputLocation=f"s3://{bucket}/{key}"
    )
    locations = [(200, invoked["OutputLocation"]), (500, invoked.get("FailureLocation"))]
    for _ in range(LOOKS):
        for status, location in locations:
            if location and (found := _object(clients.s3, location)) is not None:
                return status, found
        wait(PAUSE)
    variants = clients.sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"]
    if not any(each.get("CurrentInstanceCount") for each in variants):
        return None, b""
    waited = {"error": f"no answer and no failure within {LOOKS * PAUSE / 60:.0f} minutes"}
    return 504, json.dumps(waited).encode()


def _object(s3: Any, location: str) -> bytes | None:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    try:
        return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return None
        raise
