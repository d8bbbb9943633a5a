"""What a team may say about a batch transform. Never imports aws_cdk, see stacks/settings.py."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator

from hf_sagemaker import dlc_catalog, schedule_expression
from hf_sagemaker.compatibility import instance_problem
from hf_sagemaker.instance_types import UnknownInstanceTypeError, instance_type
from stacks.container_settings import Environment, environment_problems
from stacks.endpoint_settings import name_problems
from stacks.model_settings import ModelSettings, model_problems
from stacks.settings_base import Name, Problem, Settings

if TYPE_CHECKING:
    from stacks.settings import EnvironmentSettings

_PREFIX = r"[A-Za-z0-9!_.()=+-][A-Za-z0-9!_.()=+/-]*/"
_MOST_MEGABYTES = 100
_PATH = "inference.batch_transforms"


class BatchScheduleSettings(Settings):
    """When runs begin."""

    cron: Annotated[str, Field(examples=["0 3 ? * MON-FRI *"])]
    """Minutes, hours, day of month, month, day of week, year, as EventBridge has them; ? for one of the two days."""
    time_zone: Annotated[str, Field(examples=["Europe/Berlin"])] = "UTC"
    """Of the IANA database. A run that summer time leaves out is left out; one that it repeats is not repeated."""

    @field_validator("cron")
    @classmethod
    def _sound(cls, value: str) -> str:
        schedule_expression.parse(f"cron({value})")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        zones = available_timezones()
        # A machine without the database leaves it to AWS to refuse.
        if zones and value not in zones:
            raise ValueError("must be a time zone of the IANA database, for example Europe/Berlin or UTC")
        return value


class BatchTransformSettings(Settings):
    """A model over all objects of a prefix, when somebody asks, or by the clock."""

    name: Name
    image: str = "inference"
    """Name of the inference image under `images`, which serves a model of `hub` or `s3`."""
    model: ModelSettings
    """As an endpoint's; but `approved`, which a transform does not follow."""
    environment: Environment = {}
    """Variables of the container, as an endpoint's."""
    instance_type: str = "ml.g4dn.xlarge"
    instance_count: Annotated[int, Field(ge=1, le=100)] = 1
    input: Annotated[str, Field(pattern=rf"^(s3://[a-z0-9.-]+/)?{_PREFIX}$", max_length=1024)]
    """A prefix, which ends in a slash: in the data bucket, or s3://bucket/… in one of data.read_only_buckets."""
    output: Annotated[str, Field(pattern=rf"^{_PREFIX}$", max_length=512)]
    """A prefix in the data bucket, which ends in a slash. Each run's answers lie below <output><execution name>/."""
    content_type: Annotated[str, Field(pattern=r"^[\w.+-]+/[\w.+-]+$")] = "application/json"
    accept: Annotated[str, Field(pattern=r"^[\w.+-]+/[\w.+-]+$")] | None = None
    """Content type of the answers. Omitted: the model's choice."""
    split: Literal["Line", "None"] = "Line"
    """Line: each line is a request. None: an object is one."""
    strategy: Literal["SingleRecord", "MultiRecord"] = "SingleRecord"
    """MultiRecord: as many lines in a request as fit."""
    max_payload_mb: Annotated[int, Field(ge=1, le=_MOST_MEGABYTES)] = 6
    """The most of one request."""
    max_concurrent: Annotated[int, Field(ge=1, le=_MOST_MEGABYTES)] = 1
    """Requests to one instance at a time."""
    max_hours: Annotated[int, Field(ge=1, le=120)] = 4
    """A job that runs longer is stopped."""
    schedule: BatchScheduleSettings | None = None
    """Omitted: runs begin when somebody starts them, with `hfsm transform`."""

    @property
    def place(self) -> tuple[str | None, str]:
        """Bucket and prefix of `input`. None: the environment's data bucket."""
        if not self.input.startswith("s3://"):
            return None, self.input
        bucket, _, prefix = self.input.removeprefix("s3://").partition("/")
        return bucket, prefix


def batch_problems(settings: "EnvironmentSettings") -> list[Problem]:
    """What no field of a batch transform can know."""
    transforms = settings.inference.batch_transforms
    found = name_problems(_PATH, [transform.name for transform in transforms])
    for i, transform in enumerate(transforms):
        path = f"{_PATH}.{i}"
        found += _own_problems(path, transform, [each.name for each in settings.data.read_only_buckets])
        found += _image_problems(settings, path, transform)
    return found


def _image_problems(settings: "EnvironmentSettings", path: str, transform: BatchTransformSettings) -> list[Problem]:
    """Of the image, and of what has to fit it: model, instances, variables."""
    # What leaves a team's own VPC is not known here.
    leaves_vpc = settings.network.egress == "nat" or settings.network.vpc is not None
    fitting = [image.name for image in settings.images if image.base.purpose == "inference"]
    found: list[Problem] = []
    image = None
    if transform.image in fitting:
        # A base that is not published here is told elsewhere.
        with suppress(dlc_catalog.UnknownImageError):
            image = settings.described(transform.image)
    else:
        known = ", ".join(fitting) or "none"
        reason = f"must be the name of an image under `images` with purpose inference: {known}"
        found.append((f"{path}.image", transform.image, reason))
    found += model_problems(
        f"{path}.model",
        transform.model,
        hub=settings.hub,
        read_only=settings.data.read_only_buckets,
        isolated=settings.isolation,
        leaves_vpc=leaves_vpc,
        product=image.product if image else None,
        job_types=[job.name for job in settings.training.job_types],
    )
    try:
        instance = instance_type(transform.instance_type, "transform")
    except UnknownInstanceTypeError as error:
        return [*found, (f"{path}.instance_type", transform.instance_type, str(error))]
    if image and (problem := instance_problem(image, instance, "hosting")):
        found.append((f"{path}.instance_type", transform.instance_type, problem))
    problems = environment_problems(
        transform.environment, instance, image=image, isolated=settings.isolation, leaves_vpc=leaves_vpc
    )
    return found + [(f"{path}.environment.{name}", transform.environment[name], why) for name, why in problems]


def _own_problems(path: str, transform: BatchTransformSettings, read_only: Sequence[str]) -> list[Problem]:
    found: list[Problem] = []
    bucket, prefix = transform.place
    if transform.model.approved:
        found.append(
            (
                f"{path}.model.approved",
                transform.model.approved,
                "must be left out: a batch transform follows no approvals. Name the version in model_package",
            )
        )
    if bucket and bucket not in read_only:
        reason = "must lie in a bucket of data.read_only_buckets; in the data bucket it is named by its prefix alone"
        found.append((f"{path}.input", transform.input, reason))
    if bucket is None and transform.output.startswith(prefix):
        found.append((f"{path}.output", transform.output, "must not lie below input, where the next run would read it"))
    if transform.split == "None" and transform.strategy == "MultiRecord":
        found.append((f"{path}.strategy", transform.strategy, "must be SingleRecord, since split is None"))
    if (megabytes := transform.max_payload_mb * transform.max_concurrent) > _MOST_MEGABYTES:
        reason = f"times max_payload_mb must be at most {_MOST_MEGABYTES}, and is {megabytes}"
        found.append((f"{path}.max_concurrent", transform.max_concurrent, reason))
    return found
