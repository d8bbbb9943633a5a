"""Lambda entry point."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import boto3

from watch_images.logic import NOT_BUILT, Build, Watched, blocked_text, reasons_to_build, standing
from watch_images.scans import read_scan

EVENT = {"Source": "hf-sagemaker", "DetailType": "Images Announced", "Detail": "{}"}
"""What an announcement becomes: a rule knows the event, and calls this function with the images to look at."""

_TAG = "IMAGE_TAG"
"""The variable of a build that stands for its inputs."""


def handle(event: dict[str, Any], context: object) -> list[dict[str, Any]]:
    """Input: {images: [see Watched]}. Output: {project, reasons, blocked} for each.

    Starts at most one build for each, and none while one of the same inputs runs.

    Or input: an announcement of AWS's, as SNS delivers it; output: nothing. Of what it says nothing is believed but
    that it is time to look.
    """
    if "Records" in event:
        _pass_on()
        return []
    codebuild, ecr, ssm = (boto3.client(name) for name in ("codebuild", "ecr", "ssm"))
    return [_look(Watched.from_input(entry), codebuild, ecr, ssm) for entry in event["images"]]


def _pass_on() -> None:
    """RuntimeError: the event bus did not take it; Lambda tries again."""
    answer = boto3.client("events").put_events(Entries=[EVENT])
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"The event bus did not take the announcement: {answer['Entries'][0]['ErrorMessage']}")


def _look(watched: Watched, codebuild: Any, ecr: Any, ssm: Any) -> dict[str, Any]:
    names = [watched.wanted, watched.digest, watched.base_digest, watched.blocked]
    said = {each["Name"]: each["Value"] for each in ssm.get_parameters(Names=names)["Parameters"]}
    built, told = said[watched.digest], said[watched.blocked]
    found = standing(_findings(ecr, built), watched, datetime.now(UTC).date())
    # A deployment that is under way has not written it for every image yet.
    wanted = said.get(watched.wanted, "").rpartition(":")[2]
    newest = _newest_build(codebuild, watched.project)
    reasons = reasons_to_build(
        watched,
        wanted=wanted,
        newest=newest,
        built=built,
        base_built_on=said[watched.base_digest],
        base_now=_base_digest(ecr, watched.base),
        found=found,
        told=told,
    )
    blocked = blocked_text(found)
    if reasons and newest.runs and newest.tag == wanted:
        # What it was started for is not known: the next look, at its scan or the day after, sees what it made.
        return _said(watched, reasons, told)
    if reasons:
        if blocked not in (told, NOT_BUILT):
            mark = f"{datetime.now(UTC):%Y%m%d}"
            ssm.put_parameter(Name=watched.rebuild, Value=mark, Overwrite=True)
        # Two looks at the same time see the same: they start one build.
        seen = hashlib.sha256(f"{watched.project} {wanted} {newest.id}".encode()).hexdigest()
        codebuild.start_build(projectName=watched.project, idempotencyToken=seen)
    # After the build was started: if that failed, it is tried again the next time.
    if blocked != told:
        ssm.put_parameter(Name=watched.blocked, Value=blocked, Overwrite=True)
    return _said(watched, reasons, blocked)


def _said(watched: Watched, reasons: list[str], blocked: str) -> dict[str, Any]:
    result = {"project": watched.project, "reasons": reasons, "blocked": blocked}
    print(result)
    return result


def _base_digest(ecr: Any, base: dict[str, str] | Any) -> str:
    """Empty: the tag is there no more, which the next build says by itself; or a digest names it, which never moves."""
    if not base["tag"]:
        return ""
    found = ecr.batch_get_image(
        registryId=base["account"], repositoryName=base["repository"], imageIds=[{"imageTag": base["tag"]}]
    )["images"]
    return str(found[0]["imageId"]["imageDigest"]) if found else ""


def _findings(ecr: Any, built: str) -> list[dict[str, Any]]:
    """Of the image's last scan. None before it is scanned: a new image is looked at the day after."""
    if built == NOT_BUILT:
        return []
    registry, _, image = built.partition("/")
    repository, _, digest = image.partition("@")
    scan = read_scan(ecr, registry.split(".")[0], repository, digest)
    if not scan.is_complete:
        print(f"{built}: its scan is {scan.status}")
    return scan.findings


def _newest_build(codebuild: Any, project: str) -> Build:
    ids = codebuild.list_builds_for_project(projectName=project, sortOrder="DESCENDING")["ids"][:1]
    builds = codebuild.batch_get_builds(ids=ids)["builds"] if ids else []
    for build in builds:
        variables = {each["name"]: each["value"] for each in build["environment"]["environmentVariables"]}
        return Build(id=build["id"], tag=variables[_TAG], runs=build["buildStatus"] == "IN_PROGRESS")
    return Build()
