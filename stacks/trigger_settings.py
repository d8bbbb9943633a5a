"""What starts runs of a job type besides people.

Never imports aws_cdk, see stacks/settings.py.
"""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from hf_sagemaker import schedule_expression
from stacks.image_settings import FOLDER
from stacks.settings_base import Name, Settings

_KINDS = ("schedule", "new_data", "alarm")


class NewDataSettings(Settings):
    """Starts a run once new objects lie below a prefix, and nothing more came for a while."""

    prefix: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9!_.'()=+-][A-Za-z0-9!_.'()=+/-]*$",
            max_length=512,
            description="how the objects' keys begin, for example reviews/",
        ),
    ]
    bucket: str | None = None
    """One of data.read_only_buckets. Omitted: the environment's data bucket."""
    quiet_minutes: Annotated[int, Field(ge=1, le=1440)] = 30
    """Nothing must have come for that long; longer than the longest single upload takes."""


class AlarmSettings(Settings):
    """Starts a run when a CloudWatch alarm goes off."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=400,
            description="name or ARN of an alarm of this account and region, which exists or is yet to be made",
        ),
    ]
    minimum_interval_minutes: Annotated[int, Field(ge=1, le=14 * 1440)] = 360
    """At most one run in that time, however often the alarm goes off."""

    @property
    def alarm_name(self) -> str:
        """The name alone."""
        return self.name.partition(":alarm:")[2] or self.name


class TriggerSettings(Settings):
    """Starts runs by itself, by one of `schedule`, `new_data` and `alarm`."""

    name: Name
    """Begins the names of the runs that it starts."""
    request: Annotated[Path, Field(description="path, relative to this file")]
    """A training request, a JSON file. It names the environment's buckets as ${data-bucket}, ${models-bucket} and
    ${checkpoints-bucket}, in s3://${data-bucket}/reviews/. Omits `name`: the trigger's."""
    schedule: Annotated[str, Field(examples=["cron(0 3 * * ? *)", "rate(7 days)"])] | None = None
    """When: a schedule expression of EventBridge's, in UTC."""
    new_data: NewDataSettings | None = None
    """When new data has come."""
    alarm: AlarmSettings | None = None
    """When an alarm goes off."""

    @field_validator("request")
    @classmethod
    def _readable(cls, value: Path, info: ValidationInfo) -> Path:
        file = Path((info.context or {}).get(FOLDER, "."), value).resolve()
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"{file} cannot be read: {error.strerror}. Name a training request, a JSON file") from None
        except ValueError as error:
            raise ValueError(f"{file} must be a training request in JSON, and is not: {error}") from None
        if not isinstance(content, dict):
            raise ValueError(f"{file} must hold a JSON object, a training request")
        return file

    @field_validator("schedule")
    @classmethod
    def _sound(cls, value: str | None) -> str | None:
        if value is not None:
            schedule_expression.parse(value)
        return value

    @property
    def kinds(self) -> list[str]:
        """Which of the ways to be started it has; one, where it is sound."""
        return [kind for kind in _KINDS if getattr(self, kind) is not None]

    @property
    def body(self) -> dict[str, Any]:
        """The request, as the file has it, with a name."""
        content: dict[str, Any] = json.loads(self.request.read_text(encoding="utf-8"))
        return {"name": self.name, **content}
