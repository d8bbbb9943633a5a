"""Builds an environment's container images: starts their CodeBuild projects or finds their builds, and follows them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from hfsm.cloud import Parameters
from hfsm.code_build import CodeBuild
from hfsm.errors import OperatorError, WrongUseError
from hfsm.progress import Progress, seconds_text

Report = Callable[[str, str], None]
"""(line, image): what a build says."""
_BEGINS_WITHIN_SECONDS = 120.0
"""EventBridge tells of a deployment's change within seconds, mostly."""


@dataclass(frozen=True)
class BuiltImage:
    """An image that the environment uses from now on. uri: of its repository. seconds: of its build."""

    name: str
    uri: str
    digest: str
    seconds: float


def build(names: Sequence[str], parameters: Parameters, console: Console) -> None:
    """Build images and print what came out. names: empty means all that the environment has."""
    with Progress(console, f"Building the images of {parameters.environment}") as progress:
        built = build_images(parameters, lambda line, image: progress.show(line, image), names)
    for image in built:
        console.print(f"{image.name}: {image.uri}@{image.digest} ({seconds_text(image.seconds)})", soft_wrap=True)


def build_images(parameters: Parameters, report: Report, names: Sequence[str] = ()) -> list[BuiltImage]:
    """Start the projects, follow all of them, and read which digests they wrote down.

    A build of the same inputs that runs already, as a deployment starts it, is followed in place of another one.
    Raises WrongUseError for a name that the environment does not have, before anything starts, and OperatorError when a
    build fails.
    """
    builds = {}
    for image in _known(parameters, names):
        newest = _newest(parameters, image)
        if newest and not newest.has_ended:
            report("a build of it runs already", image)
            builds[image] = newest
        else:
            builds[image] = CodeBuild.start(parameters.cloud, parameters.get(f"images/{image}/project"))
    return _follow(parameters, builds, report)


def follow_images(parameters: Parameters, report: Report) -> list[BuiltImage]:
    """Follow the builds of all images that a deployment has started, also those that have ended by now.

    Raises OperatorError when one fails, or when none begins.
    """
    builds = {}
    deadline = time.monotonic() + _BEGINS_WITHIN_SECONDS
    for image in _known(parameters, ()):
        while (newest := _newest(parameters, image)) is None:
            if time.monotonic() > deadline:
                raise OperatorError(f"No build of image {image} was started: start it by `hfsm build {image}`.")
            time.sleep(parameters.cloud.poll_seconds)
        builds[image] = newest
    return _follow(parameters, builds, report)


def _newest(parameters: Parameters, image: str) -> CodeBuild | None:
    """The newest build of an image, if it is one of what the settings lead to now."""
    newest = CodeBuild.newest(parameters.cloud, parameters.get(f"images/{image}/project"))
    tag = parameters.get(f"images/{image}/uri").rpartition(":")[2]
    return newest if newest and newest.variable("IMAGE_TAG") == tag else None


def _known(parameters: Parameters, names: Sequence[str]) -> Sequence[str]:
    """names, or all images that are built here where there are none."""
    below = parameters.below("images")
    known = sorted({path.split("/")[0] for path in below})
    if not known:
        raise OperatorError(f"No image is named below {parameters.prefix}/images: is the environment deployed?")
    if unknown := sorted(set(names) - set(known)):
        raise WrongUseError(f"{parameters.environment} has no image {', '.join(unknown)}. It has {', '.join(known)}.")
    built = [image for image in known if f"{image}/project" in below]
    if promoted := sorted(set(names) - set(built)):
        raise WrongUseError(
            f"{parameters.environment} does not build {', '.join(promoted)}, it runs what another environment has "
            "built: hfsm images promote."
        )
    return names or built


def _follow(parameters: Parameters, builds: Mapping[str, CodeBuild], report: Report) -> list[BuiltImage]:
    while any(build.seconds is None for build in builds.values()):
        for image, build in builds.items():
            if build.seconds is None:
                _look(image, build, report)
        time.sleep(parameters.cloud.poll_seconds)
    return [_built(parameters, image, build.seconds or 0) for image, build in builds.items()]


def _look(image: str, build: CodeBuild, report: Report) -> None:
    for line in build.look():
        report(line, image)
    if build.seconds is not None:
        report(f"built in {seconds_text(build.seconds)}", image)
    elif build.has_ended:
        raise OperatorError(f"The build of image {image} {build.failure} The image from before is still in place.")


def _built(parameters: Parameters, image: str, seconds: float) -> BuiltImage:
    said = parameters.get(f"images/{image}/digest")
    if "@" not in said:
        raise OperatorError(f"Image {image} was built, but its parameter says {said}.")
    uri, _, digest = said.partition("@")
    return BuiltImage(image, uri, digest, seconds)
