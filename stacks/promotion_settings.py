"""Images that come from another environment by their digest. Never imports aws_cdk, see stacks/settings.py."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stacks.settings_base import Problem, Settings

if TYPE_CHECKING:
    from stacks.image_settings import ImageSettings
    from stacks.settings import EnvironmentSettings

ENVIRONMENTS = "environments"
"""Key of the context with which settings are read: a FindEnvironment."""
FindEnvironment = Callable[[str], "EnvironmentSettings"]
"""The settings of an environment, by its name. LookupError, whose text says why: none that can be read has the name."""

_MADE_OF = ("base", "requirements", "apt_packages", "dockerfile", "serving")


class PromotionSource(Settings):
    """The environment that builds an image which another one runs. Read from that environment's file, never written."""

    environment: str
    account: str
    region: str
    disposable: bool


def from_source(image: Any, find: FindEnvironment | None) -> Any:
    """An image of a settings file as it is read: one that is promoted gets what it is made of from where it is built.

    find: omitted: no other file is read, and nothing can be promoted.

    Raises ValueError with what is wrong about `promoted_from`.
    """
    if not isinstance(image, dict) or image.get("promoted_from") is None:
        return image
    source = image["promoted_from"]
    if isinstance(source, PromotionSource):
        return image
    if not isinstance(source, str):
        raise ValueError("promoted_from must be the name of another environment file, for example dev")
    if both := [field for field in _MADE_OF if field in image]:
        raise ValueError(
            f"says promoted_from, and {', '.join(both)}: what a promoted image is made of stands in {source}.yaml. "
            "Leave out promoted_from to build it here, or the others to run what is promoted"
        )
    rebuild = image["rebuild"] if isinstance(image.get("rebuild"), dict) else {}
    if builds := [f"rebuild.{name}" for name in ("on_change", "on_new_base", "on_announcement") if name in rebuild]:
        raise ValueError(f"says promoted_from, and {', '.join(builds)}: only {source}, which builds it, can say that")
    if find is None:
        raise ValueError(f"is promoted from {source}, and these settings are read without those of {source}")
    try:
        environment = find(source)
    except LookupError as error:
        raise ValueError(f"promoted_from is {source}: {error}") from None
    return {**_made_of(image.get("name"), source, environment), **image, "promoted_from": _source(source, environment)}


def _source(name: str, settings: "EnvironmentSettings") -> PromotionSource:
    return PromotionSource(
        environment=name, account=settings.account, region=settings.region, disposable=settings.disposable
    )


def _made_of(name: Any, environment: str, settings: "EnvironmentSettings") -> dict[str, Any]:
    built = {image.name: image for image in settings.images}
    if name not in built:
        raise ValueError(f"{environment} has no image of this name to promote; it has {', '.join(built)}")
    if origin := built[name].promoted_from:
        raise ValueError(
            f"{environment} does not build it either, it promotes it from {origin.environment}: say promoted_from: "
            f"{origin.environment}"
        )
    return {field: getattr(built[name], field) for field in _MADE_OF}


@dataclass(frozen=True, kw_only=True)
class Destination:
    """An environment that runs an image of another one. role_path: of its roles."""

    environment: str
    account: str
    role_path: str


def destinations(source: str, environments: Mapping[str, "EnvironmentSettings"]) -> dict[str, list[Destination]]:
    """Who runs the images that `source` builds: by image, each environment that promotes it."""
    found: dict[str, list[Destination]] = {}
    for name, settings in environments.items():
        for image in promoted(settings.images):
            if image.promoted_from and image.promoted_from.environment == source:
                there = Destination(environment=name, account=settings.account, role_path=settings.roles.path)
                found.setdefault(image.name, []).append(there)
    return found


def promoted(images: "list[ImageSettings]") -> "list[ImageSettings]":
    """Those that are built elsewhere."""
    return [image for image in images if image.promoted_from]


def promotion_problems(images: "list[ImageSettings]", region: str) -> list[Problem]:
    """What no field of an image can know: whether this environment can rely on what its source builds."""
    return [
        (f"images.{i}.promoted_from", source.environment, problem)
        for i, image in enumerate(images)
        if (source := image.promoted_from)
        for problem in _source_problems(source, region)
    ]


def _source_problems(source: PromotionSource, region: str) -> Iterator[str]:
    if source.region != region:
        yield (
            f"must be an environment in {region}: SageMaker pulls images from its own region only, and "
            f"{source.environment} is in {source.region}. Build the image here, or in an environment of {region}"
        )
    if source.disposable:
        yield (
            f"must be an environment that nobody destroys, since its images run here: set disposable: false in "
            f"{source.environment}.yaml, or build the image in an environment that is not disposable"
        )
