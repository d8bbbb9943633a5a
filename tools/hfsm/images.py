"""Builds an environment's container images: starts their CodeBuild projects side by side and follows them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console

from hfsm.cloud import Parameters
from hfsm.code_build import CodeBuild
from hfsm.errors import OperatorError, WrongUseError
from hfsm.progress import Progress, seconds_text

Report = Callable[[str, str], None]
"""(line, image): what a build says."""


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

    Raises WrongUseError for a name that the environment does not have, before anything starts, and OperatorError when a
    build fails.
    """
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
    builds = {image: CodeBuild(parameters.cloud, below[f"{image}/project"]) for image in names or built}
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
