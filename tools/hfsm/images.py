"""Builds an environment's container images: starts their CodeBuild projects side by side and follows them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from hfsm.cloud import Parameters
from hfsm.errors import OperatorError, WrongUseError
from hfsm.progress import Progress, seconds_text
from hfsm.training_log import LogTail

Report = Callable[[str, str], None]
"""(line, image): what a build says."""


@dataclass(frozen=True)
class BuiltImage:
    """An image that the environment uses from now on. uri: of its repository. seconds: of its build."""

    name: str
    uri: str
    digest: str
    seconds: float


@dataclass
class _Build:
    """One running build. seconds: None until it has succeeded."""

    image: str
    id: str
    started: float
    tail: LogTail | None = None
    seconds: float | None = None


def build(names: Sequence[str], parameters: Parameters, console: Console) -> None:
    """Build images and print what came out. names: empty means all that the environment has."""
    with Progress(console, f"Building the images of {parameters.environment}") as progress:
        built = build_images(parameters, lambda line, image: progress.show(line, image), names)
    for image in built:
        console.print(f"{image.name}: {image.uri}@{image.digest} ({seconds_text(image.seconds)})", soft_wrap=True)


def build_images(parameters: Parameters, report: Report, names: Sequence[str] = ()) -> list[BuiltImage]:
    """Start the projects, follow all of them, and read which digests they wrote down.

    Raises WrongUseError for a name that the environment does not have, before anything starts, and OperatorError when a
    build fails.
    """
    known = parameters.children("images")
    if not known:
        raise OperatorError(f"No image is named below {parameters.prefix}/images: is the environment deployed?")
    if unknown := sorted(set(names) - set(known)):
        raise WrongUseError(f"{parameters.environment} has no image {', '.join(unknown)}. It has {', '.join(known)}.")
    code_build = parameters.cloud.client("codebuild")
    builds = []
    for image in names or known:
        started = code_build.start_build(projectName=parameters.get(f"images/{image}/project"))["build"]
        builds.append(_Build(image, started["id"], time.monotonic()))
    while any(build.seconds is None for build in builds):
        for build in builds:
            if build.seconds is None:
                _look(parameters, build, report)
        time.sleep(parameters.cloud.poll_seconds)
    return [_built(parameters, build) for build in builds]


def _look(parameters: Parameters, build: _Build, report: Report) -> None:
    state = parameters.cloud.client("codebuild").batch_get_builds(ids=[build.id])["builds"][0]
    location = state.get("logs", {})
    if build.tail is None and location.get("groupName") and location.get("streamName"):
        build.tail = LogTail(parameters.cloud.client("logs"), location["groupName"], location["streamName"])
    for line in build.tail.new_lines() if build.tail else []:
        report(line, build.image)
    if state["buildStatus"] == "SUCCEEDED":
        build.seconds = _duration(state) or time.monotonic() - build.started
        report(f"built in {seconds_text(build.seconds)}", build.image)
    elif state["buildStatus"] != "IN_PROGRESS":
        where = f" Its log: {location['groupName']}, stream {location['streamName']}." if build.tail else ""
        raise OperatorError(
            f"The build of image {build.image} {state['buildStatus'].lower()}: {_reason(state)}{where} "
            "The image from before is still in place."
        )


def _duration(state: dict[str, Any]) -> float | None:
    if "startTime" in state and "endTime" in state:
        return round(float((state["endTime"] - state["startTime"]).total_seconds()), 3)
    return None


def _reason(state: dict[str, Any]) -> str:
    """What CodeBuild says of the phase that failed."""
    messages = [
        f"{phase['phaseType']}: {context['message']}"
        for phase in state.get("phases", [])
        for context in phase.get("contexts", [])
        if context.get("message") and phase.get("phaseStatus") not in (None, "SUCCEEDED")
    ]
    return "; ".join(messages) or "its log says why."


def _built(parameters: Parameters, build: _Build) -> BuiltImage:
    digest = parameters.get(f"images/{build.image}/digest")
    if "@" not in digest or build.seconds is None:
        raise OperatorError(f"Image {build.image} was built, but its parameter says {digest}.")
    uri, _, digest = digest.partition("@")
    return BuiltImage(build.image, uri, digest, build.seconds)
