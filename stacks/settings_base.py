"""What every model of settings shares. Never imports aws_cdk, see stacks/settings.py."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Problem = tuple[str, object, str]
"""(field path, value, what it must be)."""


Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9-]{0,29}[a-z0-9]$",
        description="lower-case letters, digits, hyphens; 2 to 31 long",
    ),
]


def _https_url(value: str) -> str:
    # Never the value itself: it may hold a password.
    wanted = (
        "must be an address such as https://packages.example.com/simple, with nothing but host, port and path in it"
    )
    if "@" in value or "?" in value:
        raise ValueError(f"{wanted}: credentials belong into Secrets Manager, settings reach templates and reports")
    try:
        url = urlsplit(value)
        is_one = url.scheme == "https" and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        is_one = False
    if not is_one or not re.fullmatch(r"[!$%&()*+,./:;=A-Za-z0-9_~\[\]-]+", value):
        raise ValueError(wanted)
    return value


HttpsUrl = Annotated[str, AfterValidator(_https_url)]
"""An address that may stand in templates: by TLS, without credentials."""


class Settings(BaseModel):
    """Base of all settings: an unknown field is an error, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
