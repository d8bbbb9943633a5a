"""What every model of settings shares. Never imports aws_cdk, see stacks/settings.py."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Problem = tuple[str, object, str]
"""(field path, value, what it must be)."""


Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9-]{0,29}[a-z0-9]$",
        description="lower-case letters, digits, hyphens; 2 to 31 long",
    ),
]


class Settings(BaseModel):
    """Base of all settings: an unknown field is an error, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
