"""When an endpoint of a disposable environment ends. Never imports aws_cdk, see stacks/settings.py."""

from typing import Annotated

from pydantic import Field, model_validator

from hf_sagemaker.endpoint_parts import EndpointMode
from stacks.settings_base import Problem, Settings

_NEEDS_NONE: dict[EndpointMode, str] = {
    "serverless": "costs nothing between requests",
    "asynchronous": "costs nothing while its queue is empty with `min_instances: 0`",
    "components": "costs nothing without requests when each of its components has `min_copies: 0`",
}


class LifetimeSettings(Settings):
    """When an endpoint is stopped: deleted, so that `hfsm endpoints start` makes it again with the same name.

    People are told before, after three quarters of the time and at most a day ahead; `hfsm endpoints extend` moves the
    end. At least one of both must be given.
    """

    hours: Annotated[int, Field(ge=4, le=2160)] | None = None
    """Hours that it lives from when it was made or started, used or not. Omitted: any number."""
    idle_hours: Annotated[int, Field(ge=2, le=336)] | None = None
    """Hours without a request after which it ends. Omitted: it may be idle."""

    @model_validator(mode="after")
    def _says_something(self) -> "LifetimeSettings":
        if self.hours is None and self.idle_hours is None:
            raise ValueError("must say hours (4 to 2160), idle_hours (2 to 336), or both; leave it out for neither")
        return self


def can_be_stopped(mode: EndpointMode) -> bool:
    """Whether endpoints of the mode cost money while nobody asks, and are whole again when they are made of their
    configuration."""
    return mode not in _NEEDS_NONE


def lifetime_problems(
    path: str, lifetime: LifetimeSettings | None, mode: EndpointMode, *, disposable: bool
) -> list[Problem]:
    """Lifetimes that cannot be. path: of the setting. disposable: as the environment's setting says."""
    if lifetime is None:
        return []
    said = lifetime.model_dump(exclude_none=True)
    if not disposable:
        return [
            (
                path,
                said,
                "must be left out: only endpoints of an environment with `disposable: true` end, and here others rely "
                "on them",
            )
        ]
    if reason := _NEEDS_NONE.get(mode):
        return [(path, said, f"must be left out: an endpoint of mode {mode} {reason}")]
    return []
