"""Lambda entry point of the function that promotes."""

from datetime import UTC, datetime
from typing import Any

import boto3

from watch_images.promotion import (
    PromotionRules,
    image_problems,
    newest_request,
    record_text,
    request_problem,
)
from watch_images.scans import Scan, read_scan


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Input: {rules: name of a parameter, version: of the request parameter}. Output: {digest, before, problems}.

    Whoever calls it chooses among the rules that a deployment has written: its role reads no others. With problems,
    nothing was changed.
    """
    ssm, ecr = boto3.client("ssm"), boto3.client("ecr")
    rules = PromotionRules.from_text(_value(ssm, event["rules"]))
    pages = ssm.get_paginator("get_parameter_history").paginate(Name=rules.request)
    request = newest_request([each for page in pages for each in page["Parameters"]])
    before, now = _value(ssm, rules.digest), datetime.now(UTC)
    if problem := request_problem(request, event["version"]):
        problems = [problem]
    else:
        tags = _tags(ecr, rules, request.digest)
        scan = Scan() if tags is None else read_scan(ecr, rules.account, rules.repository, request.digest)
        problems = image_problems(rules, tags, scan, now.date())
    if not problems:
        # The record first: nothing runs that is not recorded.
        record = record_text(request, rules, before=before, at=f"{now:%Y-%m-%dT%H:%M:%SZ}")
        ssm.put_parameter(Name=rules.record, Value=record, Overwrite=True)
        ssm.put_parameter(Name=rules.digest, Value=f"{rules.repository_uri}@{request.digest}", Overwrite=True)
    result = {"digest": request.digest, "before": before, "problems": problems}
    print({**result, "by": request.by})
    return result


def _value(ssm: Any, name: str) -> str:
    return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])


def _tags(ecr: Any, rules: PromotionRules, digest: str) -> list[str] | None:
    """None: there is no such image."""
    try:
        (image,) = ecr.describe_images(
            registryId=rules.account, repositoryName=rules.repository, imageIds=[{"imageDigest": digest}]
        )["imageDetails"]
    except (ecr.exceptions.ImageNotFoundException, ecr.exceptions.RepositoryNotFoundException):
        return None
    return list(image.get("imageTags", []))
