"""How an endpoint is updated, and what it is asked afterwards. Never imports aws_cdk, see stacks/settings.py."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator, model_validator

from hf_sagemaker.endpoint_parts import EndpointMode
from hf_sagemaker.update_safety import RollbackAlarm, Strategy, UpdateSafety
from stacks.image_settings import FOLDER
from stacks.settings_base import Problem, Settings

_Wait = Annotated[int, Field(ge=0, le=3600)]
_LONGEST_EXAMPLE = 100_000
_FIELDS = {
    "wait": "wait_seconds",
    "termination_wait": "termination_wait_seconds",
    "longest": "longest_seconds",
}


class UpdateSettings(Settings):
    """How an update takes traffic over, and what gives it back. What is left out is as the environment has it: canary
    with 10 %, all at once where it is disposable; several variants, and serverless endpoints, have neither."""

    strategy: Strategy | None = None
    """canary: a part first, then all. linear: in equal steps. rolling: without a second fleet. all-at-once: a whole new
    fleet at once."""
    size_percent: Annotated[int, Field(ge=1, le=50)] | None = None
    """Of the first part (1 to 50, omitted: 10), of each step (10 to 50, omitted: 25), or of each batch (5 to 50,
    omitted: 50)."""
    wait_seconds: _Wait | None = None
    """For which the alarms are watched after each part. They look at three minutes."""
    termination_wait_seconds: _Wait = 0
    """For which the old instances are kept, and paid, after that."""
    longest_seconds: Annotated[int, Field(ge=600, le=28800)] | None = None
    """After which the update is given back. Omitted: all the waits, and an hour."""
    rollback_alarms: list[RollbackAlarm] | None = None
    """By which the update is given back. Omitted: all. []: by none."""

    def resolve(self, mode: EndpointMode, *, disposable: bool, variants: int = 1) -> UpdateSafety:
        """As the constructs take it."""
        base = UpdateSafety.default(mode, disposable=disposable, variants=variants)
        if self.strategy and self.strategy != base.strategy:
            base = UpdateSafety(strategy=self.strategy)
        alarms = base.rollback_alarms if self.rollback_alarms is None else tuple(dict.fromkeys(self.rollback_alarms))
        return UpdateSafety(
            strategy=base.strategy,
            size_percent=self.size_percent,
            wait=base.wait if self.wait_seconds is None else self.wait_seconds,
            termination_wait=self.termination_wait_seconds,
            longest=self.longest_seconds,
            rollback_alarms=alarms,
        )


def update_problems(
    path: str,
    settings: UpdateSettings,
    *,
    mode: EndpointMode,
    disposable: bool,
    variants: int = 1,
    has_shadow: bool = False,
    instance_types: Sequence[str] = (),
) -> list[Problem]:
    """What no field can know. path: of `update` in the file. variants: production variants."""
    safety = settings.resolve(mode, disposable=disposable, variants=variants)
    found = safety.problems(mode, variants=variants, has_shadow=has_shadow, instance_types=instance_types)
    named = [(_FIELDS.get(field, field), problem) for field, problem in found]
    return [(f"{path}.{field}", getattr(settings, field), problem) for field, problem in named]


class ExampleSettings(Settings):
    """A request that the endpoint has to answer after each update, or the update is rolled back."""

    content_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+(;.*)?$")] = "application/json"
    body: str | None = None
    """As it is sent, for example '{"inputs": "…"}'."""
    file: Annotated[Path | None, Field(description="path, relative to this file")] = None
    """Holds the body: an image, a sound; at most 100,000 bytes, since it is part of the template."""
    target_model: str | None = None
    """Of a multi-model endpoint: the one that is asked."""

    @field_validator("file")
    @classmethod
    def _readable(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        found = (Path((info.context or {}).get(FOLDER, ".")) / value).resolve()
        if not found.is_file():
            raise ValueError("must be a file, relative to this one")
        if found.stat().st_size > _LONGEST_EXAMPLE:
            raise ValueError(f"must have at most {_LONGEST_EXAMPLE} bytes, and has {found.stat().st_size}")
        return found

    @model_validator(mode="after")
    def _one_body(self) -> "ExampleSettings":
        if (self.body is None) == (self.file is None):
            raise ValueError("must have one of body and file")
        if self.body is not None and self.content_type == "application/json":
            try:
                json.loads(self.body)
            except ValueError as error:
                raise ValueError(f"body must be JSON, as its content_type says: {error}") from None
        return self

    def resolve(self) -> tuple[bytes, str]:
        """Body and content type."""
        return (self.body.encode() if self.file is None and self.body is not None else self._read()), self.content_type

    def _read(self) -> bytes:
        assert self.file is not None
        return self.file.read_bytes()
