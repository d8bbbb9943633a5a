"""The container images of an environment: a base, and what is put over it.

Never imports aws_cdk, see stacks/settings.py.
"""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from hf_sagemaker import dlc_catalog
from hf_sagemaker.compatibility import toolkit_problem
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.image_extension import ImageExtension
from hf_sagemaker.image_lock import Pin
from hf_sagemaker.requirements import read_requirements, requirement_problems
from stacks.access_settings import partition_of
from stacks.base_image_settings import AnyBaseSettings, BaseImageSettings, has_python
from stacks.promotion_settings import ENVIRONMENTS, PromotionSource, from_source, promotion_problems
from stacks.rebuild_settings import RebuildSettings
from stacks.serving_settings import ServingSettings, serving_problem
from stacks.settings_base import Name, Problem, Settings

FOLDER, PINS = "folder", "pins"
"""Keys of the context with which settings are read: the folder of the environment file, and the pins of its images."""

AptPackage = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?$")]


def _requirements(value: Any, info: ValidationInfo) -> Any:
    """A path becomes the lines of its file."""
    if not isinstance(value, str):
        return value
    file = _beside(value, info)
    if not file.is_file():
        raise ValueError(f"must be a list of pinned requirements, or a file beside the environment file: no {file}")
    return read_requirements(file.read_text(encoding="utf-8"))


def _beside(path: str, info: ValidationInfo) -> Path:
    """A path of an environment file, which is relative to that file."""
    return Path((info.context or {}).get(FOLDER, "."), path).resolve()


def _either_built_or_promoted(schema: dict[str, Any]) -> None:
    """In the schema for editors: what a file says of an image is less than what is read of one that is promoted."""
    schema["required"] = ["name"]
    schema["oneOf"] = [{"required": ["base"]}, {"required": ["promoted_from"]}]


class ImageSettings(Settings):
    """One image that this environment builds, or runs as another environment has built it."""

    model_config = ConfigDict(json_schema_extra=_either_built_or_promoted)

    name: Name
    """By which job types and endpoints name it."""
    promoted_from: Annotated[PromotionSource | None, WithJsonSchema({"type": ["string", "null"]})] = None
    """Another environment file, for example dev: its image of this name runs here, by the digest that
    `hfsm images promote` names, and is never built here. What it is made of stands there. `rebuild.on_findings` and
    `rebuild.accepted_findings` decide here what may be promoted."""
    base: AnyBaseSettings
    """What it extends: a published image (`purpose`, `transformers`), a published model server (`server`, `version`),
    or an image of your own (`uri`, `purpose`)."""
    requirements: Annotated[list[str], BeforeValidator(_requirements, json_schema_input_type=list[str] | str)] = []
    """Distributions to install over the base, each pinned: `transformers==4.57.1`. Or the path of a requirements file,
    relative to this file; one with hashes is installed without dependencies. PyTorch stays the base's own."""
    apt_packages: list[AptPackage] = []
    """Debian packages to install."""
    dockerfile: Annotated[Path | None, Field(description="path, relative to this file")] = None
    """A Dockerfile for the rest, in a folder of its own, which is its context. It begins with `ARG BASE_IMAGE` and
    `FROM ${BASE_IMAGE}`: the image with all of the above in it."""

    serving: ServingSettings | None = None
    """Of an inference image: which server starts in it, and what it may do. Omitted: the batching one, which runs
    no code that comes with a model and loads safetensors only."""
    rebuild: RebuildSettings = RebuildSettings()
    """What starts a build: a change of the above, and more."""

    @model_validator(mode="before")
    @classmethod
    def _as_its_source_builds_it(cls, value: Any, info: ValidationInfo) -> Any:
        return from_source(value, (info.context or {}).get(ENVIRONMENTS))

    # Fields with the fields before them, and not the whole model: see JobTypeSettings.
    @field_validator("base")
    @classmethod
    def _latest_is_pinned(cls, value: AnyBaseSettings, info: ValidationInfo) -> AnyBaseSettings:
        if not isinstance(value, BaseImageSettings):
            return value
        pin: Pin | None = (info.context or {}).get(PINS, {}).get(info.data.get("name"))
        if value.transformers != dlc_catalog.LATEST or not pin or not pin.fits(value.purpose, value.processor):
            return value
        return value.model_copy(update={"transformers": pin.transformers, "pytorch": pin.pytorch})

    @field_validator("requirements")
    @classmethod
    def _pinned(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if problems := requirement_problems(value):
            raise ValueError("; ".join(problems))
        base = info.data.get("base")
        if value and base is not None and not has_python(base):
            raise ValueError(
                f"must be empty: the image of {base.server} is one program and has no Python. Use apt_packages, or a "
                "dockerfile"
            )
        return value

    @field_validator("dockerfile")
    @classmethod
    def _own_dockerfile(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        file = _beside(str(value), info)
        if not file.is_file():
            raise ValueError(f"must be a Dockerfile, relative to the environment file: there is no {file}")
        if file.parent == _beside(".", info):
            raise ValueError("must be in a folder of its own, which is its context: that of the environments is not")
        instructions = re.findall(r"^\s*(ARG|FROM)\s+(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        if not instructions or instructions[0] != ("ARG", "BASE_IMAGE") or not _ends_on_base(instructions):
            raise ValueError("must begin with `ARG BASE_IMAGE`, and its last FROM must be `FROM ${BASE_IMAGE}`")
        return file

    @field_validator("serving")
    @classmethod
    def _fits_base(cls, value: ServingSettings | None, info: ValidationInfo) -> ServingSettings | None:
        base = info.data.get("base")
        if value is not None and base is not None and (problem := serving_problem(value, base)):
            raise ValueError(problem)
        return value

    def extension(self, region: str) -> ImageExtension:
        """What is built. UnknownImageError: the base is not in the region."""
        return ImageExtension(
            purpose=self.base.purpose,
            base=self.base.resolve(region),
            requirements=tuple(self.requirements),
            apt_packages=tuple(self.apt_packages),
            dockerfile=self.dockerfile,
            serving=self.serving.resolve() if self.serving else None,
        )

    def described(self, region: str) -> ContainerImage:
        """The image as compatibility is judged. UnknownImageError: the base is not published in the region."""
        return self.extension(region).described(self.name)


def _ends_on_base(instructions: list[tuple[str, str]]) -> bool:
    stages = [image for name, image in instructions if name == "FROM"]
    return bool(stages) and stages[-1] in ("${BASE_IMAGE}", "$BASE_IMAGE")


def image_problems(images: list[ImageSettings], region: str) -> list[Problem]:
    """What no field of an image can know: whether its base is published here, and whether its parts fit together."""
    found = promotion_problems(images, region)
    for i, image in enumerate(images):
        if image.promoted_from:  # told where it is built
            continue
        try:
            problem = toolkit_problem(image.described(region))
        except dlc_catalog.UnknownImageError as error:
            problem = str(error)
        if problem:
            found.append((f"images.{i}.base", image.base.model_dump(exclude_none=True), problem))
        if image.rebuild.on_announcement and partition_of(region) != "aws":
            found.append(
                (
                    f"images.{i}.rebuild.on_announcement",
                    True,
                    f"must be false in {region}: AWS announces images in partition aws only; the daily look stays",
                )
            )
    return found
