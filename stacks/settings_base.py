"""What every model of settings shares. Never imports aws_cdk, see stacks/settings.py."""

from pydantic import BaseModel, ConfigDict

Problem = tuple[str, object, str]
"""(field path, value, what it must be)."""


class Settings(BaseModel):
    """Base of all settings: an unknown field is an error, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
