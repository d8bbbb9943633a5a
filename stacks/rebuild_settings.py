"""When an image is built without being asked for. Never imports aws_cdk, see stacks/settings.py."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from stacks.settings_base import Settings


class AcceptedFindingSettings(Settings):
    """A finding of a scan that this environment lives with for a while."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{3,64}$")]
    """As the scan names it, for example CVE-2026-1234."""
    until: date
    """The last day on which it is accepted."""
    reason: Annotated[str, Field(min_length=10)]
    """Why, for whoever reviews it."""


class RebuildSettings(Settings):
    """What starts a build."""

    on_change: bool = True
    """When a deployment changes what goes into the image, the first one too. False: `hfsm build` does."""
    on_new_base: bool = True
    """When AWS has published another image under the base's tag; looked at every day."""
    on_announcement: bool = False
    """When AWS announces new images: looks at the base at once, and not only every day. In partition aws, and where
    the organisation lets the account subscribe to a topic in us-west-2."""
    on_findings: Literal["critical", "high", "none"] = "critical"
    """When a scan finds something of that severity or above. It blocks promotion too, until it is gone or accepted."""
    accepted_findings: Annotated[list[AcceptedFindingSettings], Field(max_length=30)] = []
    """Findings that do not count until their day is over."""
