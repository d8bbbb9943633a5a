"""What is kept of an endpoint's requests and answers. Never imports aws_cdk, see stacks/settings.py."""

from typing import Annotated, Literal

from pydantic import Field

from hf_sagemaker.endpoint_parts import EndpointMode
from stacks.settings_base import Problem, Settings

_NO_CAPTURE: dict[EndpointMode, str] = {
    "asynchronous": "its requests and answers lie in S3 as they are",
    "serverless": "SageMaker captures nothing of serverless endpoints",
    "components": "SageMaker says nothing of capturing those of components",
    "multi-model": "SageMaker's monitors know endpoints of one model, and a capture does not say which one answered",
}


class CaptureSettings(Settings):
    """Requests and answers that are kept in the bucket of data, below captured/. They are what users sent."""

    percent: Annotated[int, Field(ge=1, le=100)] = 20
    """Of requests."""
    expires_days: Literal[1, 3, 7, 14, 30, 90] = 30
    """Days after which they are deleted."""


def capture_problems(path: str, capture: CaptureSettings | None, mode: EndpointMode) -> list[Problem]:
    """Captures that cannot be. path: of the setting."""
    if capture is None or mode not in _NO_CAPTURE:
        return []
    return [(path, mode, f"must be left out: an endpoint of mode {mode} has none, {_NO_CAPTURE[mode]}")]
