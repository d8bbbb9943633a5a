"""What is kept of an endpoint's requests and answers, and what it is compared with.

Never imports aws_cdk, see stacks/settings.py.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hf_sagemaker.dlc_catalog import UnknownImageError
from hf_sagemaker.endpoint_parts import EndpointMode
from hf_sagemaker.instance_types import UnknownInstanceTypeError, instance_type
from hf_sagemaker.model_monitor_images import monitor_image
from stacks.settings_base import Problem, Settings

_NO_CAPTURE: dict[EndpointMode, str] = {
    "asynchronous": "its requests and answers lie in S3 as they are",
    "serverless": "SageMaker captures nothing of serverless endpoints",
    "components": "SageMaker says nothing of capturing those of components",
    "multi-model": "SageMaker's monitors know endpoints of one model, and a capture does not say which one answered",
}

Prefix = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9!_.*'()=+-][A-Za-z0-9!_.*'()=+/-]*/$",
        max_length=512,
        description="a prefix in the bucket of data that ends in a slash",
    ),
]


class CaptureSettings(Settings):
    """Requests and answers that are kept in the bucket of data, below captured/. They are what users sent."""

    percent: Annotated[int, Field(ge=1, le=100)] = 20
    """Of requests."""
    expires_days: Literal[1, 3, 7, 14, 30, 90] = 30
    """Days after which they are deleted."""


class DataQualitySettings(Settings):
    """Compares what is asked and answered with a baseline."""

    baseline: Prefix
    """Where statistics.json and constraints.json lie, as Model Monitor's suggestion job writes them."""
    preprocessor: Annotated[str, Field(pattern=r"^[A-Za-z0-9!_.'()=+/-]+\.py$", max_length=512)] | None = None
    """Key of a Python script in the bucket of data that makes one flat record of each capture: monitors read tables.
    Omitted: captures are flat."""


class ModelQualitySettings(Settings):
    """Compares answers with what turned out to be true."""

    baseline: Prefix
    """Where constraints.json lies."""
    ground_truth: Prefix
    """Where truths are put, by year/month/day/hour, with the id of the request."""
    problem: Literal["BinaryClassification", "MulticlassClassification", "Regression"]
    """What the model does."""
    inference_attribute: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$", max_length=256)]
    """Of an answer, which holds the label or number."""


class MonitorSettings(Settings):
    """Jobs that compare captures with a baseline. At least one of both. An endpoint with monitors cannot be stopped:
    SageMaker deletes none that has one."""

    data_quality: DataQualitySettings | None = None
    """What is asked."""
    model_quality: ModelQualitySettings | None = None
    """How well it is answered."""
    instance_type: str = "ml.m5.xlarge"
    """Of the jobs."""
    hourly: bool = False
    """Omitted: once a day, at 5 o'clock UTC."""

    @model_validator(mode="after")
    def _says_something(self) -> "MonitorSettings":
        if self.data_quality is None and self.model_quality is None:
            raise ValueError("must say data_quality, model_quality, or both; leave it out for neither")
        return self


def monitor_problems(
    path: str, monitor: MonitorSettings | None, *, captures: bool, ends: bool, variants: int, region: str
) -> list[Problem]:
    """Monitors that cannot be. path: of the setting. captures: there is something to read. ends: it has a lifetime.
    variants: that take requests; a monitor knows one."""
    if monitor is None:
        return []
    found: list[Problem] = []
    said = ", ".join(monitor.model_dump(exclude_none=True, include={"data_quality", "model_quality"}))
    if not captures:
        found.append((path, said, "must have `capture` beside it: monitors read captures"))
    if ends:
        found.append(
            (path, said, "must be left out where `lifetime` is: SageMaker stops no endpoint that has a monitor")
        )
    if variants > 1:
        found.append((path, said, f"must be left out with {variants} variants: monitors know endpoints of one model"))
    try:
        instance_type(monitor.instance_type, "processing")
    except UnknownInstanceTypeError as error:
        found.append((f"{path}.instance_type", monitor.instance_type, str(error)))
    try:
        monitor_image(region)
    except UnknownImageError as error:
        found.append((path, region, str(error)))
    return found


def capture_problems(path: str, capture: CaptureSettings | None, mode: EndpointMode) -> list[Problem]:
    """Captures that cannot be. path: of the setting."""
    if capture is None or mode not in _NO_CAPTURE:
        return []
    return [(path, mode, f"must be left out: an endpoint of mode {mode} has none, {_NO_CAPTURE[mode]}")]
